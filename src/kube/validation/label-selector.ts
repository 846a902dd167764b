import { forbidden, invalid, required } from '../field-error.ts';
import type { LabelSelector, LabelSelectorRequirement } from '../types.gen.ts';
import { type Errors, entriesOf, labelValue, qualifiedName } from './common.ts';

/** Labels as an object carries them: keys are qualified names, values label values. */
export function* validateLabels(labels: Readonly<Record<string, string>> | undefined, field: string): Errors {
  for (const [key, value] of entriesOf(labels)) {
    yield* qualifiedName(key, field);
    yield* labelValue(value, field);
  }
}

/** A LabelSelector; absent ones are left to the caller. */
export function* validateLabelSelector(
  selector: LabelSelector | undefined,
  field: string,
  allowInvalidValues = false,
): Errors {
  if (selector === undefined) return;
  yield* validateLabels(selector.matchLabels, `${field}.matchLabels`);
  for (const [index, requirement] of (selector.matchExpressions ?? []).entries()) {
    yield* validateRequirement(requirement, `${field}.matchExpressions[${index}]`, allowInvalidValues);
  }
}

/** One requirement of a label selector; of a node selector too, which may also compare. */
export function* validateRequirement(
  requirement: LabelSelectorRequirement,
  field: string,
  allowInvalidValues: boolean,
  comparisons: readonly string[] = [],
): Errors {
  const values = requirement.values ?? [];
  const { operator = '' } = requirement;
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) {
        yield required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
      }
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) {
        yield forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
      break;
    default:
      if (!comparisons.includes(operator)) {
        yield invalid(`${field}.operator`, operator, 'not a valid selector operator');
      } else if (values.length !== 1) {
        yield required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'");
      }
  }
  yield* qualifiedName(requirement.key ?? '', `${field}.key`);
  if (allowInvalidValues) return;
  for (const [index, value] of values.entries()) yield* labelValue(value, `${field}.values[${index}]`);
}

/** True when an object that stands already has a selector that today's rules refuse; its updates stay allowed. */
export function hasInvalidSelector(selector: LabelSelector | undefined): boolean {
  return !validateLabelSelector(selector, '').next().done;
}
