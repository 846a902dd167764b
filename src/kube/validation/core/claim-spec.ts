import { forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { isDns1123Subdomain } from '../../names.ts';
import { parseQuantity } from '../../quantity.ts';
import type {
  PersistentVolumeClaimSpec,
  PersistentVolumeClaimTemplate,
  TypedLocalObjectReference,
  TypedObjectReference,
} from '../../types.gen.ts';
import { dnsSubdomain, type Errors, each, namespaceName, requiredString, supportedValue } from '../common.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { validateTemplateMeta } from '../meta.ts';
import { positiveQuantity, validateResourceQuantity } from '../resources.ts';

export const accessModes: readonly string[] = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
export const volumeModes: readonly string[] = ['Block', 'Filesystem'];

export interface ClaimRules {
  readonly allowInvalidSelectorValues: boolean;
  readonly allowInvalidApiGroup: boolean;
}

export const strictClaimRules: ClaimRules = { allowInvalidSelectorValues: false, allowInvalidApiGroup: false };

/** A claim inside a pod (ephemeral volumes): labels, annotations and the spec. */
export function* validateClaimTemplate(template: PersistentVolumeClaimTemplate, field: string): Errors {
  yield* validateTemplateMeta(template.metadata, `${field}.metadata`);
  yield* validateClaimSpec(template.spec, `${field}.spec`, strictClaimRules);
}

export function* validateClaimSpec(
  spec: PersistentVolumeClaimSpec | undefined,
  field: string,
  rules: ClaimRules,
): Errors {
  const { accessModes: modes = [], selector, resources, storageClassName = '', volumeMode } = spec ?? {};
  if (modes.length === 0) yield required(`${field}.accessModes`, 'at least 1 access mode is required');
  yield* validateLabelSelector(selector, `${field}.selector`, rules.allowInvalidSelectorValues);
  yield* validateAccessModes(modes, `${field}.accessModes`);
  yield* validateStorageRequest(resources?.requests?.['storage'], `${field}.resources[storage]`);
  if (storageClassName !== '') yield* dnsSubdomain(storageClassName, `${field}.storageClassName`);
  yield* supportedValue(volumeMode, volumeModes, `${field}.volumeMode`);
  yield* validateDataSources(spec, field, rules);
  const attributesClass = spec?.volumeAttributesClassName ?? '';
  if (attributesClass !== '') yield* dnsSubdomain(attributesClass, `${field}.volumeAttributesClassName`);
}

/** Known modes, of which ReadWriteOncePod stands alone. Volumes have the same rule. */
export function* validateAccessModes(modes: readonly string[], field: string): Errors {
  for (const mode of modes) if (!accessModes.includes(mode)) yield notSupported(field, mode, accessModes);
  const others = modes.some((mode) => mode !== 'ReadWriteOncePod' && accessModes.includes(mode));
  if (modes.includes('ReadWriteOncePod') && others) {
    yield forbidden(field, 'may not use ReadWriteOncePod with other access modes');
  }
}

function* validateStorageRequest(storage: string | undefined, field: string): Errors {
  if (storage === undefined) {
    yield required(field);
    return;
  }
  const amount = parseQuantity(storage);
  const errors = [...positiveQuantity(amount, field)];
  yield* errors.length > 0 ? errors : validateResourceQuantity('storage', amount, field);
}

function* validateDataSources(spec: PersistentVolumeClaimSpec | undefined, field: string, rules: ClaimRules): Errors {
  const { dataSource, dataSourceRef } = spec ?? {};
  if (dataSource !== undefined) yield* validateDataSource(dataSource, `${field}.dataSource`, rules);
  if (dataSourceRef !== undefined) {
    yield* validateDataSource(dataSourceRef, `${field}.dataSourceRef`, rules);
    const { namespace = '' } = dataSourceRef;
    if (namespace !== '') yield* namespaceName(namespace, `${field}.dataSourceRef.namespace`);
  }
  if (dataSource === undefined || dataSourceRef === undefined) return;
  // The value that upstream shows is the path itself, which has no exported fields.
  if ((dataSourceRef.namespace ?? '') !== '') {
    yield invalid(field, {}, 'may not be specified when dataSourceRef.namespace is specified');
  } else if (!sameSource(dataSource, dataSourceRef)) yield invalid(field, {}, 'must match dataSourceRef');
}

function sameSource(a: TypedLocalObjectReference, b: TypedObjectReference): boolean {
  return a.apiGroup === b.apiGroup && a.kind === b.kind && a.name === b.name;
}

function* validateDataSource(source: TypedLocalObjectReference, field: string, rules: ClaimRules): Errors {
  const { apiGroup = '', kind = '' } = source;
  yield* requiredString(source.name, `${field}.name`);
  yield* requiredString(kind, `${field}.kind`);
  if (apiGroup === '' && kind !== 'PersistentVolumeClaim') {
    yield invalid(field, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  }
  if (apiGroup !== '' && !rules.allowInvalidApiGroup) {
    yield* each(isDns1123Subdomain(apiGroup), `${field}.apiGroup`, apiGroup);
  }
}
