import { type FieldError, invalid, required } from '../../field-error.ts';
import { nameIsPathSegment } from '../../names.ts';
import type { ClusterRole, PolicyRule, Role } from '../../types.gen.ts';
import type { Errors } from '../common.ts';
import { hasInvalidSelector, validateLabelSelector } from '../label-selector.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';

export function validateRole({ rules = [] }: Role): readonly FieldError[] {
  return [...rulesErrors(rules, true)];
}

export function validateRoleUpdate(role: Role, old: Role): readonly FieldError[] {
  return [
    ...validateObjectMeta(role.metadata, { namespaced: true, validateName: nameIsPathSegment }),
    ...validateRole(role),
    ...validateMetaUpdateOfKind(role.metadata, old.metadata),
  ];
}

export function validateClusterRole(role: ClusterRole): readonly FieldError[] {
  return [...clusterRoleErrors(role, false)];
}

export function validateClusterRoleUpdate(role: ClusterRole, old: ClusterRole): readonly FieldError[] {
  const selectors = old.aggregationRule?.clusterRoleSelectors ?? [];
  return [
    ...validateObjectMeta(role.metadata, { namespaced: false, validateName: nameIsPathSegment }),
    ...clusterRoleErrors(role, selectors.some(hasInvalidSelector)),
    ...validateMetaUpdateOfKind(role.metadata, old.metadata),
  ];
}

function* clusterRoleErrors({ rules = [], aggregationRule }: ClusterRole, allowInvalidValues: boolean): Errors {
  yield* rulesErrors(rules, false);
  if (aggregationRule === undefined) return;
  const field = 'aggregationRule.clusterRoleSelectors';
  const selectors = aggregationRule.clusterRoleSelectors ?? [];
  if (selectors.length === 0) {
    yield required(field, 'at least one clusterRoleSelector required if aggregationRule is non-nil');
  }
  for (const [index, selector] of selectors.entries()) {
    yield* validateLabelSelector(selector, `${field}[${index}]`, allowInvalidValues);
    if (hasInvalidSelector(selector)) yield invalid(`${field}[${index}]`, null, 'invalid label selector.');
  }
}

function* rulesErrors(rules: readonly PolicyRule[], isNamespaced: boolean): Errors {
  for (const [index, rule] of rules.entries()) yield* ruleErrors(rule, isNamespaced, `rules[${index}]`);
}

function* ruleErrors(rule: Partial<PolicyRule>, isNamespaced: boolean, field: string): Errors {
  const { verbs = [], nonResourceURLs = [], apiGroups = [], resources = [], resourceNames = [] } = rule;
  if (verbs.length === 0) yield required(`${field}.verbs`, 'verbs must contain at least one value');
  if (nonResourceURLs.length > 0) {
    const path = `${field}.nonResourceURLs`;
    if (isNamespaced) yield invalid(path, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs');
    if (apiGroups.length + resources.length + resourceNames.length > 0) {
      const detail = 'rules cannot apply to both regular resources and non-resource URLs';
      yield invalid(path, nonResourceURLs, detail);
    }
    return;
  }
  if (apiGroups.length === 0) {
    yield required(`${field}.apiGroups`, 'resource rules must supply at least one api group');
  }
  if (resources.length === 0) yield required(`${field}.resources`, 'resource rules must supply at least one resource');
}
