import { duplicate, type FieldError, invalid, notSupported, required, tooMany } from '../../field-error.ts';
import type {
  AuditAnnotation,
  ExpressionWarning,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicySpec,
  Validation,
} from '../../types.gen.ts';
import { type Errors, qualifiedName, requiredString, supportedValue } from '../common.ts';
import { validateConditions } from '../conditions.ts';
import { semanticallyEqual } from '../internal-form.ts';
import { validateObjectMeta } from '../meta.ts';
import { validateMatchConditions } from './match-conditions.ts';
import { failurePolicies, validateMatchResources, validateParamKind, validateVariable } from './policy-parts.ts';

const annotationsMax = 20;
const annotationBytesMax = 5 * 1024;
const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];

/** Everything but the compilation of the expressions. */
export function validateValidatingPolicy(policy: ValidatingAdmissionPolicy): readonly FieldError[] {
  return [...specErrors(policy, false)];
}

export function validateValidatingPolicyUpdate(
  policy: ValidatingAdmissionPolicy,
  old: ValidatingAdmissionPolicy,
): readonly FieldError[] {
  const sameConditions =
    semanticallyEqual(policy.spec?.paramKind, old.spec?.paramKind) &&
    semanticallyEqual(policy.spec?.matchConditions, old.spec?.matchConditions);
  return [...validateObjectMeta(policy.metadata, { namespaced: false }), ...specErrors(policy, sameConditions)];
}

export function validateValidatingPolicyStatusUpdate({ status }: ValidatingAdmissionPolicy): readonly FieldError[] {
  return [
    ...warningsErrors(status?.typeChecking?.expressionWarnings ?? [], 'status.typeChecking.expressionWarnings'),
    ...validateConditions(status?.conditions ?? [], 'status.conditions'),
  ];
}

function* specErrors({ metadata, spec = {} }: ValidatingAdmissionPolicy, ignoreMatchConditions: boolean): Errors {
  const { failurePolicy, paramKind, matchConstraints, variables = [] } = spec;
  if (failurePolicy === undefined) yield required('spec.failurePolicy');
  else if (!failurePolicies.includes(failurePolicy)) {
    yield notSupported('spec.failurePolicy', failurePolicy, failurePolicies);
  }
  if (paramKind !== undefined) yield* validateParamKind(paramKind, 'spec.paramKind');
  if (matchConstraints === undefined) yield required('spec.matchConstraints');
  else {
    yield* validateMatchResources(matchConstraints, 'spec.matchConstraints');
    if ((matchConstraints.resourceRules ?? []).length === 0) yield required('spec.matchConstraints.resourceRules');
  }
  if (!ignoreMatchConditions) yield* validateMatchConditions(spec.matchConditions ?? [], 'spec.matchConditions');
  for (const [index, variable] of variables.entries()) yield* validateVariable(variable, `spec.variables[${index}]`);
  yield* checksErrors(metadata.name ?? '', spec);
}

function* checksErrors(
  name: string,
  { validations = [], auditAnnotations = [] }: ValidatingAdmissionPolicySpec,
): Errors {
  if (validations.length === 0 && auditAnnotations.length === 0) {
    const detail = 'validations or auditAnnotations must contain at least one item';
    yield required('spec.validations', detail);
    yield required('spec.auditAnnotations', detail);
    return;
  }
  for (const [index, one] of validations.entries()) yield* validationErrors(one, `spec.validations[${index}]`);
  if (auditAnnotations.length > annotationsMax) {
    yield tooMany('spec.auditAnnotations', auditAnnotations.length, annotationsMax);
  }
  const keys = new Set<string>();
  for (const [index, annotation] of auditAnnotations.entries()) {
    const field = `spec.auditAnnotations[${index}]`;
    yield* annotationErrors(annotation, name, field);
    const { key = '' } = annotation;
    if (keys.has(key)) yield duplicate(`${field}.key`, key);
    keys.add(key);
  }
}

function* validationErrors(validation: Partial<Validation>, field: string): Errors {
  const { expression = '', message = '', messageExpression = '', reason } = validation;
  yield* requiredString(expression.trim(), `${field}.expression`, 'expression is not specified');
  if (messageExpression !== '' && messageExpression.trim() === '') {
    yield invalid(`${field}.messageExpression`, messageExpression, 'must be non-empty if specified');
  }
  if (message !== '' && message.trim() === '') {
    yield invalid(`${field}.message`, message, 'must be non-empty if specified');
  } else if (/[\r\n]/.test(message.trim())) {
    yield invalid(`${field}.message`, message, 'must not contain line breaks');
  }
  yield* supportedValue(reason, reasons, `${field}.reason`);
}

function* annotationErrors(annotation: Partial<AuditAnnotation>, policyName: string, field: string): Errors {
  const { key = '', valueExpression = '' } = annotation;
  if (policyName === '') yield invalid(`${field}.key`, key, 'requires metadata.name be non-empty');
  else yield* qualifiedName(`${policyName}/${key}`, `${field}.key`);
  const expression = valueExpression.trim();
  if (expression === '') yield required(`${field}.valueExpression`, 'valueExpression is not specified');
  else if (Buffer.byteLength(expression) > annotationBytesMax) {
    yield required(`${field}.valueExpression`, `must not exceed ${annotationBytesMax} bytes in length`);
  }
}

function* warningsErrors(warnings: readonly ExpressionWarning[], field: string): Errors {
  for (const [index, { warning = '', fieldRef = '' }] of warnings.entries()) {
    yield* requiredString(warning, `${field}[${index}].warning`);
    yield* requiredString(fieldRef.trim(), `${field}[${index}].fieldRef`);
  }
}
