import { invalid, notSupported, required, tooLong } from '../../field-error.ts';
import { goJson } from '../../go-json.ts';
import type { DeviceSelector, DeviceToleration, OpaqueDeviceConfiguration } from '../../types.gen.ts';
import { type Errors, labelValue, qualifiedName } from '../common.ts';
import { validateList } from './lists.ts';
import { validateDriverName } from './names.ts';

const selectorsMax = 32;
const expressionBytesMax = 10 * 1024;
const parametersBytesMax = 10 * 1024;
/** What the grammar of CEL says of an empty expression. */
const nothingToCompile =
  "ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
export const taintEffects = ['NoExecute', 'NoSchedule', 'None'];

/** What a driver is told about devices, in its own words; what stands may be longer than is allowed today. */
export function* validateConfiguration(
  opaque: Partial<OpaqueDeviceConfiguration> | undefined,
  field: string,
  isStored: boolean,
): Errors {
  if (opaque === undefined) {
    yield required(`${field}.opaque`);
    return;
  }
  yield* validateDriverName(opaque.driver ?? '', `${field}.opaque.driver`);
  yield* validateRawObject(opaque.parameters, `${field}.opaque.parameters`, isStored ? undefined : parametersBytesMax);
}

/** Any JSON object (runtime.RawExtension). */
export function* validateRawObject(value: unknown, field: string, bytesMax: number | undefined): Errors {
  if (value === undefined || value === null) yield required(field);
  else if (bytesMax !== undefined && Buffer.byteLength(goJson(value)) > bytesMax) yield tooLong(field, bytesMax);
  else if (typeof value !== 'object' || Array.isArray(value)) {
    yield invalid(field, '<value omitted>', 'must be a valid JSON object');
  }
}

/** CEL expressions that choose devices; everything but their compilation. */
export function validateSelectors(selectors: readonly DeviceSelector[], field: string, isStored: boolean): Errors {
  return validateList(selectors, selectorsMax, (selector, path) => selectorErrors(selector, path, isStored), field);
}

function* selectorErrors({ cel }: DeviceSelector, field: string, isStored: boolean): Errors {
  const path = `${field}.cel.expression`;
  if (cel === undefined) yield required(`${field}.cel`);
  else if (!isStored && (cel.expression ?? '') === '')
    yield invalid(path, '', `compilation failed: ${nothingToCompile}`);
  else if (!isStored && Buffer.byteLength(cel.expression ?? '') > expressionBytesMax) {
    yield tooLong(path, expressionBytesMax);
  }
}

export function* validateDeviceToleration(toleration: DeviceToleration, field: string): Errors {
  const { key = '', operator = '', value = '', effect = '' } = toleration;
  if (key !== '') yield* qualifiedName(key, `${field}.key`);
  if (operator === 'Exists') {
    if (value !== '') yield invalid(`${field}.value`, value, 'must be empty for operator `Exists`');
  } else if (operator === 'Equal') yield* labelValue(value, `${field}.value`);
  else if (operator === '') yield required(`${field}.operator`);
  else yield notSupported(`${field}.operator`, operator, ['Equal', 'Exists']);
  if (effect !== '' && !taintEffects.includes(effect)) yield notSupported(`${field}.effect`, effect, taintEffects);
}
