import { duplicate, tooMany } from '../../field-error.ts';
import { type Errors, entriesOf } from '../common.ts';

/** A list within a bound; beyond it nothing else is looked at. */
export function* validateList<T>(
  items: readonly T[],
  max: number,
  check: (item: T, field: string) => Errors,
  field: string,
): Errors {
  if (items.length > max) yield tooMany(field, items.length, max);
  else for (const [index, item] of items.entries()) yield* check(item, `${field}[${index}]`);
}

/** The same without two items of the same key. */
export function* validateSet<T>(
  items: readonly T[],
  max: number,
  check: (item: T, field: string) => Errors,
  keyOf: (item: T) => string,
  field: string,
): Errors {
  yield* validateList(items, max, check, field);
  if (items.length > max) return;
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    if (seen.has(key)) yield duplicate(`${field}[${index}]`, key);
    seen.add(key);
  }
}

/** A map within a bound. The path of an item has its key in it, shortened in the middle when it is too long. */
export function* validateMap<T>(
  map: Readonly<Record<string, T>> | undefined,
  max: number,
  keyBytesMax: number,
  checkKey: (key: string, field: string) => Errors,
  check: (item: T, field: string) => Errors,
  field: string,
): Errors {
  const entries = entriesOf(map);
  if (entries.length > max) {
    yield tooMany(field, entries.length, max);
    return;
  }
  for (const [key, item] of entries) {
    yield* checkKey(key, field);
    yield* check(item, `${field}[${shortened(key, keyBytesMax)}]`);
  }
}

function shortened(text: string, max: number): string {
  if (text.length <= max) return text;
  const remaining = max - '...'.length;
  return `${text.slice(0, Math.ceil(remaining / 2))}...${text.slice(text.length - Math.floor(remaining / 2))}`;
}
