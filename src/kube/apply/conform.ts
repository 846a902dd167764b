import type { ObjectSchema, Schema } from '../schema/schema.ts';
import { type FieldSet, inOrder, isEmpty, leaf, memberWith } from './field-set.ts';
import { canonicalElement, type PathElement } from './path-element.ts';
import { fieldSchema, shapeOf } from './shape.ts';

const canonical = new WeakSet<object>();

/**
 * The field set of a managedFields entry, in canonical form; null when it isn't one. A set that was seen before is
 * returned as it is: entries that nobody changes cost nothing.
 */
export function parseFieldSet(fields: unknown): FieldSet | null {
  if (fields === undefined || fields === null) return leaf;
  if (!isNode(fields)) return null;
  if (canonical.has(fields)) return fields;
  const parsed = parseNode(fields, true);
  if (parsed !== null) canonical.add(parsed);
  return parsed;
}

/** Marks a set that this room built, so that it needn't be checked when it comes back. */
export function markCanonical(set: FieldSet): FieldSet {
  canonical.add(set);
  return set;
}

/** Levels that a field set may have. */
const maxDepth = 512;

function parseNode(node: FieldSet, isRoot: boolean, depth = 0): FieldSet | null {
  if (depth > maxDepth) return null;
  const result: { [element: PathElement]: FieldSet } = {};
  let dot = false;
  let changed = false;
  for (const text of Object.keys(node)) {
    if (text === '.') {
      dot = true;
      continue;
    }
    const element = canonicalElement(text);
    const child = node[text];
    if (element === null || !isNode(child)) return null;
    const parsed = parseNode(child, false, depth + 1);
    if (parsed === null) return null;
    if (element !== text || parsed !== child) changed = true;
    result[element] = parsed;
  }
  const ordered = inOrder(result);
  if (isRoot) return changed || dot || ordered !== result ? ordered : node;
  if (!dot) return changed || ordered !== result ? ordered : node;
  if (isEmpty(ordered)) return leaf;
  const dotFirst = Object.keys(node)[0] === '.';
  return changed || ordered !== result || !dotFirst || !isEmpty(node['.'] ?? leaf) ? memberWith(ordered) : node;
}

function isNode(value: unknown): value is FieldSet {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const conforming = new WeakMap<FieldSet, Schema>();

/**
 * A field set as it reads with the schema of now: who owned parts of a value that has become atomic since (a custom
 * resource's list) owns all of it. The other way round, ownership of the parts can't be inferred and stays with the whole.
 */
export function conformToSchema(set: FieldSet, schema: ObjectSchema): FieldSet {
  if (conforming.get(set) === schema) return set;
  const result = conformChildren(set, schema);
  conforming.set(result, schema);
  return result;
}

function conformNode(node: FieldSet, schema: Schema): FieldSet {
  if (isEmpty(node) || schema.type === 'scalar' || schema.type === 'any') return node;
  const atomic = schema.type === 'list' ? schema.listType === 'atomic' : schema.atomic;
  return atomic ? leaf : conformChildren(node, schema);
}

function conformChildren(node: FieldSet, schema: Schema): FieldSet {
  let result: { [element: PathElement]: FieldSet } | null = null;
  for (const element in node) {
    if (element === '.') continue;
    const below = childSchema(schema, element);
    if (below === undefined) continue;
    const child = node[element] as FieldSet;
    const conformed = conformNode(child, below);
    if (conformed === child) continue;
    result ??= { ...node };
    result[element] = conformed;
  }
  return result ?? node;
}

function childSchema(schema: Schema, element: PathElement): Schema | undefined {
  if (schema.type === 'list') return schema.items;
  if (schema.type === 'scalar' || !element.startsWith('f:')) return undefined;
  return fieldSchema(shapeOf(schema), element.slice(2));
}
