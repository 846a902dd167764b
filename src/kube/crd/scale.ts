import type { Json, JsonObject } from '../../core/json.ts';
import { type FieldError, invalid } from '../field-error.ts';
import { isJsonObject, member } from '../patch/json-object.ts';
import type { CustomResourceSubresourceScale } from '../types.gen.ts';

/** The members that a simple path (`.spec.replicas`) names. */
export function simplePath(path: string): readonly string[] {
  return path.replace(/^\./, '').split('.');
}

/** What stands at a simple path; undefined when something on the way is absent. */
export function valueAt(object: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = object;
  for (const name of simplePath(path)) {
    if (!isJsonObject(value)) return undefined;
    value = member(value, name);
  }
  return value;
}

const replicasMax = 2 ** 31 - 1;

/** Replicas that are no replicas. Their paths are told as the definition writes them. */
export function scaleErrors(
  scale: CustomResourceSubresourceScale | undefined,
  object: JsonObject,
): readonly FieldError[] {
  if (scale === undefined) return [];
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = scale;
  return [
    ...replicasErrors(object, specReplicasPath),
    ...replicasErrors(object, statusReplicasPath),
    ...(labelSelectorPath ? selectorErrors(object, labelSelectorPath) : []),
  ];
}

function replicasErrors(object: JsonObject, path: string): readonly FieldError[] {
  const value = valueAt(object, path);
  if (value === undefined) return [];
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    return [invalid(path, 0, wrongType(path, value, 'int64'))];
  }
  if (value < 0) return [invalid(path, value, 'should be a non-negative integer')];
  const tooMany = `should be less than or equal to ${replicasMax}`;
  return value > replicasMax ? [invalid(path, value, tooMany)] : [];
}

function selectorErrors(object: JsonObject, path: string): readonly FieldError[] {
  const value = valueAt(object, path);
  if (value === undefined || typeof value === 'string') return [];
  return [invalid(path, '', wrongType(path, value, 'string'))];
}

function wrongType(path: string, value: Json, expected: string): string {
  const goType =
    value === null
      ? '<nil>'
      : Array.isArray(value)
        ? '[]interface {}'
        : typeof value === 'object'
          ? 'map[string]interface {}'
          : typeof value === 'number'
            ? 'float64'
            : typeof value === 'boolean'
              ? 'bool'
              : 'string';
  const shown = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return `${path} accessor error: ${shown} is of the type ${goType}, expected ${expected}`;
}
