import type { Json, JsonObject } from '../../core/json.ts';
import { byBytes, goJson, goQuote, withSortedKeys } from '../go-json.ts';
import { isJsonObject } from '../patch/json-object.ts';

/**
 * One step of a field path, as FieldsV1 writes it: `f:name` a member, `k:{"name":"a"}` an element of a keyed list,
 * `v:"a"` an element of a set, `i:0` an element by its index. Two steps are the same when their canonical texts are.
 */
export type PathElement = string;

export function fieldElement(name: string): PathElement {
  return `f:${name}`;
}

export function valueElement(value: Json): PathElement {
  return `v:${goJson(value)}`;
}

/** `keys` must be sorted by name. */
export function keyElement(keys: readonly (readonly [string, Json])[]): PathElement {
  return `k:{${keys.map(([name, value]) => `${goJson(name)}:${goJson(value)}`).join(',')}}`;
}

/** The canonical text of a path element that a client wrote; null when it isn't one. */
export function canonicalElement(text: string): PathElement | null {
  switch (text.slice(0, 2)) {
    case 'f:':
      return text;
    case 'v:': {
      const value = parse(text);
      return value === undefined ? null : `v:${goJson(withSortedKeys(value))}`;
    }
    case 'k:': {
      const keys = parse(text);
      return isJsonObject(keys) ? `k:${goJson(withSortedKeys(keys))}` : null;
    }
    case 'i:':
      return /^i:[+-]?\d{1,15}$/.test(text) ? `i:${Number(text.slice(2))}` : null;
    default:
      return null;
  }
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text.slice(2)) as Json;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const ranks: Readonly<Record<string, number>> = { '.': 0, f: 1, k: 2, v: 3, i: 4 };

/** The canonical order: `.`, fields by name, keys, values, indices. */
export function compareElements(a: PathElement, b: PathElement): number {
  const rank = (ranks[a.charAt(0)] ?? 5) - (ranks[b.charAt(0)] ?? 5);
  if (rank !== 0) return rank;
  if (a.charAt(0) === 'f') return compareText(a, b);
  const left = parse(a);
  const right = parse(b);
  if (left === undefined || right === undefined) return compareText(a, b);
  return compareValues(left, right) || compareText(a, b);
}

// The order of UTF-16 units is that of UTF-8 bytes unless surrogates are involved.
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return surrogate.test(a) || surrogate.test(b) ? byBytes(a, b) : a < b ? -1 : 1;
}
const surrogate = /[\ud800-\udfff]/;

function compareValues(a: Json, b: Json): number {
  const rank = valueRank(a) - valueRank(b);
  if (rank !== 0) return rank;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  return isJsonObject(a) && isJsonObject(b) ? compareKeys(a, b) : 0;
}

function valueRank(value: Json): number {
  if (typeof value === 'number') return 0;
  if (typeof value === 'string') return 1;
  if (typeof value === 'boolean') return 2;
  if (value === null) return 5;
  return Array.isArray(value) ? 3 : 4;
}

function compareKeys(a: JsonObject, b: JsonObject): number {
  const left = Object.entries(a);
  const right = Object.entries(b);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [leftName = '', leftValue = null] = left[i] ?? [];
    const [rightName = '', rightValue = null] = right[i] ?? [];
    const order = compareText(leftName, rightName) || compareValues(leftValue, rightValue);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** As messages show it: `.name`, `[name="a",port=80]`, `[="a"]`, `[0]`. */
export function showElement(element: PathElement): string {
  const rest = element.slice(2);
  switch (element.slice(0, 2)) {
    case 'f:':
      return `.${rest}`;
    case 'k:': {
      const keys = parse(element);
      if (!isJsonObject(keys)) return `[${rest}]`;
      return `[${Object.keys(keys)
        .map((name) => `${name}=${showValue(keys[name] ?? null)}`)
        .join(',')}]`;
    }
    case 'v:':
      return `[=${showValue(parse(element) ?? null)}]`;
    default:
      return `[${rest}]`;
  }
}

function showValue(value: Json): string {
  return typeof value === 'string' ? goQuote(value) : goJson(value);
}
