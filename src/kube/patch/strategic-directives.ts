import type { Json } from '../../core/json.ts';
import { isJsonArray, isJsonObject, setMember } from './json-object.ts';

export const directiveMarker = '$patch';
export const deleteDirective = 'delete';
export const replaceDirective = 'replace';

/** A copy without members that are null, at any depth. */
export function withoutNullMembers(value: Json): Json {
  if (isJsonArray(value)) return value.map(withoutNullMembers);
  if (!isJsonObject(value)) return value;
  const result: { [key: string]: Json } = {};
  for (const key of Object.keys(value)) {
    const current = value[key] as Json;
    if (current !== null) setMember(result, key, withoutNullMembers(current));
  }
  return result;
}

/** A value that is new to the document must not bring directives in; undefined when it is nothing but one. */
export function withoutDirectives(value: Json): Json | undefined {
  if (isJsonArray(value)) return value.map(withoutDirectives).filter((item) => item !== undefined);
  if (!isJsonObject(value)) return value;
  if (Object.hasOwn(value, directiveMarker)) return undefined;
  const result: { [key: string]: Json } = {};
  for (const key of Object.keys(value)) setOrDelete(result, key, withoutDirectives(value[key] as Json));
  return result;
}

/** Sets a member, or removes it when there is no value. */
export function setOrDelete(object: { [key: string]: Json }, key: string, value: Json | undefined): void {
  if (value === undefined) delete object[key];
  else setMember(object, key, value);
}
