import type { Json, JsonObject } from '../../core/json.ts';
import { goJsonType } from './go-format.ts';
import { isJsonObject, member, setMember, shallowCopy } from './json-object.ts';
import { checkNesting, PatchError } from './patch-error.ts';

/** Checks the form of a merge patch or strategic merge patch that was parsed from a request. */
export function decodeMergePatch(patch: Json): JsonObject {
  checkNesting(patch);
  if (isJsonObject(patch)) return patch;
  if (patch === null) return {};
  throw new PatchError(
    'bad-request',
    `error decoding patch: json: cannot unmarshal ${goJsonType(patch)} into Go value of type map[string]interface {}`,
  );
}

/**
 * JSON merge patch (RFC 7386): null removes, objects merge, everything else replaces. Returns a new document that
 * shares what didn't change with the old one, and the old one itself when nothing changed.
 */
export function applyMergePatch(document: JsonObject, patch: JsonObject): JsonObject {
  let result: { [key: string]: Json } | null = null;
  for (const key of Object.keys(patch)) {
    const value = patch[key] as Json;
    const current = member(document, key);
    if (value === null) {
      if (current === undefined) continue;
      result ??= shallowCopy(document);
      delete result[key];
      continue;
    }
    const merged = isJsonObject(value) && isJsonObject(current) ? applyMergePatch(current, value) : withoutNulls(value);
    if (merged === current) continue;
    result ??= shallowCopy(document);
    setMember(result, key, merged);
  }
  return result ?? document;
}

/** A value that enters the document whole: null members mean "absent" in it too, at any depth. */
export function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) {
    const items = value.map(withoutNulls);
    return items.some((item, i) => item !== value[i]) ? items : value;
  }
  if (!isJsonObject(value)) return value;
  let result: { [key: string]: Json } | null = null;
  for (const key of Object.keys(value)) {
    const current = value[key] as Json;
    const cleaned = current === null ? null : withoutNulls(current);
    if (cleaned === current && cleaned !== null) continue;
    result ??= shallowCopy(value);
    if (cleaned === null) delete result[key];
    else setMember(result, key, cleaned);
  }
  return result ?? value;
}
