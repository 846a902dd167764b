import { type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import type { MutatingAdmissionPolicy, Mutation } from '../../types.gen.ts';
import { type Errors, requiredString, requiredValue } from '../common.ts';
import { semanticallyEqual } from '../internal-form.ts';
import { validateObjectMeta } from '../meta.ts';
import { validateMatchConditions } from './match-conditions.ts';
import { failurePolicies, validateMatchResources, validateParamKind, validateVariable } from './policy-parts.ts';

const reinvocationPolicies = ['IfNeeded', 'Never'];
const patchTypes = ['ApplyConfiguration', 'JSONPatch'];
/** What is deleted can't be changed any more. */
const mutableOperations = ['*', 'CONNECT', 'CREATE', 'UPDATE'];

/** Everything but the compilation of the expressions. */
export function validateMutatingPolicy(policy: MutatingAdmissionPolicy): readonly FieldError[] {
  return [...specErrors(policy, false)];
}

export function validateMutatingPolicyUpdate(
  policy: MutatingAdmissionPolicy,
  old: MutatingAdmissionPolicy,
): readonly FieldError[] {
  const sameConditions =
    semanticallyEqual(policy.spec?.paramKind, old.spec?.paramKind) &&
    semanticallyEqual(policy.spec?.matchConditions, old.spec?.matchConditions);
  return [...validateObjectMeta(policy.metadata, { namespaced: false }), ...specErrors(policy, sameConditions)];
}

function* specErrors({ spec = {} }: MutatingAdmissionPolicy, ignoreMatchConditions: boolean): Errors {
  const { failurePolicy, paramKind, matchConstraints, variables = [], mutations = [] } = spec;
  if (failurePolicy === undefined) yield required('spec.failurePolicy');
  else if (!failurePolicies.includes(failurePolicy)) {
    yield notSupported('spec.failurePolicy', failurePolicy, failurePolicies);
  }
  if (paramKind !== undefined) yield* validateParamKind(paramKind, 'spec.paramKind');
  if (matchConstraints === undefined) yield required('spec.matchConstraints');
  else {
    const { resourceRules = [] } = matchConstraints;
    yield* validateMatchResources(matchConstraints, 'spec.matchConstraints');
    if (resourceRules.length === 0) yield required('spec.matchConstraints.resourceRules');
    for (const operation of resourceRules.flatMap((rule) => rule.operations ?? [])) {
      if (mutableOperations.includes(operation)) continue;
      yield notSupported('spec.matchConstraints.resourceRules.operations', operation, mutableOperations);
    }
  }
  if (!ignoreMatchConditions) yield* validateMatchConditions(spec.matchConditions ?? [], 'spec.matchConditions');
  for (const [index, variable] of variables.entries()) yield* validateVariable(variable, `spec.variables[${index}]`);
  if (mutations.length === 0) yield required('spec.mutations', 'mutations must contain at least one item');
  for (const [index, mutation] of mutations.entries()) yield* mutationErrors(mutation, `spec.mutations[${index}]`);
  yield* requiredValue(spec.reinvocationPolicy, reinvocationPolicies, 'spec.reinvocationPolicy');
}

function* mutationErrors(mutation: Partial<Mutation>, field: string): Errors {
  const { patchType = '', applyConfiguration, jsonPatch } = mutation;
  if (patchType === 'ApplyConfiguration') {
    if (jsonPatch !== undefined)
      yield invalid(`${field}.jsonPatch`, '{jsonPatch}', 'must not be specified when patchType is ApplyConfiguration');
    yield* patchErrors(applyConfiguration, `${field}.applyConfiguration`, patchType);
  } else if (patchType === 'JSONPatch') {
    if (applyConfiguration !== undefined) {
      yield invalid(
        `${field}.applyConfiguration`,
        '{applyConfiguration}',
        'must not be specified when patchType is JSONPatch',
      );
    }
    yield* patchErrors(jsonPatch, `${field}.jsonPatch`, patchType);
  } else if (patchType === '') yield required(`${field}.patchType`);
  else yield notSupported(`${field}.patchType`, patchType, patchTypes);
}

function* patchErrors(patch: { readonly expression?: string } | undefined, field: string, patchType: string): Errors {
  if (patch === undefined) yield required(field, `must be specified when patchType is ${patchType}`);
  else yield* requiredString((patch.expression ?? '').trim(), `${field}.expression`);
}
