import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonArray, isJsonObject, setMember, shallowCopy } from '../patch/json-object.ts';
import type { AnySchema, ListSchema, MapSchema, ObjectSchema, Schema } from '../schema/schema.ts';
import { type FieldSet, inOrder, isEmpty, isMember, leaf, memberWith } from './field-set.ts';
import { indexItems } from './list-elements.ts';
import { fieldElement, type PathElement } from './path-element.ts';
import { fieldSchema, shapeOf } from './shape.ts';

/** The object without the members and items that `paths` names. A struct, map or list that becomes empty goes too. */
export function removePaths(schema: ObjectSchema, object: JsonObject, paths: FieldSet): JsonObject {
  if (isEmpty(paths)) return object;
  return removeMembers(schema, object, paths) ?? {};
}

function removeBelow(schema: Schema, value: Json, paths: FieldSet): Json | undefined {
  switch (schema.type) {
    case 'scalar':
      return value;
    case 'list':
      return isJsonArray(value) && schema.listType !== 'atomic' ? removeItems(schema, value, paths) : undefined;
    default:
      return isJsonObject(value) && !schema.atomic ? removeMembers(schema, value, paths) : undefined;
  }
}

function removeMembers(
  schema: ObjectSchema | MapSchema | AnySchema,
  object: JsonObject,
  paths: FieldSet,
): JsonObject | undefined {
  const struct = shapeOf(schema);
  let result: { [key: string]: Json } | null = null;
  for (const key of Object.keys(object)) {
    const node = paths[fieldElement(key)];
    if (node === undefined) continue;
    const value = object[key] as Json;
    const remaining = isMember(node) ? undefined : removeBelow(fieldSchema(struct, key), value, node);
    if (remaining === value) continue;
    result ??= shallowCopy(object);
    if (remaining === undefined) delete result[key];
    else setMember(result, key, remaining);
  }
  if (result === null) return object;
  return Object.keys(result).length === 0 ? undefined : result;
}

function removeItems(schema: ListSchema, items: readonly Json[], paths: FieldSet): readonly Json[] | undefined {
  const result: Json[] = [];
  for (const [element, same] of indexItems(schema, items)) {
    const node = paths[element];
    if (node === undefined) {
      result.push(...same);
      continue;
    }
    if (isMember(node)) continue;
    for (const item of same) {
      const remaining = removeBelow(schema.items, item, node);
      if (remaining !== undefined) result.push(remaining);
    }
  }
  if (result.length === 0) return undefined;
  return result.length === items.length && result.every((item, i) => item === items[i]) ? items : result;
}

/** The set with every struct field on the way to its paths as a member too. */
export function withStructFields(schema: Schema | undefined, paths: FieldSet): FieldSet {
  const result: { [element: PathElement]: FieldSet } = {};
  for (const element in paths) {
    const node = paths[element] as FieldSet;
    if (element === '.' || isEmpty(node)) {
      result[element] = leaf;
      continue;
    }
    const { declared, below } = childOf(schema, element);
    const inner = withStructFields(below, node);
    result[element] = declared ? memberWith(inner) : inner;
  }
  return inOrder(result);
}

function childOf(
  schema: Schema | undefined,
  element: PathElement,
): { readonly declared: boolean; readonly below: Schema | undefined } {
  if (schema?.type === 'list') return { declared: false, below: schema.items };
  if (schema === undefined || schema.type === 'scalar' || !element.startsWith('f:')) {
    return { declared: false, below: undefined };
  }
  const struct = shapeOf(schema);
  const name = element.slice(2);
  return { declared: struct.fields.has(name), below: fieldSchema(struct, name) };
}
