import { type FieldError, forbidden, invalid, required } from '../../kube/field-error.ts';
import type {
  FieldSelectorAttributes,
  LabelSelectorAttributes,
  NonResourceAttributes,
  ResourceAttributes,
  SubjectAccessReviewSpec,
} from '../../kube/types.gen.ts';

/** The checks of the specs of access reviews, in upstream's words (k8s.io/kubernetes/pkg/apis/authorization/validation). */
export function validateAccessSpec(spec: SubjectAccessReviewSpec): readonly FieldError[] {
  const errors = validateSelfAccessSpec(spec);
  if ((spec.user ?? '') !== '' || (spec.groups ?? []).length > 0) return errors;
  return [...errors, invalid('spec.user', spec.user ?? '', 'at least one of user or group must be specified')];
}

export function validateSelfAccessSpec(
  spec: Pick<SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>,
): readonly FieldError[] {
  const { resourceAttributes, nonResourceAttributes } = spec;
  const errors: FieldError[] = [];
  if (resourceAttributes !== undefined && nonResourceAttributes !== undefined) {
    const value = internalNonResource(nonResourceAttributes);
    errors.push(
      invalid('spec.nonResourceAttributes', value, 'cannot be specified in combination with resourceAttributes'),
    );
  }
  if (resourceAttributes === undefined && nonResourceAttributes === undefined) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    errors.push(invalid('spec.resourceAttributes', null, why));
  }
  return resourceAttributes === undefined ? errors : [...errors, ...validateSelectors(resourceAttributes)];
}

/** A NonResourceAttributes as messages show it: with the names of the internal type. */
export function internalNonResource({ path = '', verb = '' }: NonResourceAttributes): object {
  return { Path: path, Verb: verb };
}

function validateSelectors({ fieldSelector, labelSelector }: ResourceAttributes): FieldError[] {
  const field = 'spec.resourceAttributes';
  return [
    ...(fieldSelector === undefined ? [] : validateSelector(fieldSelector, `${field}.fieldSelector`)),
    ...(labelSelector === undefined ? [] : validateSelector(labelSelector, `${field}.labelSelector`)),
  ];
}

function validateSelector(selector: FieldSelectorAttributes | LabelSelectorAttributes, field: string): FieldError[] {
  const { rawSelector = '', requirements = [] } = selector;
  const errors: FieldError[] = [];
  if (rawSelector !== '' && requirements.length > 0) {
    errors.push(invalid(`${field}.rawSelector`, rawSelector, 'may not specified at the same time as requirements'));
  }
  if (rawSelector === '' && requirements.length === 0) {
    errors.push(
      required(`${field}.requirements`, `when ${field} is specified, requirements or rawSelector is required`),
    );
  }
  for (const [index, { key, operator, values = [] }] of requirements.entries()) {
    const path = `${field}.requirements[${index}]`;
    if ((key ?? '') === '') errors.push(required(`${path}.key`, 'must be specified'));
    if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
      errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    }
    if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
      errors.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    }
  }
  return errors;
}
