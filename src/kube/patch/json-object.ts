import type { Json, JsonObject } from '../../core/json.ts';

/**
 * Access to members of objects that came from clients. Their keys are data, also when they are named `__proto__` or
 * `constructor`: reading never sees the prototype, writing never sets it.
 */
export function member(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function setMember(object: { [key: string]: unknown }, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[key] = value;
  }
}

/** A shallow copy that the caller may change. Its members stay shared and must not be changed. */
export function shallowCopy(object: JsonObject): { [key: string]: Json } {
  return { ...object };
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** Equality of JSON values; the order of members doesn't matter. */
export function jsonEqual(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!jsonEqual(a[i] as Json, b[i] as Json)) return false;
    return true;
  }
  if (Array.isArray(b)) return false;
  const left = a as JsonObject;
  const right = b as JsonObject;
  let size = 0;
  for (const key in left) {
    size++;
    if (!Object.hasOwn(right, key) || !jsonEqual(left[key] as Json, right[key] as Json)) return false;
  }
  for (const _ in right) size--;
  return size === 0;
}

/** Levels that a patch or an applied configuration may be nested. */
export const maxNesting = 1000;

/** True when the value is nested deeper than `levels`. */
export function nestsDeeper(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const item of Object.values(value)) if (nestsDeeper(item, levels - 1)) return true;
  return false;
}
