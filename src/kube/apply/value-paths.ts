import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonArray, isJsonObject } from '../patch/json-object.ts';
import type { AnySchema, ListSchema, MapSchema, ObjectSchema, Schema } from '../schema/schema.ts';
import { emptySet, type FieldSet, inOrder, isEmpty, leaf, memberWith } from './field-set.ts';
import { indexItems } from './list-elements.ts';
import { fieldElement, type PathElement } from './path-element.ts';
import { fieldSchema, shapeOf } from './shape.ts';

type Draft = { [element: PathElement]: FieldSet };

/** Every path of a value, with all that lies on the way: what appears or vanishes together with it. */
export function everyPath(schema: Schema, value: Json): FieldSet {
  switch (schema.type) {
    case 'scalar':
      return leaf;
    case 'list':
      return schema.listType !== 'atomic' && isJsonArray(value) ? everyPathOfItems(schema, value) : leaf;
    default:
      return schema.atomic || !isJsonObject(value) ? leaf : everyPathOfMembers(schema, value);
  }
}

function everyPathOfMembers(schema: ObjectSchema | MapSchema | AnySchema, object: JsonObject): FieldSet {
  const struct = shapeOf(schema);
  const node: Draft = {};
  for (const key in object) {
    if (Object.hasOwn(object, key)) node[fieldElement(key)] = everyPath(fieldSchema(struct, key), object[key] as Json);
  }
  for (const [key, zero] of struct.zeros ?? []) {
    if (!Object.hasOwn(object, key)) node[fieldElement(key)] = everyPath(fieldSchema(struct, key), zero);
  }
  return memberWith(inOrder(node));
}

function everyPathOfItems(schema: ListSchema, items: readonly Json[]): FieldSet {
  const node: Draft = {};
  for (const [element, [first = null, ...more]] of indexItems(schema, items)) {
    node[element] = more.length > 0 ? leaf : everyPath(schema.items, first);
  }
  return memberWith(inOrder(node));
}

/**
 * The paths that applying an object claims: its leaves, the items of its lists and maps, and nulls and empty objects.
 * Structs on the way are not claimed. Throws TypeMismatch.
 */
export function appliedPaths(schema: ObjectSchema, object: JsonObject): FieldSet {
  const node = claimed(schema, object);
  return node === undefined || isEmpty(node) ? emptySet : node;
}

// The node of one value: a leaf, the paths below it, or undefined when it claims nothing by itself.
function claimed(schema: Schema, value: Json): FieldSet | undefined {
  switch (schema.type) {
    case 'scalar':
      return leaf;
    case 'list':
      if (schema.listType === 'atomic') return leaf;
      return isJsonArray(value) ? claimedItems(schema, value) : undefined;
    case 'any':
      if (schema.atomic || (value !== null && !isJsonObject(value))) return leaf;
      return isJsonObject(value) ? claimedMembers(schema.objects ?? schema, value) : undefined;
    default:
      if (schema.atomic) return leaf;
      return isJsonObject(value) ? claimedMembers(schema, value) : undefined;
  }
}

function claimedMembers(schema: ObjectSchema | MapSchema | AnySchema, object: JsonObject): FieldSet | undefined {
  const struct = shapeOf(schema);
  const node: Draft = {};
  let some = false;
  for (const key in object) {
    if (!Object.hasOwn(object, key)) continue;
    const value = object[key] as Json;
    const below = claimed(fieldSchema(struct, key), value);
    const isItem = !struct.fields.has(key) || value === null || (isJsonObject(value) && isEmptyObject(value));
    const child = isItem ? memberWith(below) : below;
    if (child === undefined) continue;
    node[fieldElement(key)] = child;
    some = true;
  }
  return some ? inOrder(node) : undefined;
}

function claimedItems(schema: ListSchema, items: readonly Json[]): FieldSet | undefined {
  if (items.length === 0) return undefined;
  const node: Draft = {};
  for (const [element, [first = null, ...more]] of indexItems(schema, items)) {
    node[element] = more.length > 0 ? leaf : memberWith(claimed(schema.items, first));
  }
  return inOrder(node);
}

function isEmptyObject(object: JsonObject): boolean {
  for (const _ in object) return false;
  return true;
}
