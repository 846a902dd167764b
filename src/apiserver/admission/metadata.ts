import { isDeepStrictEqual } from 'node:util';
import { isObject } from '../../core/json.ts';

/** True when two states differ in nothing but what the garbage collector changes: finalizers, owners, bookkeeping. */
export function sameExceptGarbageCollection(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): boolean {
  return isDeepStrictEqual(stripped(a), stripped(b));
}

const collected = new Set(['finalizers', 'ownerReferences', 'managedFields', 'resourceVersion', 'generation']);

function stripped(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { metadata, ...rest } = object;
  const members = isObject(metadata) ? Object.entries(metadata) : [];
  return { ...rest, metadata: Object.fromEntries(members.filter(([key]) => !collected.has(key))) };
}
