import { invalid } from '../../field-error.ts';
import { isPercent } from '../../names.ts';
import { type Errors, each, nonNegative } from '../common.ts';

/** A number of pods or a share of them: `1`, `25%`. */
export type IntOrPercent = number | string;

/** Neither negative nor another text than a percentage. */
export function* validateIntOrPercent(value: IntOrPercent, field: string): Errors {
  if (typeof value === 'number') yield* nonNegative(value, field);
  else yield* each(isPercent(value), field, value);
}

export function* notMoreThanAll(value: IntOrPercent, field: string): Errors {
  if (typeof value === 'string' && isPercent(value).length === 0 && Number.parseInt(value, 10) > 100) {
    yield invalid(field, value, 'must not be greater than 100%');
  }
}

/** The number, or the number of the percentage; 0 for a text that is neither. */
export function numberOf(value: IntOrPercent): number {
  if (typeof value === 'number') return value;
  if (isPercent(value).length === 0 || /^[+-]?\d+$/.test(value)) return Number.parseInt(value, 10);
  return 0;
}
