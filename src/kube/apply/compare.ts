import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonArray, isJsonObject, jsonEqual } from '../patch/json-object.ts';
import type { AnySchema, ListSchema, MapSchema, ObjectSchema, Schema } from '../schema/schema.ts';
import { emptySet, type FieldSet, inOrder, leaf, recursiveDifference } from './field-set.ts';
import { elementOf, indexItems, sameElement } from './list-elements.ts';
import { fieldElement, type PathElement } from './path-element.ts';
import { fieldSchema, type Struct, shapeOf, zeroOf } from './shape.ts';
import { everyPath } from './value-paths.ts';

/** How two values of one type differ. */
export interface Comparison {
  /** Paths that the new value adds or has with another value. */
  readonly changed: FieldSet;
  /** Paths that only the old value has. */
  readonly removed: FieldSet;
}

export const sameObjects: Comparison = { changed: emptySet, removed: emptySet };

/**
 * Compares two objects of one type, leaf by leaf: atomic structs, maps and lists are leaves, keyed lists and sets are
 * compared element by element. A member that Go always writes counts as present. Throws TypeMismatch.
 */
export function compareObjects(schema: ObjectSchema, before: JsonObject, after: JsonObject): Comparison {
  const found = compareValues(schema, before, after);
  if (found === undefined) return sameObjects;
  return { changed: found.changed ?? emptySet, removed: found.removed ?? emptySet };
}

/** The comparison without the paths that `ignored` names and those below them. */
export function withoutPaths(comparison: Comparison, ignored: FieldSet): Comparison {
  if (comparison === sameObjects) return comparison;
  return {
    changed: recursiveDifference(comparison.changed, ignored),
    removed: recursiveDifference(comparison.removed, ignored),
  };
}

// What differs at one node and below it; undefined when nothing does.
interface Found {
  readonly changed: FieldSet | undefined;
  readonly removed: FieldSet | undefined;
}

const leafChanged: Found = { changed: leaf, removed: undefined };

function compareValues(schema: Schema, before: Json | undefined, after: Json | undefined): Found | undefined {
  if (before === after) return undefined;
  if (before === undefined) return { changed: everyPath(schema, after ?? null), removed: undefined };
  if (after === undefined) return { changed: undefined, removed: everyPath(schema, before) };
  switch (schema.type) {
    case 'scalar':
      return compareLeaves(before, after);
    case 'list':
      return compareLists(schema, before, after);
    case 'map':
    case 'object':
      return schema.atomic ? compareLeaves(before, after) : compareStructs(schema, before, after);
    case 'any':
      return schema.atomic ? compareLeaves(before, after) : compareDeduced(schema, before, after);
  }
}

function compareLeaves(before: Json, after: Json): Found | undefined {
  return jsonEqual(before, after) ? undefined : leafChanged;
}

// Without a schema, objects are granular and everything else is a leaf.
function compareDeduced(schema: AnySchema, before: Json, after: Json): Found | undefined {
  const hadMembers = isJsonObject(before);
  const hasMembers = isJsonObject(after);
  if (!hadMembers && !hasMembers) return compareLeaves(before, after);
  const shape = schema.objects ?? schema;
  if (hadMembers && hasMembers) return compareStructs(shape, before, after);
  return {
    changed: hasMembers ? everyPath(shape, after) : leaf,
    removed: hadMembers ? pathsBelow(everyPath(shape, before)) : undefined,
  };
}

function pathsBelow(node: FieldSet): FieldSet | undefined {
  const { '.': _, ...below } = node;
  return Object.keys(below).length === 0 ? undefined : below;
}

