import { duplicate, type FieldError, forbidden, invalid, required } from '../../field-error.ts';
import { byBytes } from '../../go-json.ts';
import {
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantityMilliValue,
  quantityOf,
  quantityValue,
} from '../../quantity.ts';
import type { LimitRange, LimitRangeItem } from '../../types.gen.ts';
import { type Errors, entriesOf, qualifiedName } from '../common.ts';
import { validateObjectMeta } from '../meta.ts';
import {
  isOvercommitAllowed,
  type ResourceList,
  validateContainerResourceName,
  validateResourceName,
} from '../resources.ts';

const types: readonly string[] = ['Pod', 'Container', 'PersistentVolumeClaim'];

export function validateLimitRange(limitRange: LimitRange): readonly FieldError[] {
  return [...createErrors(limitRange)];
}

function* createErrors({ spec }: LimitRange): Errors {
  const seen = new Set<string>();
  for (const [index, limit] of (spec?.limits ?? []).entries()) {
    const path = `spec.limits[${index}]`;
    const { type = '' } = limit;
    yield* validateType(type, `${path}.type`);
    if (seen.has(type)) yield duplicate(`${path}.type`, type);
    seen.add(type);
    yield* validateLists(limit, path);
    yield* validateRelations(limit, path);
  }
}

function* validateType(type: string, field: string): Errors {
  const errors = [...qualifiedName(type, field)];
  yield* errors;
  if (errors.length === 0 && !type.includes('/') && !types.includes(type)) {
    yield invalid(field, type, 'must be a standard limit type or fully qualified');
  }
}

function* validateLists(limit: LimitRangeItem, path: string): Errors {
  const { type, min, max, default: defaults, defaultRequest } = limit;
  yield* validateNames(max, type, `${path}.max`);
  yield* validateNames(min, type, `${path}.min`);
  if (type === 'Pod') {
    const detail = "may not be specified when `type` is 'Pod'";
    if (Object.keys(defaults ?? {}).length > 0) yield forbidden(`${path}.default`, detail);
    if (Object.keys(defaultRequest ?? {}).length > 0) yield forbidden(`${path}.defaultRequest`, detail);
  } else {
    yield* validateNames(defaults, type, `${path}.default`);
    yield* validateNames(defaultRequest, type, `${path}.defaultRequest`);
  }
  if (type === 'PersistentVolumeClaim' && min?.['storage'] === undefined && max?.['storage'] === undefined) {
    const detail = 'either minimum or maximum storage value is required, but neither was provided';
    yield required(`${path}.limits`, detail);
  }
  yield* validateNames(limit.maxLimitRequestRatio, type, `${path}.maxLimitRequestRatio`);
}

function* validateNames(list: ResourceList | undefined, type: string, field: string): Errors {
  const rule = type === 'Pod' || type === 'Container' ? validateContainerResourceName : validateResourceName;
  for (const [name] of entriesOf(list)) yield* rule(name, `${field}[${name}]`);
}

/** What is said of one resource. */
interface Limits {
  readonly min: Quantity | undefined;
  readonly max: Quantity | undefined;
  readonly limit: Quantity | undefined;
  readonly request: Quantity | undefined;
  readonly ratio: Quantity | undefined;
}

function* validateRelations(item: LimitRangeItem, path: string): Errors {
  const ofPod = item.type === 'Pod';
  const lists = [
    item.max,
    item.min,
    ofPod ? {} : item.default,
    ofPod ? {} : item.defaultRequest,
    item.maxLimitRequestRatio,
  ];
  const names = [...new Set(lists.flatMap((list) => Object.keys(list ?? {})))].sort(byBytes);
  for (const name of names) {
    const limits: Limits = {
      min: amountOf(item.min, name),
      max: amountOf(item.max, name),
      limit: ofPod ? undefined : amountOf(item.default, name),
      request: ofPod ? undefined : amountOf(item.defaultRequest, name),
      ratio: amountOf(item.maxLimitRequestRatio, name),
    };
    yield* validateBounds(limits, name, path);
    yield* validateRatio(limits, `${path}.maxLimitRequestRatio[${name}]`);
    yield* validateDefaultsEqual(limits, name, path);
  }
}

function amountOf(list: ResourceList | undefined, name: string): Quantity | undefined {
  const text = list?.[name];
  return text === undefined ? undefined : parseQuantity(text);
}

function* validateBounds({ min, max, limit, request }: Limits, name: string, path: string): Errors {
  const requestPath = `${path}.defaultRequest[${name}]`;
  yield* ordered(['min value', min], ['max value', max], `${path}.min[${name}]`, min);
  yield* ordered(['min value', min], ['default request value', request], requestPath, request);
  yield* ordered(['default request value', request], ['max value', max], requestPath, request);
  yield* ordered(['default request value', request], ['default limit value', limit], requestPath, request);
  yield* ordered(['min value', min], ['default value', limit], `${path}.default[${name}]`, min);
  yield* ordered(['default value', limit], ['max value', max], `${path}.default[${name}]`, max);
}

type Named = readonly [string, Quantity | undefined];

function* ordered([lowName, low]: Named, [highName, high]: Named, field: string, shown: Quantity | undefined): Errors {
  if (low === undefined || high === undefined || shown === undefined || compareQuantities(low, high) <= 0) return;
  const detail = `${lowName} ${formatQuantity(low)} is greater than ${highName} ${formatQuantity(high)}`;
  yield invalid(field, formatQuantity(shown), detail);
}

// Beyond this, milli-values would overflow Go's int64.
const milliValueMax = (2 ** 63 - 1) / 1000;

function* validateRatio({ min, max, ratio }: Limits, field: string): Errors {
  if (ratio === undefined) return;
  const text = formatQuantity(ratio);
  if (compareQuantities(ratio, quantityOf(1)) < 0) yield invalid(field, text, `ratio ${text} is less than 1`);
  if (min === undefined || max === undefined) return;
  const inMilli = [ratio, min, max].every((amount) => quantityValue(amount) < milliValueMax);
  const value = inMilli ? quantityMilliValue(ratio) / 1000 : quantityValue(ratio);
  const bound = inMilli ? quantityMilliValue(max) / quantityMilliValue(min) : quantityValue(max) / quantityValue(min);
  if (value > bound) yield invalid(field, text, `ratio ${text} is greater than max/min = ${goFixed(bound)}`);
}

/** Go's %f. */
function goFixed(value: number): string {
  if (Number.isFinite(value)) return value.toFixed(6);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

function* validateDefaultsEqual({ limit, request }: Limits, name: string, path: string): Errors {
  if (limit === undefined || request === undefined || isOvercommitAllowed(name)) return;
  if (compareQuantities(limit, request) === 0) return;
  const detail = `default value ${formatQuantity(limit)} must equal to defaultRequest value ${formatQuantity(request)} in ${name}`;
  yield invalid(`${path}.defaultRequest[${name}]`, formatQuantity(request), detail);
}

export function validateLimitRangeUpdate(limitRange: LimitRange, _old: LimitRange): readonly FieldError[] {
  return [...validateObjectMeta(limitRange.metadata, { namespaced: true }), ...createErrors(limitRange)];
}
