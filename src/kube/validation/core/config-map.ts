import { type FieldError, forbidden, invalid, tooLong, wholeObject } from '../../field-error.ts';
import type { ConfigMap } from '../../types.gen.ts';
import { configMapKey, type Errors, entriesOf } from '../common.ts';
import { semanticallyEqual } from '../internal-form.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';

/** The bound on the values of a ConfigMap or Secret together, bytes. */
export const dataBytesMax = 1024 * 1024;

export function validateConfigMap(configMap: ConfigMap): readonly FieldError[] {
  return [...createErrors(configMap)];
}

function* createErrors({ data, binaryData }: ConfigMap): Errors {
  let bytes = 0;
  for (const [key, value] of entriesOf(data)) {
    yield* configMapKey(key, `data[${key}]`);
    if (binaryData?.[key] !== undefined) yield invalid(`data[${key}]`, key, 'duplicate of key present in binaryData');
    bytes += Buffer.byteLength(value);
  }
  for (const [key, value] of entriesOf(binaryData)) {
    yield* configMapKey(key, `binaryData[${key}]`);
    bytes += base64Bytes(value);
  }
  if (bytes > dataBytesMax) yield tooLong(wholeObject, dataBytesMax);
}

/** How many bytes a base64 text stands for. */
export function base64Bytes(text: string): number {
  return Buffer.byteLength(text, 'base64');
}

export function validateConfigMapUpdate(configMap: ConfigMap, old: ConfigMap): readonly FieldError[] {
  return [...updateErrors(configMap, old)];
}

function* updateErrors(configMap: ConfigMap, old: ConfigMap): Errors {
  yield* validateMetaUpdateOfKind(configMap.metadata, old.metadata);
  yield* immutableParts(configMap, old, ['data', 'binaryData']);
  yield* validateObjectMeta(configMap.metadata, { namespaced: true });
  yield* createErrors(configMap);
}

/** Once `immutable` is set, it stays, and so does the data. */
export function* immutableParts<T extends { readonly immutable?: boolean }>(
  object: T,
  old: T,
  parts: readonly (keyof T & string)[],
): Errors {
  if (old.immutable !== true) return;
  const detail = 'field is immutable when `immutable` is set';
  if (object.immutable !== true) yield forbidden('immutable', detail);
  for (const part of parts) if (!semanticallyEqual(object[part], old[part])) yield forbidden(part, detail);
}
