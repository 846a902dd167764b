import { type FieldError, forbidden, invalid, required, tooLong } from '../field-error.ts';
import { goQuote, isGoPrintable } from '../go-json.ts';
import { isQualifiedName, type NameCheck, nameIsDnsSubdomain } from '../names.ts';
import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from '../object.ts';
import { type Errors, each, entriesOf, immutable, namespaceName, nonNegative, qualifiedName } from './common.ts';
import { internalForm, internalForms } from './internal-form.ts';
import { validateLabels } from './label-selector.ts';

export interface ObjectMetaRules {
  readonly namespaced: boolean;
  /** Absent: a DNS subdomain. */
  readonly validateName?: NameCheck;
  /** Built-in kinds take finalizers without a domain only where they are Kubernetes' own; custom resources take any. */
  readonly anyFinalizers?: boolean;
}

const annotationsBytesMax = 256 * 1024;
const managerBytesMax = 128;
const subresourceBytesMax = 256;
const standardFinalizers: readonly string[] = ['kubernetes', 'orphan', 'foregroundDeletion'];

/** The metadata of an object to be created, names already generated. */
export function validateObjectMeta(meta: ObjectMeta, rules: ObjectMetaRules): readonly FieldError[] {
  return [...metadataErrors(meta, rules)];
}

function* metadataErrors(meta: ObjectMeta, rules: ObjectMetaRules): Errors {
  const validateName = rules.validateName ?? nameIsDnsSubdomain;
  const { name = '', generateName = '', namespace = '' } = meta;
  if (generateName !== '') yield* each(validateName(generateName, true), 'metadata.generateName', generateName);
  if (name === '') yield required('metadata.name', 'name or generateName is required');
  else yield* each(validateName(name, false), 'metadata.name', name);
  if (rules.namespaced) {
    if (namespace === '') yield required('metadata.namespace');
    else yield* namespaceName(namespace, 'metadata.namespace');
  } else if (namespace !== '') yield forbidden('metadata.namespace', 'not allowed on this type');
  yield* nonNegative(meta.generation, 'metadata.generation');
  yield* commonErrors(meta);
  if (rules.anyFinalizers !== true) yield* finalizersOfKubernetes(meta);
}

/**
 * What upstream's registry checks on each update. Kinds repeat the check in their own validateUpdate, as upstream does:
 * the causes of a Status then list an error as often.
 */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta): readonly FieldError[] {
  return [...metadataUpdateErrors(meta, old)];
}

function* metadataUpdateErrors(meta: ObjectMeta, old: ObjectMeta): Errors {
  if (old.deletionTimestamp !== undefined) yield* noNewFinalizers(meta.finalizers ?? [], old.finalizers ?? []);
  if ((meta.resourceVersion ?? '') === '') {
    yield invalid('metadata.resourceVersion', '', 'must be specified for an update');
  }
  const generation = meta.generation ?? 0;
  if (generation < (old.generation ?? 0)) yield invalid('metadata.generation', generation, 'must not be decremented');
  yield* immutable(meta.name ?? '', old.name ?? '', 'metadata.name');
  yield* immutable(meta.namespace ?? '', old.namespace ?? '', 'metadata.namespace');
  yield* immutable(meta.uid ?? '', old.uid ?? '', 'metadata.uid');
  yield* immutable(meta.creationTimestamp, old.creationTimestamp, 'metadata.creationTimestamp');
  yield* immutable(meta.deletionTimestamp, old.deletionTimestamp, 'metadata.deletionTimestamp');
  yield* immutable(
    meta.deletionGracePeriodSeconds,
    old.deletionGracePeriodSeconds,
    'metadata.deletionGracePeriodSeconds',
  );
  yield* commonErrors(meta, false);
}

/** The update rules as built-in kinds repeat them, with Kubernetes' own finalizers. */
export function* validateMetaUpdateOfKind(meta: ObjectMeta, old: ObjectMeta): Errors {
  yield* metadataUpdateErrors(meta, old);
  yield* finalizersOfKubernetes(meta);
}

function* commonErrors(meta: ObjectMeta, withFinalizers = true): Errors {
  yield* validateLabels(meta.labels, 'metadata.labels');
  yield* validateAnnotations(meta.annotations, 'metadata.annotations');
  yield* validateOwnerReferences(meta.ownerReferences ?? [], 'metadata.ownerReferences');
  if (withFinalizers) yield* validateFinalizers(meta.finalizers ?? [], 'metadata.finalizers');
  yield* validateManagedFields(meta.managedFields ?? [], 'metadata.managedFields');
}

