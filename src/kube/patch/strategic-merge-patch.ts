import type { Json, JsonObject } from '../../core/json.ts';
import type { Field, ObjectSchema, Schema } from '../schema/schema.ts';
import { isJsonArray, isJsonObject, member, setMember, shallowCopy } from './json-object.ts';
import {
  deleteDirective,
  directiveMarker,
  replaceDirective,
  setOrDelete,
  withoutDirectives,
  withoutNullMembers,
} from './strategic-directives.ts';
import {
  badElementOrder,
  badPrimitiveList,
  badRetainKeys,
  badType,
  contentNotInRetainKeys,
  notAStruct,
  unknownDirective,
  unknownField,
} from './strategic-errors.ts';
import { applyElementOrder, mergeList, type PatchField } from './strategic-lists.ts';

const retainKeysDirective = '$retainKeys';
const deleteFromPrimitiveListPrefix = '$deleteFromPrimitiveList';
const setElementOrderPrefix = '$setElementOrder';

/**
 * Strategic merge patch, whose rules stand in the patch tags of the Go types (`Field.patchStrategy`) and in the directives
 * that the patch carries. Returns a new document that shares what didn't change with the old one. Throws PatchError.
 */
export function applyStrategicMergePatch(document: JsonObject, patch: JsonObject, schema: ObjectSchema): JsonObject {
  return mergeObject(document, patch, schema);
}

function mergeObject(original: JsonObject, patch: JsonObject, schema: Schema): JsonObject {
  const directive = member(patch, directiveMarker);
  if (directive !== undefined) return replaceWhole(directive, patch);
  const result = shallowCopy(original);
  const pending = retainKeys(result, patch);
  orderLists(result, pending, schema);
  for (const key of Object.keys(pending)) mergeMember(result, key, pending[key] as Json, schema);
  return result;
}

function mergeMember(result: { [key: string]: Json }, patchKey: string, patch: Json, schema: Schema): void {
  const isDeletion = patchKey.startsWith(deleteFromPrimitiveListPrefix);
  const key = isDeletion ? targetOf(patchKey, deleteFromPrimitiveListPrefix) : patchKey;
  if (patch === null) {
    delete result[key];
    return;
  }
  const current = member(result, key);
  if (current === undefined || kindOf(current) !== kindOf(patch)) {
    if (!isDeletion) setOrDelete(result, key, withoutDirectives(withoutNullMembers(patch)));
  } else if (isJsonObject(current) && isJsonObject(patch)) {
    const field = fieldOf(schema, key);
    const merged = field.strategy === 'replace' ? patch : mergeObject(current, patch, field.schema);
    setMember(result, key, merged);
  } else if (isJsonArray(current) && isJsonArray(patch)) {
    const field = fieldOf(schema, key);
    const merges = field.strategy === 'merge' || isDeletion;
    setMember(result, key, merges ? mergeList(current, patch, field, isDeletion) : patch);
  } else {
    setMember(result, key, patch);
  }
}

function replaceWhole(directive: Json, patch: JsonObject): JsonObject {
  if (directive === deleteDirective) return {};
  if (directive !== replaceDirective) throw unknownDirective(directive, patch);
  const replacement = shallowCopy(patch);
  delete replacement[directiveMarker];
  return replacement;
}

/** Clears what `$retainKeys` doesn't name from `result`, and returns what remains to be merged. */
function retainKeys(result: { [key: string]: Json }, patch: JsonObject): { [key: string]: Json } {
  const pending = shallowCopy(patch);
  const list = member(patch, retainKeysDirective);
  if (list === undefined) return pending;
  delete pending[retainKeysDirective];
  if (!isJsonArray(list)) throw badRetainKeys();
  const kept = new Set(list);
  for (const key of Object.keys(pending)) {
    const isDirective = key.startsWith(deleteFromPrimitiveListPrefix) || key.startsWith(setElementOrderPrefix);
    if (pending[key] !== null && !isDirective && !kept.has(key)) throw contentNotInRetainKeys();
  }
  for (const key of Object.keys(result)) if (!kept.has(key)) delete result[key];
  return pending;
}

/** Merges the lists that have a `$setElementOrder`, and takes them and their directives out of `pending`. */
function orderLists(result: { [key: string]: Json }, pending: { [key: string]: Json }, schema: Schema): void {
  for (const directive of Object.keys(pending)) {
    if (!directive.startsWith(setElementOrderPrefix)) continue;
    const order = pending[directive] as Json;
    delete pending[directive];
    if (!isJsonArray(order)) throw badType('[]interface {}', order);
    const key = targetOf(directive, setElementOrderPrefix);
    const current = listOrAbsent(member(result, key));
    const patch = listOrAbsent(member(pending, key));
    const field = fieldOf(schema, key);
    if (current === undefined && patch === undefined) continue;
    setMember(result, key, applyElementOrder(current, patch, order, field));
    delete pending[key];
  }
}

function listOrAbsent(value: Json | undefined): readonly Json[] | undefined {
  if (value === undefined || isJsonArray(value)) return value;
  throw badType('[]interface {}', value);
}

function targetOf(key: string, prefix: string): string {
  if (key.startsWith(`${prefix}/`)) return key.slice(prefix.length + 1);
  throw prefix === setElementOrderPrefix ? badElementOrder() : badPrimitiveList();
}

/** What the schema says of a member: how it is patched, and the schema of its value. */
function fieldOf(schema: Schema, key: string): PatchField & { readonly schema: Schema } {
  if (schema.type === 'map') return patchField(schema.values, '', '');
  if (schema.type === 'scalar') throw notAStruct(schema.scalar);
  if (schema.type === 'list') throw notAStruct('slice');
  const object = schema.type === 'any' ? schema.objects : schema;
  if (object === undefined) throw unknownField('RawExtension', key);
  const field = object.fields.get(key);
  if (field === undefined) throw unknownField(object.name ?? 'Unstructured', key);
  return patchField(field.schema, strategyOf(field), field.patchMergeKey ?? '');
}

function patchField(schema: Schema, strategy: PatchField['strategy'], mergeKey: string) {
  const items = schema.type === 'list' ? schema.items : schema;
  const merge = (original: JsonObject, patch: JsonObject) => mergeObject(original, patch, items);
  return { schema, strategy, mergeKey, merge };
}

function strategyOf(field: Field): PatchField['strategy'] {
  if (field.patchStrategy.includes('merge')) return 'merge';
  return field.patchStrategy.includes('replace') ? 'replace' : '';
}

/** Go's kinds of decoded JSON: a patch of another kind replaces what stands. */
function kindOf(value: Json): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  return isJsonArray(value) ? 'list' : typeof value;
}
