import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonArray, isJsonObject, setMember, shallowCopy } from '../patch/json-object.ts';
import { isTypeMember, type JsonSchema, memberSchema, preservesUnknown } from './json-schema.ts';

export interface Pruned {
  readonly object: JsonObject;
  /** Paths of what was dropped, as warnings name them: `spec.list[0].x`. */
  readonly unknown: readonly string[];
}

/** Drops what the schema of a custom resource doesn't know. The result shares what stays with the object. */
export function pruneUnknown(object: JsonObject, schema: JsonSchema): Pruned {
  const unknown: string[] = [];
  const pruned = pruneMembers(object, schema, true, '', unknown);
  return { object: pruned, unknown: unknown.sort() };
}

function prune(value: Json, schema: JsonSchema | undefined, path: string, unknown: string[]): Json {
  const known = schema ?? {};
  if (isJsonObject(value)) {
    return pruneMembers(value, known, known['x-kubernetes-embedded-resource'] === true, path, unknown);
  }
  if (!isJsonArray(value)) return value;
  if (known.items === undefined && preservesUnknown(known)) return value;
  const items = value.map((item, i) => prune(item, known.items, `${path}[${i}]`, unknown));
  return items.every((item, i) => item === value[i]) ? value : items;
}

function pruneMembers(
  object: JsonObject,
  schema: JsonSchema,
  isResource: boolean,
  path: string,
  unknown: string[],
): JsonObject {
  let result: { [key: string]: Json } | null = null;
  for (const name of Object.keys(object)) {
    if (isResource && isTypeMember(name)) continue;
    const below = path === '' ? name : `${path}.${name}`;
    const inner = memberSchema(schema, name);
    if (inner === undefined && (schema.additionalProperties === true || preservesUnknown(schema))) continue;
    const value = object[name] as Json;
    const kept = inner === undefined ? undefined : prune(value, inner, below, unknown);
    if (kept === value) continue;
    result ??= shallowCopy(object);
    if (kept === undefined) {
      unknown.push(below);
      delete result[name];
    } else {
      setMember(result, name, kept);
    }
  }
  return result ?? object;
}
