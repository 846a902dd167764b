import { type FieldError, invalid, required } from '../../field-error.ts';
import { byBytes } from '../../go-json.ts';
import { parseQuantity } from '../../quantity.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement } from '../../types.gen.ts';
import { type Errors, entriesOf, fieldIsImmutable } from '../common.ts';
import { internalForm } from '../internal-form.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import {
  isStandardQuotaResource,
  type ResourceList,
  validateQuotaResourceName,
  validateResourceQuantity,
} from '../resources.ts';

export function validateResourceQuota({ spec, status }: ResourceQuota): readonly FieldError[] {
  return [
    ...specErrors(spec ?? {}),
    ...amountsErrors(status?.hard, 'status.hard'),
    ...amountsErrors(status?.used, 'status.used'),
  ];
}

function* specErrors(spec: ResourceQuotaSpec): Errors {
  yield* amountsErrors(spec.hard, 'spec.hard');
  yield* scopesErrors(spec);
  yield* selectorErrors(spec);
}

function* amountsErrors(list: ResourceList | undefined, field: string): Errors {
  for (const [name, text] of entriesOf(list)) {
    yield* validateQuotaResourceName(name, `${field}[${name}]`);
    yield* validateResourceQuantity(name, parseQuantity(text), `${field}[${name}]`);
  }
}

const scopesOfPods: readonly string[] = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
];
const volumeScope = 'VolumeAttributesClass';
const scopesWithoutValues: readonly string[] = scopesOfPods.filter((scope) => scope !== 'PriorityClass');
const podCompute: readonly string[] = [
  ...['cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'],
];
const opposites: readonly (readonly [string, string])[] = [
  ['BestEffort', 'NotBestEffort'],
  ['NotTerminating', 'Terminating'],
];

function isKnownScope(scope: string): boolean {
  return scopesOfPods.includes(scope) || scope === volumeScope;
}

/** Which resources a scope can count: pods and what they compute with, or claims and their storage. */
function canCount(scope: string, resource: string): boolean {
  if (scope === volumeScope) return resource === 'persistentvolumeclaims' || resource === 'requests.storage';
  if (scope === 'BestEffort') return resource === 'pods';
  return !scopesOfPods.includes(scope) || resource === 'pods' || podCompute.includes(resource);
}

function countErrors(scope: string, { hard = {} }: ResourceQuotaSpec): number {
  const names = Object.keys(hard).sort(byBytes);
  return names.filter((name) => isStandardQuotaResource(name) && !canCount(scope, name)).length;
}

function* scopesErrors(spec: ResourceQuotaSpec): Errors {
  const { scopes = [] } = spec;
  for (const scope of scopes) {
    if (!isKnownScope(scope)) yield invalid('spec.scopes', scopes, 'unsupported scope');
    for (let count = countErrors(scope, spec); count > 0; count--) {
      yield invalid('spec.scopes', scopes, 'unsupported scope applied to resource');
    }
  }
  yield* conflicts(scopes, 'spec.scopes', scopes);
}

function* conflicts(scopes: readonly string[], field: string, shown: unknown): Errors {
  for (const [one, other] of opposites) {
    if (scopes.includes(one) && scopes.includes(other)) yield invalid(field, shown, 'conflicting scopes');
  }
}

function* selectorErrors(spec: ResourceQuotaSpec): Errors {
  const { scopeSelector: selector } = spec;
  if (selector === undefined) return;
  const field = 'spec.scopeSelector.matchExpressions';
  const requirements = selector.matchExpressions ?? [];
  for (const requirement of requirements) {
    const { scopeName = '' } = requirement;
    if (!isKnownScope(scopeName)) yield invalid(`${field}.scopeName`, scopeName, 'unsupported scope');
    for (let count = countErrors(scopeName, spec); count > 0; count--) {
      yield invalid(field, internalForm('ScopeSelector', selector), 'unsupported scope applied to resource');
    }
    yield* operatorErrors(requirement, field);
  }
  const names = requirements.map(({ scopeName }) => scopeName);
  yield* conflicts(names, field, shownMember(spec, 'scopes'));
}

function* operatorErrors(
  { scopeName = '', operator = '', values = [] }: ScopedResourceSelectorRequirement,
  field: string,
): Errors {
  if (scopesWithoutValues.includes(scopeName) && operator !== 'Exists') {
    const detail =
      "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
    yield invalid(`${field}.operator`, operator, detail);
  }
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) {
      const detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
      yield required(`${field}.values`, detail);
    }
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      const detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
      yield invalid(`${field}.values`, values, detail);
    }
  } else yield invalid(`${field}.operator`, operator, 'not a valid selector operator');
}

export function validateResourceQuotaUpdate(quota: ResourceQuota, old: ResourceQuota): readonly FieldError[] {
  const { scopes } = quota.spec ?? {};
  const errors = [...validateMetaUpdateOfKind(quota.metadata, old.metadata), ...specErrors(quota.spec ?? {})];
  if (sameSet(scopes ?? [], old.spec?.scopes ?? [])) return errors;
  return [...errors, invalid('spec.scopes', shownMember(quota.spec, 'scopes'), fieldIsImmutable)];
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.every((item) => b.includes(item)) && b.every((item) => a.includes(item));
}

export function validateResourceQuotaStatusUpdate(quota: ResourceQuota, old: ResourceQuota): readonly FieldError[] {
  const { metadata, status } = quota;
  return [
    ...validateMetaUpdateOfKind(metadata, old.metadata),
    ...((metadata.resourceVersion ?? '') === '' ? [required('resourceVersion')] : []),
    ...amountsErrors(status?.hard, 'status.hard'),
    ...amountsErrors(status?.used, 'status.used'),
  ];
}
