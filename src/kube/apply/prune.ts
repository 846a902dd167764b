import type { JsonObject } from '../../core/json.ts';
import { type FieldManagement, type VersionedObject, versioned } from './context.ts';
import { difference, emptySet, type FieldSet, intersection, isEmpty, union } from './field-set.ts';
import type { Owner, Owners } from './managers.ts';
import { removePaths, withStructFields } from './remove.ts';
import { appliedPaths } from './value-paths.ts';

/**
 * The merged object without what the manager applied last time (`last`) and neither it nor another applier applies now.
 * `owners` holds the manager's new set already.
 */
export function pruneAbandoned(
  merged: JsonObject,
  last: Owner | undefined,
  owners: Owners,
  context: FieldManagement,
): JsonObject {
  if (last === undefined || isEmpty(last.fields)) return merged;
  const view = versioned(merged, last.apiVersion, context);
  if (view === null) return merged;
  const lastPaths = withStructFields(view.schema, last.fields);
  const bare = removePaths(view.schema, view.object, lastPaths);
  const pruned = restoreApplied(view, bare, last.apiVersion, owners, context);
  const gone = difference(structPaths(view, view.object), structPaths(view, pruned));
  const result = removePaths(view.schema, view.object, intersection(gone, lastPaths));
  if (last.apiVersion === context.apiVersion) return result;
  return context.inVersion?.(result, context.apiVersion)?.object ?? merged;
}

/** Gives back to `bare` what appliers own of the merged object. */
function restoreApplied(
  merged: VersionedObject,
  bare: JsonObject,
  apiVersion: string,
  owners: Owners,
  context: FieldManagement,
): JsonObject {
  const byVersion = new Map<string, FieldSet>();
  for (const owner of owners.values()) {
    if (owner.operation !== 'Apply') continue;
    byVersion.set(owner.apiVersion, union(byVersion.get(owner.apiVersion) ?? emptySet, owner.fields));
  }
  // The version at hand comes first: other versions may lack what a conversion needs.
  const versions = [...byVersion.keys()].sort((a, b) => Number(b === apiVersion) - Number(a === apiVersion));
  let result = bare;
  for (const version of versions) {
    const wanted = byVersion.get(version) ?? emptySet;
    result = restoreInVersion(merged, result, apiVersion, version, wanted, context);
  }
  return result;
}

function restoreInVersion(
  merged: VersionedObject,
  bare: JsonObject,
  apiVersion: string,
  version: string,
  wanted: FieldSet,
  context: FieldManagement,
): JsonObject {
  const whole = inVersion(merged.object, apiVersion, version, context);
  const part = inVersion(bare, apiVersion, version, context);
  if (whole === null || part === null) return bare;
  const kept = union(structPaths(whole, part.object), withStructFields(whole.schema, wanted));
  const restored = removePaths(whole.schema, whole.object, difference(structPaths(whole, whole.object), kept));
  return inVersion(restored, version, apiVersion, context)?.object ?? bare;
}

function inVersion(object: JsonObject, from: string, to: string, context: FieldManagement): VersionedObject | null {
  if (from === to) return versioned(object, to, { ...context, inVersion: identityIn(context) });
  return context.inVersion?.(object, to) ?? null;
}

// An object that is in the wanted version already needs that version's schema only.
function identityIn(context: FieldManagement) {
  return (object: JsonObject, apiVersion: string): VersionedObject | null => {
    const view = context.inVersion?.(object, apiVersion) ?? null;
    return view === null ? null : { object, schema: view.schema };
  };
}

function structPaths(view: Pick<VersionedObject, 'schema'>, object: JsonObject): FieldSet {
  return withStructFields(view.schema, appliedPaths(view.schema, object));
}
