import { type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import { nameIsPathSegment } from '../../names.ts';
import type { ClusterRoleBinding, RbacV1Subject, RoleBinding } from '../../types.gen.ts';
import { dnsSubdomain, type Errors } from '../common.ts';
import { internalForm, semanticallyEqual } from '../internal-form.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { requiredPathSegment } from '../path-segment.ts';

const group = 'rbac.authorization.k8s.io';

type Binding = RoleBinding | ClusterRoleBinding;

export function validateRoleBinding(binding: RoleBinding): readonly FieldError[] {
  return [...bindingErrors(binding, true)];
}

export function validateClusterRoleBinding(binding: ClusterRoleBinding): readonly FieldError[] {
  return [...bindingErrors(binding, false)];
}

export function validateRoleBindingUpdate(binding: RoleBinding, old: RoleBinding): readonly FieldError[] {
  return [...updateErrors(binding, old, true)];
}

export function validateClusterRoleBindingUpdate(
  binding: ClusterRoleBinding,
  old: ClusterRoleBinding,
): readonly FieldError[] {
  return [...updateErrors(binding, old, false)];
}

function* updateErrors(binding: Binding, old: Binding, namespaced: boolean): Errors {
  yield* validateObjectMeta(binding.metadata, { namespaced, validateName: nameIsPathSegment });
  yield* bindingErrors(binding, namespaced);
  yield* validateMetaUpdateOfKind(binding.metadata, old.metadata);
  const form = internalForm('RoleRef', binding.roleRef ?? {});
  if (!semanticallyEqual(form, internalForm('RoleRef', old.roleRef ?? {}))) {
    yield invalid('roleRef', form, 'cannot change roleRef');
  }
}

function* bindingErrors({ roleRef, subjects = [] }: Partial<Binding>, namespaced: boolean): Errors {
  const { apiGroup = '', kind = '', name } = roleRef ?? {};
  const kinds = namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  if (apiGroup !== group) yield notSupported('roleRef.apiGroup', apiGroup, [group]);
  if (!kinds.includes(kind)) yield notSupported('roleRef.kind', kind, kinds);
  yield* requiredPathSegment(name, 'roleRef.name');
  for (const [index, subject] of subjects.entries()) yield* subjectErrors(subject, namespaced, `subjects[${index}]`);
}

function* subjectErrors(subject: Partial<RbacV1Subject>, namespaced: boolean, field: string): Errors {
  const { kind = '', name = '', apiGroup = '', namespace = '' } = subject;
  if (name === '') yield required(`${field}.name`);
  if (kind === 'ServiceAccount') {
    if (name !== '') yield* dnsSubdomain(name, `${field}.name`);
    if (apiGroup !== '') yield notSupported(`${field}.apiGroup`, apiGroup, ['']);
    if (!namespaced && namespace === '') yield required(`${field}.namespace`);
  } else if (kind === 'User' || kind === 'Group') {
    if (apiGroup !== group) yield notSupported(`${field}.apiGroup`, apiGroup, [group]);
  } else yield notSupported(`${field}.kind`, kind, ['ServiceAccount', 'User', 'Group']);
}
