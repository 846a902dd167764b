import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonArray, isJsonObject, jsonEqual, member } from './json-object.ts';
import { deleteDirective, directiveMarker, replaceDirective, withoutDirectives } from './strategic-directives.ts';
import {
  listOfLists,
  mergeDirectiveInList,
  mixedElements,
  noElements,
  noMergeKey,
  notAMap,
  orderMismatch,
  unknownDirective,
  withoutMergeKey,
} from './strategic-errors.ts';

/** How a list is patched. */
export interface PatchField {
  readonly strategy: 'merge' | 'replace' | '';
  /** Empty for lists of scalars. */
  readonly mergeKey: string;
  /** Merges a patch into an element that has the same key. */
  merge(original: JsonObject, patch: JsonObject): JsonObject;
}

type List = readonly Json[];

/** Merges a list whose strategy is `merge`; with `isDeletion`, `patch` lists the scalars to take out. */
export function mergeList(original: List, patch: List, field: PatchField, isDeletion: boolean): List {
  if (original.length === 0 && patch.length === 0) return original;
  const areMaps = elementsAreMaps(original, patch);
  if (!areMaps) {
    if (isDeletion) return original.filter((item) => !patch.includes(item));
    return inOrder([...new Set([...original, ...patch])], patch, original, field.mergeKey);
  }
  if (field.mergeKey === '') throw withoutMergeKey('type struct');
  const { base, additions } = carryOutDirectives(original, patch, field.mergeKey);
  const merged = mergeElements(base, additions, field);
  return inOrder(merged, additions, base, field.mergeKey);
}

/** Merges a list and then orders it: the directive's order first, then the patch's, then the one that stood. */
export function applyElementOrder(
  original: List | undefined,
  patch: List | undefined,
  order: List,
  field: PatchField,
): List {
  checkOrder(patch ?? [], order, field.mergeKey);
  const merged = mergeOrTake(original, patch, field);
  const listed: Json[] = [];
  const others: Json[] = [];
  for (const item of merged) (indexIn(order, item, field.mergeKey) >= 0 ? listed : others).push(item);
  elementsAreMaps(original ?? [], patch ?? []);
  return interleave(others, listed, order, original ?? [], field.mergeKey);
}

function mergeOrTake(original: List | undefined, patch: List | undefined, field: PatchField): List {
  if (patch === undefined) return original ?? [];
  if (original === undefined) return withoutDirectives(patch) as List;
  return field.strategy === 'merge' ? mergeList(original, patch, field, false) : patch;
}

/** `$patch: delete` takes elements out, `$patch: replace` empties the list; both leave the patch. */
function carryOutDirectives(original: List, patch: List, mergeKey: string): { base: List; additions: List } {
  let base = original;
  let replace = false;
  const additions: Json[] = [];
  for (const element of patch) {
    if (!isJsonObject(element)) continue;
    const directive = member(element, directiveMarker);
    if (directive === undefined) {
      additions.push(element);
    } else if (directive === deleteDirective) {
      const value = member(element, mergeKey);
      if (value === undefined) throw noMergeKey(element, mergeKey);
      base = base.filter((item) => member(mapOf(item, base), mergeKey) !== value);
    } else if (directive === replaceDirective) {
      replace = true;
    } else {
      throw directive === 'merge' ? mergeDirectiveInList() : unknownDirective(directive, element);
    }
  }
  return replace ? { base: additions, additions: [] } : { base, additions };
}

function mapOf(item: Json, list: List): JsonObject {
  if (isJsonObject(item)) return item;
  throw notAMap(list.indexOf(item));
}

function mergeElements(base: List, additions: List, field: PatchField): List {
  const merged = [...base];
  for (const element of additions) {
    const addition = mapOf(element, additions);
    const key = member(addition, field.mergeKey);
    if (key === undefined) throw noMergeKey(addition, field.mergeKey);
    const index = merged.findIndex((item) => member(mapOf(item, merged), field.mergeKey) === key);
    if (index < 0) merged.push(addition);
    else merged[index] = field.merge(mapOf(merged[index] as Json, merged), addition);
  }
  return merged;
}

/** Elements of the patch stand in its order, the others in theirs, interleaved as they stood before. */
function inOrder(merged: List, patch: List, original: List, mergeKey: string): List {
  const fromPatch: Json[] = [];
  const others: Json[] = [];
  for (const item of merged) (indexIn(patch, item, mergeKey) >= 0 ? fromPatch : others).push(item);
  return interleave(others, fromPatch, patch, original, mergeKey);
}

function interleave(others: List, listed: List, order: List, original: List, mergeKey: string): List {
  const left = sortBy(others, original, mergeKey);
  const right = sortBy(listed, order, mergeKey);
  const result: Json[] = [];
  let i = 0;
  for (const next of right) {
    const place = indexIn(original, next, mergeKey);
    for (; i < left.length; i++) {
      const other = indexIn(original, left[i] as Json, mergeKey);
      if (other < 0 || place < 0 || other > place) break;
      result.push(left[i] as Json);
    }
    result.push(next);
  }
  for (; i < left.length; i++) result.push(left[i] as Json);
  return result;
}

function sortBy(items: List, order: List, mergeKey: string): List {
  return items
    .map((item) => ({ item, place: indexIn(order, item, mergeKey) }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

function indexIn(list: List, item: Json, mergeKey: string): number {
  if (mergeKey === '') return list.indexOf(item);
  if (!isJsonObject(item)) throw notAMap(list.indexOf(item));
  const key = member(item, mergeKey);
  if (key === undefined) throw noMergeKey(item, mergeKey);
  return list.findIndex((other) => member(mapOf(other, list), mergeKey) === key);
}

/** All elements must be of one kind, and not lists. True when they are objects. */
function elementsAreMaps(...lists: readonly List[]): boolean {
  let kind: string | undefined;
  for (const list of lists) {
    for (const item of list) {
      const current = elementKind(item);
      if (kind === undefined && current === 'list') throw listOfLists();
      if (kind !== undefined && kind !== current) throw mixedElements(lists);
      kind = current;
    }
  }
  if (kind === undefined) throw noElements();
  return kind === 'object';
}

function elementKind(value: Json): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  return isJsonArray(value) ? 'list' : typeof value;
}

/** The elements of the patch must stand in the directive's order, all of them. */
function checkOrder(patch: List, order: List, mergeKey: string): void {
  if (patch.length === 0 || order.length === 0) return;
  const wanted = patch.filter((item) => !(isJsonObject(item) && Object.hasOwn(item, directiveMarker)));
  let next = 0;
  for (const place of order) {
    if (next < wanted.length && sameElement(wanted[next] as Json, place, mergeKey)) next++;
  }
  if (next < wanted.length) throw orderMismatch(patch, order);
}

function sameElement(a: Json, b: Json, mergeKey: string): boolean {
  if (mergeKey === '') return jsonEqual(a, b);
  return keyOf(a, mergeKey) === keyOf(b, mergeKey);
}

function keyOf(element: Json, mergeKey: string): Json {
  if (!isJsonObject(element)) throw notAMap(0);
  const key = member(element, mergeKey);
  if (key === undefined) throw noMergeKey(element, mergeKey);
  return key;
}
