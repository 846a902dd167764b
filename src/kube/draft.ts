import { setMember } from '../core/json.ts';
import { carryEmptyMembers } from './schema/empty-members.ts';

/** A deep mutable version of a readonly type: what a single owner (a decoder, a strategy, a plan) builds up. */
export type Draft<T> = T extends (...args: never[]) => unknown
  ? T
  : T extends readonly (infer U)[]
    ? Draft<U>[]
    : T extends object
      ? { -readonly [K in keyof T]: Draft<T[K]> }
      : T;

/** A deep copy that the caller owns, of an object that others share. It knows what a client wrote as empty, too. */
export function draft<T>(shared: T): Draft<T> {
  return structuredCloneJson(shared) as Draft<T>;
}

// Faster than structuredClone for plain JSON, which is all that Kubernetes objects are.
function structuredCloneJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(structuredCloneJson);
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) setMember(copy, key, structuredCloneJson(member));
  carryEmptyMembers(value, copy);
  return copy;
}
