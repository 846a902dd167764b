import type { Json, JsonObject } from '../../core/json.ts';
import { duplicate, type FieldError } from '../field-error.ts';
import { withSortedKeys } from '../go-json.ts';
import { isJsonArray, isJsonObject, setMember } from '../patch/json-object.ts';
import { type JsonSchema, memberSchema } from './json-schema.ts';

/** Items that repeat in the sets and keyed lists of a custom resource. */
export function listErrors(schema: JsonSchema, value: Json, path = ''): readonly FieldError[] {
  if (isJsonObject(value)) {
    return Object.keys(value).flatMap((name) => {
      const inner = memberSchema(schema, name);
      const below = path === '' ? name : `${path}.${name}`;
      return inner === undefined ? [] : listErrors(inner, value[name] as Json, below);
    });
  }
  if (!isJsonArray(value)) return [];
  const { items } = schema;
  const inItems = items === undefined ? [] : value.flatMap((item, i) => listErrors(items, item, `${path}[${i}]`));
  return [...repeated(schema, value, path), ...inItems];
}

function repeated(schema: JsonSchema, items: readonly Json[], path: string): readonly FieldError[] {
  const type = schema['x-kubernetes-list-type'];
  if (type !== 'set' && type !== 'map') return [];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const seen = new Map<string, boolean>();
  const errors: FieldError[] = [];
  for (const [i, item] of items.entries()) {
    const identity = type === 'set' ? item : isJsonObject(item) ? keysOf(item, keys) : null;
    if (type === 'map' && identity === null) continue;
    const sorted = withSortedKeys(identity) as Json;
    const text = JSON.stringify(sorted);
    // An item that stands three times is told of once.
    if (seen.get(text) === false) {
      errors.push(duplicate(`${path}[${i}]`, sorted));
      seen.set(text, true);
    } else if (!seen.has(text)) {
      seen.set(text, false);
    }
  }
  return errors;
}

function keysOf(item: JsonObject, keys: readonly string[]): JsonObject {
  const identity: { [key: string]: Json } = {};
  for (const key of keys) if (Object.hasOwn(item, key)) setMember(identity, key, item[key]);
  return identity;
}
