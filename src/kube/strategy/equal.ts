/**
 * apimachinery's Semantic.DeepEqual for objects in canonical form: absent, null and empty lists and maps are the same;
 * the order of members does not matter.
 */
export function isSemanticallyEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isNothing(a)) return isNothing(b);
  if (isNothing(b)) return false;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) return areListsEqual(a, b);
  return areMembersEqual(a, b);
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

function areListsEqual(a: unknown, b: unknown): boolean {
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  return a.every((item, index) => isSemanticallyEqual(item, b[index]));
}

function areMembersEqual(a: object, b: object): boolean {
  for (const [key, value] of Object.entries(a)) if (!isSemanticallyEqual(value, Reflect.get(b, key))) return false;
  for (const [key, value] of Object.entries(b)) {
    if (!Object.hasOwn(a, key) && !isNothing(value)) return false;
  }
  return true;
}
