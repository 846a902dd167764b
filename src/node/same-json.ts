import { isDeepStrictEqual } from 'node:util';

/** Whether two values say the same on the wire: absent, undefined and null members count alike, and so does key order. */
export function sameJson(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(normal(a), normal(b));
}

function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined && member !== null);
  return Object.fromEntries(entries.map(([key, member]) => [key, normal(member)]));
}
