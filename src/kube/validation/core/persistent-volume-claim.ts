import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { compareQuantities, parseQuantity, type Quantity, quantityOf } from '../../quantity.ts';
import { keepEmptyMembers } from '../../schema/empty-members.ts';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../types.gen.ts';
import { type Errors, entriesOf, fieldIsImmutable, immutable, qualifiedName } from '../common.ts';
import { internalForm, semanticallyEqual } from '../internal-form.ts';
import { hasInvalidSelector } from '../label-selector.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { isNativeResource, validateBasicResource, validateResourceQuantity } from '../resources.ts';
import { diffOfForms } from '../unified-diff.ts';
import { type ClaimRules, strictClaimRules, validateClaimSpec } from './claim-spec.ts';

export function validatePersistentVolumeClaim(claim: PersistentVolumeClaim): readonly FieldError[] {
  return [...validateClaimSpec(claim.spec, 'spec', strictClaimRules)];
}

/** What was fine when the claim was made stays fine. */
function rulesForUpdate(old: PersistentVolumeClaim): ClaimRules {
  const { selector, dataSource, dataSourceRef } = old.spec ?? {};
  return {
    allowInvalidSelectorValues: hasInvalidSelector(selector),
    allowInvalidApiGroup: dataSource?.apiGroup !== undefined || dataSourceRef?.apiGroup !== undefined,
  };
}

export function validatePersistentVolumeClaimUpdate(
  claim: PersistentVolumeClaim,
  old: PersistentVolumeClaim,
): readonly FieldError[] {
  return [...updateErrors(claim, old)];
}

const storageClassAnnotation = 'volume.beta.kubernetes.io/storage-class';

function* updateErrors(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): Errors {
  yield* validateObjectMeta(claim.metadata, { namespaced: true });
  yield* validateClaimSpec(claim.spec, 'spec', rulesForUpdate(old));
  yield* validateMetaUpdateOfKind(claim.metadata, old.metadata);
  yield* storageClassErrors(claim, old);
  yield* fixedSpecErrors(claim, old);
  yield* sizeErrors(claim, old);
  yield* immutable(claim.spec?.volumeMode, old.spec?.volumeMode, 'volumeMode');
  yield* attributesClassErrors(claim.spec?.volumeAttributesClassName, old.spec?.volumeAttributesClassName);
}

/** A class given by the old annotation may move to the field, once. */
function movesClassToField(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): boolean {
  const before = old.metadata.annotations?.[storageClassAnnotation];
  const after = claim.metadata.annotations?.[storageClassAnnotation];
  if (before === undefined || old.spec?.storageClassName !== undefined) return false;
  return claim.spec?.storageClassName === before && (after === undefined || after === before);
}

function* storageClassErrors(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): Errors {
  if (movesClassToField(claim, old)) return;
  const before = old.metadata.annotations?.[storageClassAnnotation] ?? '';
  const after = claim.metadata.annotations?.[storageClassAnnotation] ?? '';
  if (before !== after) yield invalid(`metadata.annotations.${storageClassAnnotation}`, after, fieldIsImmutable);
}

function* fixedSpecErrors(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): Errors {
  const form = { ...internalForm('PersistentVolumeClaimSpec', mungedSpec(claim, old)) };
  const oldForm = { ...internalForm('PersistentVolumeClaimSpec', old.spec ?? {}) };
  // The volume may be named once.
  if (oldForm['VolumeName'] === '') oldForm['VolumeName'] = form['VolumeName'];
  if (semanticallyEqual(form, oldForm)) return;
  const rule =
    'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
  yield forbidden('spec', `${rule}\n${diffOfForms(oldForm, form)}`);
}

/** The new spec with the old values of what may change. */
function mungedSpec(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): object {
  const spec: Record<string, unknown> = keepEmptyMembers({ ...claim.spec }, claim.spec);
  const before: PersistentVolumeClaimSpec = old.spec ?? {};
  if (movesClassToField(claim, old)) spec['storageClassName'] = undefined;
  else if (claim.spec?.storageClassName !== undefined && before.storageClassName === undefined) {
    const annotation = old.metadata.annotations?.[storageClassAnnotation];
    if (annotation === undefined || annotation === claim.spec.storageClassName) spec['storageClassName'] = undefined;
  }
  if (claim.status?.phase !== 'Bound') return spec;
  const requests = claim.spec?.resources?.requests;
  if (requests !== undefined) {
    const storage = before.resources?.requests?.['storage'] ?? '0';
    spec['resources'] = { ...claim.spec?.resources, requests: { ...requests, storage } };
  }
  if (spec['volumeAttributesClassName'] !== undefined) {
    spec['volumeAttributesClassName'] = before.volumeAttributesClassName;
  }
  return spec;
}

/** A claim shrinks only to recover from an expansion that failed: not to what the volume already has. */
function* sizeErrors(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): Errors {
  const size = amount(claim.spec?.resources?.requests?.['storage']);
  if (compareQuantities(size, amount(old.spec?.resources?.requests?.['storage'])) >= 0) return;
  if (compareQuantities(size, amount(old.status?.capacity?.['storage'])) <= 0) {
    yield forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity');
  }
}

function amount(text: string | undefined): Quantity {
  return text === undefined ? quantityOf(0) : parseQuantity(text);
}

function* attributesClassErrors(name: string | undefined, old: string | undefined): Errors {
  if (old === undefined || name === old) return;
  const field = 'spec.volumeAttributesClassName';
  if (name === undefined) yield forbidden(field, 'update from non-nil value to nil is forbidden');
  else if (name === '') yield forbidden(field, 'update from non-nil value to an empty string is forbidden');
}

const resizeStatuses: readonly string[] = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].sort();

export function validatePersistentVolumeClaimStatusUpdate(
  claim: PersistentVolumeClaim,
  old: PersistentVolumeClaim,
): readonly FieldError[] {
  return [...statusErrors(claim, old)];
}

function* statusErrors(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): Errors {
  const { status = {}, metadata } = claim;
  yield* validateMetaUpdateOfKind(metadata, old.metadata);
  if ((metadata.resourceVersion ?? '') === '') yield required('resourceVersion');
  if ((claim.spec?.accessModes ?? []).length === 0) yield required('Spec.accessModes');
  for (const [name, text] of entriesOf(status.capacity)) {
    yield* validateBasicResource(parseQuantity(text), `status.capacity[${name}]`);
  }
  for (const [name, value] of entriesOf(status.allocatedResourceStatuses)) {
    const path = 'status.allocatedResourceStatus';
    yield* claimResource(name, path);
    if (!resizeStatuses.includes(value)) yield notSupported(path, name, resizeStatuses);
  }
  for (const [name, text] of entriesOf(status.allocatedResources)) {
    const path = `status.allocatedResources[${name}]`;
    const errors = [...claimResource(name, 'status.allocatedResources')];
    yield* errors;
    if (errors.length > 0) continue;
    const basic = [...validateBasicResource(parseQuantity(text), path)];
    yield* basic.length > 0 ? basic : validateResourceQuantity('storage', parseQuantity(text), path);
  }
}

function* claimResource(name: string, field: string): Errors {
  const errors = [...qualifiedName(name, field)];
  yield* errors;
  if (errors.length === 0 && isNativeResource(name) && name !== 'storage') yield notSupported(field, name, ['storage']);
}
