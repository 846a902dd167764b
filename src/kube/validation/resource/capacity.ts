import { forbidden, invalid, required } from '../../field-error.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantitySign,
  quantityValue,
} from '../../quantity.ts';
import type { CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity } from '../../types.gen.ts';
import type { Errors } from '../common.ts';
import { validateSet } from './lists.ts';

const optionsMax = 10;

/** How much a device has; parts of it can be asked for where several claims may share it. */
export function* validateCapacity(capacity: DeviceCapacity, field: string, isShared: boolean): Errors {
  const { requestPolicy: policy, value = '0' } = capacity;
  const path = `${field}.requestPolicy`;
  if (policy === undefined) return;
  if (!isShared) yield forbidden(path, 'allowMultipleAllocations must be true');
  else yield* policyErrors(policy, parseQuantity(value), path);
}

function* policyErrors(policy: CapacityRequestPolicy, whole: Quantity, field: string): Errors {
  const { validValues = [], validRange, default: defaultText } = policy;
  const kind = validValues.length > 0 ? 'validValues' : 'validRange';
  if (validValues.length > 0 && validRange !== undefined) {
    const detail =
      'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time';
    yield forbidden(field, detail);
  } else if (validValues.length === 0 && validRange === undefined) return;
  else if (defaultText === undefined) yield required(`${field}.default`, `required when ${kind} is defined`);
  else if (validRange === undefined)
    yield* valuesErrors(validValues, parseQuantity(defaultText), whole, `${field}.${kind}`);
  else yield* rangeErrors(validRange, parseQuantity(defaultText), whole, `${field}.${kind}`);
}

function* valuesErrors(texts: readonly string[], standard: Quantity, whole: Quantity, field: string): Errors {
  const values = texts.map(parseQuantity);
  for (const [index, value] of values.entries()) {
    const before = values[index - 1];
    if (before !== undefined && compareQuantities(before, value) > 0) {
      yield invalid(`${field}[${index}]`, formatQuantity(value), 'values must be sorted in ascending order');
    }
  }
  const check = function* (value: Quantity, path: string): Errors {
    if (compareQuantities(value, whole) <= 0) return;
    yield invalid(path, formatQuantity(value), `option is larger than capacity value: ${formatQuantity(whole)}`);
  };
  yield* validateSet(values, optionsMax, check, (value) => String(quantityValue(value)), field);
  if (!values.some((value) => compareQuantities(value, standard) === 0)) {
    yield invalid(field, formatQuantity(standard), 'default value is not valid according to the requestPolicy');
  }
}

function* rangeErrors(range: CapacityRequestPolicyRange, standard: Quantity, whole: Quantity, field: string): Errors {
  if (range.min === undefined) {
    yield required(`${field}.min`, 'required when validRange is defined');
    return;
  }
  const min = parseQuantity(range.min);
  const max = range.max === undefined ? undefined : parseQuantity(range.max);
  const wholeText = formatQuantity(whole);
  if (compareQuantities(min, whole) > 0) {
    yield invalid(`${field}.min`, formatQuantity(min), `min is larger than capacity value: ${wholeText}`);
  }
  if (compareQuantities(standard, min) < 0) {
    yield invalid(`${field}.default`, formatQuantity(standard), `default is less than min: ${formatQuantity(min)}`);
  }
  if (max !== undefined) {
    const maxText = formatQuantity(max);
    if (compareQuantities(min, max) > 0) {
      yield invalid(`${field}.max`, formatQuantity(min), `min is larger than max: ${maxText}`);
    }
    if (compareQuantities(max, whole) > 0) {
      yield invalid(`${field}.max`, maxText, `max is larger than capacity value: ${wholeText}`);
    }
    if (compareQuantities(standard, max) > 0) {
      yield invalid(`${field}.default`, formatQuantity(standard), `default is more than max: ${maxText}`);
    }
  }
  if (range.step === undefined) return;
  const step = parseQuantity(range.step);
  const path = `${field}.step`;
  if (quantitySign(step) <= 0) {
    yield invalid(path, formatQuantity(step), 'must be greater than zero');
    return;
  }
  const next = addQuantities(min, step);
  if (compareQuantities(next, whole) > 0) {
    const detail = `one step ${formatQuantity(next)} is larger than capacity value: ${wholeText}`;
    yield invalid(path, formatQuantity(step), detail);
  }
  yield* stepErrors(standard, min, step, path);
  if (max !== undefined) yield* stepErrors(max, min, step, path);
}

function* stepErrors(value: Quantity, min: Quantity, step: Quantity, field: string): Errors {
  if ((quantityValue(value) - quantityValue(min)) % quantityValue(step) === 0) return;
  const detail = `value is not a multiple of a given step (${formatQuantity(step)}) from (${formatQuantity(min)})`;
  yield invalid(field, formatQuantity(value), detail);
}
