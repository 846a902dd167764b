import type { JsonObject } from '../../core/json.ts';
import type { ManagedFieldsEntry } from '../object.ts';
import { isJsonObject, jsonEqual } from '../patch/json-object.ts';
import { sameOwnership } from './managers.ts';

/** metadata.managedFields; undefined when the object has none or they aren't a list of objects. */
export function managedFieldsOf(object: JsonObject): readonly ManagedFieldsEntry[] | undefined {
  const { metadata } = object;
  const entries = isJsonObject(metadata) ? metadata.managedFields : undefined;
  return Array.isArray(entries) && entries.every(isJsonObject) ? (entries as readonly ManagedFieldsEntry[]) : undefined;
}

/** The object with these managedFields; the same object when it has them. */
export function withManagedFields(object: JsonObject, entries: readonly ManagedFieldsEntry[]): JsonObject {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {};
  const current = metadata.managedFields;
  if (entries.length === 0) return current === undefined ? object : withoutManagedFields(object);
  const same = Array.isArray(current) && sameElements(current, entries);
  if (same) return object;
  return { ...object, metadata: { ...metadata, managedFields: entries as readonly JsonObject[] } };
}

function sameElements(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

/** The object without managedFields. */
export function withoutManagedFields(object: JsonObject): JsonObject {
  const { metadata } = object;
  if (!isJsonObject(metadata) || metadata.managedFields === undefined) return object;
  const { managedFields: _, ...rest } = metadata;
  return { ...object, metadata: rest };
}

/**
 * `next`, but with the managedFields of `live` when the two differ in nothing but the times of managedFields: such a
 * write is none. Returns `live` itself then.
 */
export function ignoreTimeChanges(live: JsonObject, next: JsonObject): JsonObject {
  if (live === next) return live;
  if (!sameOwnership(managedFieldsOf(live), managedFieldsOf(next))) return next;
  return jsonEqual(withoutManagedFields(live), withoutManagedFields(next)) ? live : next;
}
