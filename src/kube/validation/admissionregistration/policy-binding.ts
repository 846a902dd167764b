import { duplicate, type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import { nameIsDnsSubdomain } from '../../names.ts';
import type { MutatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBinding } from '../../types.gen.ts';
import { type Errors, each } from '../common.ts';
import { validateObjectMeta } from '../meta.ts';
import { validateMatchResources, validateParamRef } from './policy-parts.ts';

const actions = ['Audit', 'Deny', 'Warn'];

type AnyBinding = MutatingAdmissionPolicyBinding | ValidatingAdmissionPolicyBinding;

export function validateMutatingBinding(binding: MutatingAdmissionPolicyBinding): readonly FieldError[] {
  return [...commonErrors(binding)];
}

export function validateMutatingBindingUpdate(binding: MutatingAdmissionPolicyBinding): readonly FieldError[] {
  return [...validateObjectMeta(binding.metadata, { namespaced: false }), ...validateMutatingBinding(binding)];
}

export function validateValidatingBinding(binding: ValidatingAdmissionPolicyBinding): readonly FieldError[] {
  return [...commonErrors(binding), ...actionsErrors(binding.spec?.validationActions ?? [], 'spec.validationActions')];
}

export function validateValidatingBindingUpdate(binding: ValidatingAdmissionPolicyBinding): readonly FieldError[] {
  return [...validateObjectMeta(binding.metadata, { namespaced: false }), ...validateValidatingBinding(binding)];
}

function* commonErrors({ spec }: AnyBinding): Errors {
  const { policyName = '', paramRef, matchResources } = spec ?? {};
  if (policyName === '') yield required('spec.policyName');
  else yield* each(nameIsDnsSubdomain(policyName, false), 'spec.policyName', policyName);
  if (paramRef !== undefined) yield* validateParamRef(paramRef, 'spec.paramRef');
  if (matchResources !== undefined) yield* validateMatchResources(matchResources, 'spec.matchResources');
}

function* actionsErrors(given: readonly string[], field: string): Errors {
  for (const [index, action] of given.entries()) {
    if (!actions.includes(action)) yield notSupported(`${field}[${index}]`, action, actions);
    if (given.indexOf(action) < index) yield duplicate(`${field}[${index}]`, action);
  }
  if (given.includes('Deny') && given.includes('Warn')) {
    const detail =
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
    yield invalid(field, given, detail);
  }
  if (given.length === 0) yield required(field, 'at least one validation action is required');
}
