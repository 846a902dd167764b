import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonArray, isJsonObject, member, setMember, shallowCopy } from '../patch/json-object.ts';
import { isTypeMember, type JsonSchema, memberSchema } from './json-schema.ts';

/**
 * Fills in the defaults of a custom resource. A null counts as absent unless the schema allows it: it gives way to the
 * default or is dropped. The result shares what stays with the object, and defaults with the schema.
 */
export function applyDefaults(object: JsonObject, schema: JsonSchema): JsonObject {
  return completeMembers(object, schema, true);
}

function complete(value: Json, schema: JsonSchema): Json {
  if (isJsonObject(value)) return completeMembers(value, schema, schema['x-kubernetes-embedded-resource'] === true);
  const { items } = schema;
  if (!isJsonArray(value) || items === undefined) return value;
  const completed = value.map((item) => complete(isRefusedNull(item, items) ? (items.default ?? item) : item, items));
  return completed.every((item, i) => item === value[i]) ? value : completed;
}

function completeMembers(object: JsonObject, schema: JsonSchema, isResource: boolean): JsonObject {
  let result: { [key: string]: Json } | null = null;
  for (const name of namesOf(object, schema)) {
    if (isResource && isTypeMember(name)) continue;
    const inner = memberSchema(schema, name);
    if (inner === undefined) continue;
    const value = member(object, name);
    const absent = value === undefined || isRefusedNull(value, inner);
    const start = absent ? inner.default : value;
    const completed = start === undefined ? undefined : complete(start, inner);
    if (completed === value) continue;
    result ??= shallowCopy(object);
    if (completed === undefined) delete result[name];
    else setMember(result, name, completed);
  }
  return result ?? object;
}

function namesOf(object: JsonObject, schema: JsonSchema): Iterable<string> {
  return new Set([...Object.keys(object), ...Object.keys(schema.properties ?? {})]);
}

function isRefusedNull(value: Json, schema: JsonSchema): boolean {
  return value === null && schema.nullable !== true;
}
