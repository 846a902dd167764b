type EmptyCollection = readonly [] | Readonly<Record<string, never>>;

const emptyMembers = new WeakMap<object, Map<string, EmptyCollection>>();

/**
 * Notes that a client wrote an empty list or map where the object, in its canonical form, has nothing. To Go the two
 * differ until the object is stored, and messages show it: `[]` or `{}` against `null`.
 */
export function noteEmptyMember(parent: object, name: string, value: EmptyCollection): void {
  const known = emptyMembers.get(parent);
  const members = known ?? new Map<string, EmptyCollection>();
  if (known === undefined) emptyMembers.set(parent, members);
  members.set(name, value);
}

/** What is known of the empty members of an object is true of a copy of it too. */
export function keepEmptyMembers<T extends object>(copy: T, original: object | undefined): T {
  const known = original === undefined ? undefined : emptyMembers.get(original);
  if (known !== undefined) emptyMembers.set(copy, known);
  return copy;
}

/** A member as messages show it: empty as the client wrote it, or null. Copies of an object have forgotten. */
export function shownMember(parent: object | undefined, name: string): unknown {
  if (parent === undefined) return null;
  return Reflect.get(parent, name) ?? emptyMembers.get(parent)?.get(name) ?? null;
}

/** Makes `copy` remember what was noted of the object that it was copied from. */
export function carryEmptyMembers(from: object, copy: object): void {
  const members = emptyMembers.get(from);
  if (members !== undefined) emptyMembers.set(copy, members);
}
