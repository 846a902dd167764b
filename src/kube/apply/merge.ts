import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonArray, isJsonObject, setMember, shallowCopy } from '../patch/json-object.ts';
import type { AnySchema, ListSchema, MapSchema, ObjectSchema, Schema } from '../schema/schema.ts';
import { indexItems } from './list-elements.ts';
import type { PathElement } from './path-element.ts';
import { fieldSchema, shapeOf } from './shape.ts';

/**
 * Merges an applied configuration over a live object: what it says wins, what it doesn't say stays; atomic values are
 * replaced whole. The result shares what didn't change with the live object.
 */
export function mergeObjects(schema: ObjectSchema, live: JsonObject, applied: JsonObject): JsonObject {
  const merged = mergeValues(schema, live, applied);
  return isJsonObject(merged) ? merged : live;
}

function mergeValues(schema: Schema, live: Json | undefined, applied: Json): Json {
  if (live === undefined || live === applied) return applied;
  switch (schema.type) {
    case 'scalar':
      return applied;
    case 'list':
      return schema.listType === 'atomic' ? applied : mergeLists(schema, live, applied);
    case 'any':
      if (schema.atomic || !isJsonObject(live) || !isJsonObject(applied)) return applied;
      return mergeMembers(schema, live, applied);
    default:
      return schema.atomic ? applied : mergeMembers(schema, live, applied);
  }
}

function mergeMembers(schema: ObjectSchema | MapSchema | AnySchema, live: Json, applied: Json): Json {
  // A null or an empty object adds nothing to members that stand.
  if (!isJsonObject(applied)) return isJsonObject(live) && Object.keys(live).length > 0 ? live : applied;
  if (!isJsonObject(live)) return applied;
  const struct = shapeOf(schema);
  let result: { [key: string]: Json } | null = null;
  for (const key of Object.keys(applied)) {
    const current = Object.hasOwn(live, key) ? live[key] : undefined;
    const merged = mergeValues(fieldSchema(struct, key), current, applied[key] as Json);
    if (merged === current) continue;
    result ??= shallowCopy(live);
    setMember(result, key, merged);
  }
  return result ?? live;
}

function mergeLists(schema: ListSchema, live: Json, applied: Json): Json {
  const before = isJsonArray(live) ? live : [];
  const after = isJsonArray(applied) ? applied : [];
  if (before.length === 0) return applied;
  if (after.length === 0) return live;
  const standing = indexItems(schema, before);
  const wanted = indexItems(schema, after);
  const result: Json[] = [];
  for (const element of mergedOrder([...standing.keys()], [...wanted.keys()], standing, wanted)) {
    const items = standing.get(element) ?? [];
    const [item] = wanted.get(element) ?? [];
    if (item === undefined) result.push(...items);
    else result.push(mergeValues(schema.items, items.length === 1 ? items[0] : undefined, item));
  }
  return result.length === before.length && result.every((item, i) => item === before[i]) ? live : result;
}

/**
 * Elements of the applied list stand in its order; those that only the live list has keep their place relative to the
 * shared ones.
 */
function mergedOrder(
  live: readonly PathElement[],
  applied: readonly PathElement[],
  standing: ReadonlyMap<PathElement, unknown>,
  wanted: ReadonlyMap<PathElement, unknown>,
): readonly PathElement[] {
  const shared = applied.filter((element) => standing.has(element));
  const order: PathElement[] = [];
  let nextShared = 0;
  let l = 0;
  let r = 0;
  while (l < live.length || r < applied.length) {
    const left = live[l];
    const right = applied[r];
    if (left !== undefined && right !== undefined) {
      if (left === right) {
        order.push(left);
        l++;
        r++;
        nextShared++;
        continue;
      }
      const expected = shared[nextShared];
      if (wanted.has(left) && expected !== undefined && expected !== left) {
        l++;
        continue;
      }
    }
    if (left !== undefined && !wanted.has(left)) {
      order.push(left);
      l++;
    } else if (right !== undefined) {
      order.push(right);
      r++;
      if (shared[nextShared] === right) nextShared++;
    } else {
      // Shared, and already placed where the applied list has it.
      l++;
    }
  }
  return order;
}
