import type { Json, JsonObject } from '../../core/json.ts';
import { goQuoteList } from '../go-json.ts';
import { isJsonObject } from '../patch/json-object.ts';
import type { ListSchema } from '../schema/schema.ts';
import { TypeMismatch } from './apply-error.ts';
import { keyElement, type PathElement, valueElement } from './path-element.ts';

interface ListKey {
  readonly name: string;
  readonly default: Json | undefined;
}

const keysOfLists = new WeakMap<ListSchema, readonly ListKey[]>();

function keysOf(list: ListSchema): readonly ListKey[] {
  const known = keysOfLists.get(list);
  if (known !== undefined) return known;
  const fields = list.items.type === 'object' ? list.items.fields : undefined;
  const keys = [...list.mapKeys].sort().map((name) => ({ name, default: fields?.get(name)?.default }));
  keysOfLists.set(list, keys);
  return keys;
}

/** The path element of an item of a set or keyed list. Throws TypeMismatch when it can't have one. */
export function elementOf(list: ListSchema, item: Json): PathElement {
  return list.mapKeys.length > 0 ? keyedElement(list, item) : setElement(item);
}

function keyedElement(list: ListSchema, item: Json): PathElement {
  if (item === null) throw new TypeMismatch('associative list with keys may not have a null element');
  if (!isJsonObject(item)) throw new TypeMismatch('associative list with keys may not have non-map elements');
  const keys: [string, Json][] = [];
  for (const key of keysOf(list)) {
    const value = keyValue(item, key);
    if (value !== undefined) keys.push([key.name, value]);
  }
  if (keys.length > 0) return keyElement(keys);
  throw new TypeMismatch(
    `associative list with keys has an element that omits all key fields ${goQuoteList(list.mapKeys)} (and doesn't have default values for any key fields)`,
  );
}

function setElement(item: Json): PathElement {
  if (item === null) throw new TypeMismatch("associative list without keys has an element that's an explicit null");
  if (Array.isArray(item)) throw new TypeMismatch('not supported: associative list with lists as elements');
  if (isJsonObject(item)) throw new TypeMismatch("associative list without keys has an element that's a map type");
  return valueElement(item);
}

function keyValue(item: JsonObject, key: ListKey): Json | undefined {
  return (Object.hasOwn(item, key.name) ? item[key.name] : undefined) ?? key.default;
}

/** True when both items surely have the same path element; cheaper than building the two. */
export function sameElement(list: ListSchema, a: Json, b: Json): boolean {
  if (list.mapKeys.length === 0) return a === b && a !== null && typeof a !== 'object';
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  let found = false;
  for (const key of keysOf(list)) {
    const left = keyValue(a, key);
    if (left !== keyValue(b, key)) return false;
    if (left !== undefined) found = true;
  }
  return found;
}

/** Items under their path elements, in order; more than one under an element that repeats. */
export function indexItems(list: ListSchema, items: readonly Json[]): Map<PathElement, Json[]> {
  const index = new Map<PathElement, Json[]>();
  for (const item of items) {
    const element = elementOf(list, item);
    const known = index.get(element);
    if (known === undefined) index.set(element, [item]);
    else known.push(item);
  }
  return index;
}