function compareStructs(schema: ObjectSchema | MapSchema | AnySchema, before: Json, after: Json): Found | undefined {
  const left = isJsonObject(before) ? before : undefined;
  const right = isJsonObject(after) ? after : undefined;
  const struct = shapeOf(schema);
  if (!hasMembers(left) && !hasMembers(right) && struct.zeros === undefined) return compareLeaves(before, after);
  const below = new Below();
  if (right !== undefined) {
    for (const key in right) {
      if (!Object.hasOwn(right, key)) continue;
      const old = memberOrZero(struct, left, key);
      const value = right[key];
      if (old !== value) below.add(fieldElement(key), compareValues(fieldSchema(struct, key), old, value));
    }
  }
  if (left !== undefined) {
    for (const key in left) {
      if (!Object.hasOwn(left, key) || (right !== undefined && Object.hasOwn(right, key))) continue;
      const value = zeroOf(struct, key);
      below.add(fieldElement(key), compareValues(fieldSchema(struct, key), left[key], value));
    }
  }
  return below.found();
}

function hasMembers(object: JsonObject | undefined): boolean {
  if (object === undefined) return false;
  for (const _ in object) return true;
  return false;
}

function memberOrZero(struct: Struct, object: JsonObject | undefined, key: string): Json | undefined {
  if (object !== undefined && Object.hasOwn(object, key)) return object[key];
  return zeroOf(struct, key);
}

function compareLists(schema: ListSchema, before: Json, after: Json): Found | undefined {
  const left = isJsonArray(before) ? before : [];
  const right = isJsonArray(after) ? after : [];
  if (schema.listType === 'atomic' || (left.length === 0 && right.length === 0)) return compareLeaves(before, after);
  return compareInPlace(schema, left, right) ?? compareByElement(schema, left, right);
}

// Most lists keep their elements in place: then no path element need be built but for what differs. Null: they don't.
function compareInPlace(schema: ListSchema, left: readonly Json[], right: readonly Json[]): Found | null | undefined {
  if (left.length !== right.length) return null;
  for (let i = 0; i < left.length; i++) {
    if (!sameElement(schema, left[i] as Json, right[i] as Json)) return null;
  }
  const below = new Below();
  let differs = false;
  for (let i = 0; i < left.length; i++) {
    const found = compareValues(schema.items, left[i], right[i]);
    if (found === undefined) continue;
    differs = true;
    below.add(elementOf(schema, right[i] as Json), found);
  }
  if (!differs) return below.found();
  // Elements that repeat are compared as a group.
  return indexItems(schema, right).size === right.length ? below.found() : null;
}

function compareByElement(schema: ListSchema, left: readonly Json[], right: readonly Json[]): Found | undefined {
  const before = indexItems(schema, left);
  const after = indexItems(schema, right);
  const below = new Below();
  for (const [element, items] of after) below.add(element, compareItems(schema, before.get(element) ?? [], items));
  for (const [element, items] of before) {
    if (!after.has(element)) below.add(element, compareItems(schema, items, []));
  }
  return below.found();
}

function compareItems(schema: ListSchema, before: readonly Json[], after: readonly Json[]): Found | undefined {
  if (before.length <= 1 && after.length <= 1) return compareValues(schema.items, before[0], after[0]);
  if (before.length === 0) return leafChanged;
  if (after.length === 0) return { changed: undefined, removed: leaf };
  return compareLeaves(before, after);
}

// Gathers what children found into the two trees of their parent.
class Below {
  #changed: { [element: PathElement]: FieldSet } | undefined;
  #removed: { [element: PathElement]: FieldSet } | undefined;

  add(element: PathElement, found: Found | undefined): void {
    if (found === undefined) return;
    if (found.changed !== undefined) {
      this.#changed ??= {};
      this.#changed[element] = found.changed;
    }
    if (found.removed !== undefined) {
      this.#removed ??= {};
      this.#removed[element] = found.removed;
    }
  }

  found(): Found | undefined {
    if (this.#changed === undefined && this.#removed === undefined) return undefined;
    return {
      changed: this.#changed && inOrder(this.#changed),
      removed: this.#removed && inOrder(this.#removed),
    };
  }
}