/** Keys are qualified names in any case; keys and values together have a bound. */
export function* validateAnnotations(annotations: Readonly<Record<string, string>> | undefined, field: string): Errors {
  let bytes = 0;
  for (const [key, value] of entriesOf(annotations)) {
    yield* each(isQualifiedName(key.toLowerCase()), field, key);
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > annotationsBytesMax) yield tooLong(field, annotationsBytesMax);
}

function* validateOwnerReferences(references: readonly OwnerReference[], field: string): Errors {
  let controller = '';
  for (const reference of references) {
    yield* validateOwnerReference(reference, field);
    if (reference.controller !== true) continue;
    const name = `${reference.kind}/${reference.name}`;
    if (controller === '') controller = name;
    else {
      const detail = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`;
      yield invalid(field, internalForms('OwnerReference', references), detail);
    }
  }
}

function* validateOwnerReference(reference: OwnerReference, field: string): Errors {
  const { apiVersion = '', kind = '', name = '', uid = '' } = reference;
  const parts = apiVersion.split('/');
  const version = parts.length > 2 ? '' : (parts[parts.length - 1] ?? '');
  if (version === '') yield invalid(`${field}.apiVersion`, apiVersion, 'version must not be empty');
  if (kind === '') yield invalid(`${field}.kind`, kind, 'must not be empty');
  if (name === '') yield invalid(`${field}.name`, name, 'must not be empty');
  if (uid === '') yield invalid(`${field}.uid`, uid, 'must not be empty');
  if (apiVersion === 'v1' && kind === 'Event') {
    yield invalid(
      field,
      internalForm('OwnerReference', reference),
      '/v1, Kind=Event is disallowed from being an owner',
    );
  }
}

function* validateFinalizers(finalizers: readonly string[], field: string): Errors {
  for (const finalizer of finalizers) yield* qualifiedName(finalizer, field);
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    yield invalid(field, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set');
  }
}

function* finalizersOfKubernetes(meta: ObjectMeta): Errors {
  for (const [index, finalizer] of (meta.finalizers ?? []).entries()) {
    yield* finalizerOfKubernetes(finalizer, `metadata.finalizers[${index}]`);
  }
}

/** A finalizer without a domain must be one of Kubernetes' own. */
export function* finalizerOfKubernetes(finalizer: string, field: string): Errors {
  if (finalizer.includes('/') || standardFinalizers.includes(finalizer)) return;
  yield invalid(field, finalizer, 'name is neither a standard finalizer name nor is it fully qualified');
}

function* noNewFinalizers(finalizers: readonly string[], old: readonly string[]): Errors {
  const added = [...new Set(finalizers)].filter((finalizer) => !old.includes(finalizer)).sort();
  if (added.length === 0) return;
  const list = `[]string{${added.map(goQuote).join(', ')}}`;
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`;
  yield forbidden('metadata.finalizers', detail);
}

function* validateManagedFields(entries: readonly ManagedFieldsEntry[], field: string): Errors {
  for (const [index, entry] of entries.entries()) {
    const path = `${field}[${index}]`;
    const { operation = '', fieldsType = '', manager = '', subresource = '' } = entry;
    if (operation !== 'Apply' && operation !== 'Update') {
      yield invalid(`${path}.operation`, operation, 'must be `Apply` or `Update`');
    }
    if (fieldsType !== '' && fieldsType !== 'FieldsV1') {
      yield invalid(`${path}.fieldsType`, fieldsType, 'must be `FieldsV1`');
    }
    yield* validateFieldManager(manager, `${path}.manager`);
    if (Buffer.byteLength(subresource) > subresourceBytesMax) yield tooLong(`${path}.subresource`, subresourceBytesMax);
  }
}

/** The name of a field manager: a short printable text. */
export function* validateFieldManager(manager: string, field: string): Errors {
  if (Buffer.byteLength(manager) > managerBytesMax) yield tooLong(field, managerBytesMax);
  let position = 0;
  for (const character of manager) {
    if (!isGoPrintable(character)) {
      const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
      yield invalid(field, manager, `invalid character U+${code} (at position ${position})`);
    }
    position += Buffer.byteLength(character);
  }
}

/** The metadata of a template, of which only labels and annotations count: anything else set is refused. */
export function* validateTemplateMeta(meta: ObjectMeta | undefined, field: string): Errors {
  yield* validateAnnotations(meta?.annotations, `${field}.annotations`);
  yield* validateLabels(meta?.labels, `${field}.labels`);
  const form = internalForm('ObjectMeta', meta) ?? {};
  for (const name of Object.keys(form)) {
    if (name !== 'labels' && name !== 'annotations') yield forbidden(`${field}.${name}`, 'cannot be set');
  }
}
