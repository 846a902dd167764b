import type { JsonObject } from '../../core/json.ts';
import { type Comparison, compareObjects, withoutPaths } from './compare.ts';
import { conformToSchema } from './conform.ts';
import { type FieldManagement, ignoredPaths, versioned } from './context.ts';
import { difference, type FieldSet, intersection, isEmpty } from './field-set.ts';
import { type Owners, owning } from './managers.ts';

/** What a change takes from a manager. */
export interface Loss {
  readonly identity: string;
  readonly lost: FieldSet;
}

export interface Effects {
  /** How the object changed, in the version of the request. */
  readonly comparison: Comparison;
  /** Managers that own something that now has another value. */
  readonly losses: readonly Loss[];
  /** What has vanished, by version. */
  readonly removed: ReadonlyMap<string, FieldSet>;
}

/**
 * Owners as the schema of now reads their sets, without those whose version isn't served any more. `live` is the object
 * that they own.
 */
export function conformOwners(owners: Owners, live: JsonObject, context: FieldManagement): Owners {
  const result: Owners = new Map();
  for (const [identity, owner] of owners) {
    const view = versioned(live, owner.apiVersion, context);
    if (view === null) continue;
    result.set(identity, owning(owner, conformToSchema(owner.fields, view.schema)));
  }
  return result;
}

/** How the step from `before` to `after` affects everyone but `self`. */
export function effectsOf(
  before: JsonObject,
  after: JsonObject,
  owners: Owners,
  self: string | null,
  context: FieldManagement,
): Effects {
  const ignored = ignoredPaths(context);
  const comparison = withoutPaths(compareObjects(context.schema, before, after), ignored);
  const byVersion = new Map<string, Comparison | null>([[context.apiVersion, comparison]]);
  const losses: Loss[] = [];
  for (const [identity, owner] of owners) {
    if (identity === self) continue;
    let seen = byVersion.get(owner.apiVersion);
    if (seen === undefined) {
      seen = compareIn(owner.apiVersion, before, after, context);
      byVersion.set(owner.apiVersion, seen);
    }
    if (seen === null || isEmpty(seen.changed)) continue;
    const lost = intersection(owner.fields, seen.changed);
    if (!isEmpty(lost)) losses.push({ identity, lost });
  }
  const removed = new Map<string, FieldSet>();
  for (const [version, seen] of byVersion) if (seen !== null) removed.set(version, seen.removed);
  return { comparison, losses, removed };
}

function compareIn(
  apiVersion: string,
  before: JsonObject,
  after: JsonObject,
  context: FieldManagement,
): Comparison | null {
  const left = versioned(before, apiVersion, context);
  const right = versioned(after, apiVersion, context);
  if (left === null || right === null) return null;
  return withoutPaths(compareObjects(right.schema, left.object, right.object), ignoredPaths(context));
}

/** Takes from everyone but `self` what changed and what vanished. */
export function takeOver(owners: Owners, effects: Effects, self: string | null): void {
  for (const { identity, lost } of effects.losses) {
    const owner = owners.get(identity);
    if (owner !== undefined) owners.set(identity, owning(owner, difference(owner.fields, lost)));
  }
  for (const [identity, owner] of owners) {
    const removed = effects.removed.get(owner.apiVersion);
    const fields = identity === self || removed === undefined ? owner.fields : difference(owner.fields, removed);
    if (isEmpty(fields)) owners.delete(identity);
    else if (fields !== owner.fields) owners.set(identity, owning(owner, fields));
  }
}
