import { isObject } from '../../core/json.ts';
import { carryEmptyMembers } from '../schema/empty-members.ts';

/**
 * The same object without the members that are null: Go writes null for an unset time or list that it does not omit, and
 * readers need not tell that from an absent one. Elements of lists stay. Shares all that it can with the original, and is
 * the original when there is nothing to leave out.
 */
export function withoutNulls<T>(value: T): T {
  return strip(value) as T;
}

function strip(value: unknown): unknown {
  if (Array.isArray(value)) return stripList(value);
  return isObject(value) ? stripObject(value) : value;
}

function stripList(list: readonly unknown[]): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let index = 0; index < list.length; index++) {
    const item = list[index];
    if (typeof item !== 'object') continue;
    const stripped = strip(item);
    if (stripped === item) continue;
    copy ??= [...list];
    copy[index] = stripped;
  }
  return copy ?? list;
}

function stripObject(object: Record<string, unknown>): Record<string, unknown> {
  let copy: Record<string, unknown> | undefined;
  for (const name in object) {
    const member = object[name];
    if (typeof member !== 'object') continue;
    const stripped = strip(member);
    if (stripped === member && member !== null) continue;
    copy ??= { ...object };
    if (member === null) delete copy[name];
    else copy[name] = stripped;
  }
  if (copy === undefined) return object;
  carryEmptyMembers(object, copy);
  return copy;
}
