import type { JsonObject } from '../../core/json.ts';
import { isJsonObject, maxNesting, nestsDeeper } from '../patch/json-object.ts';
import { ApplyConflict, ApplyError, type FieldConflict, TypeMismatch } from './apply-error.ts';
import { typeErrors } from './check-type.ts';
import { type FieldManagement, ignoredPaths, unowned } from './context.ts';
import { difference, type FieldSet, isEmpty, recursiveDifference, showPaths } from './field-set.ts';
import { kubectlManager, ownedByLastApplied, syncLastApplied } from './last-applied.ts';
import {
  identityOf,
  type Owner,
  type Owners,
  owning,
  readOwners,
  sameOwnership,
  showOwner,
  writeOwners,
} from './managers.ts';
import { mergeObjects } from './merge.ts';
import { managedFieldsOf, withManagedFields, withoutManagedFields } from './object-fields.ts';
import { pruneAbandoned } from './prune.ts';
import { conformOwners, effectsOf, type Loss, takeOver } from './take-over.ts';
import { ownersAfterUpdate } from './update.ts';
import { appliedPaths } from './value-paths.ts';

/** A write by server-side apply. */
export interface ApplyManagement extends FieldManagement {
  /** Take over what other managers own instead of answering with a conflict. */
  readonly force: boolean;
}

/** Manager of the fields that an object had before ownership was followed. */
const beforeFirstApply = 'before-first-apply';

/**
 * The object that applying a configuration leads to (server-side apply), with its managedFields. `live` is null when the
 * object doesn't exist. The result is not decoded, defaulted or validated yet; it is `live` itself when nothing changes.
 * Throws ApplyConflict, and ApplyError for a configuration that is not of the type.
 */
export function applyConfiguration(live: JsonObject | null, applied: JsonObject, context: ApplyManagement): JsonObject {
  const standing = live === null ? [] : (managedFieldsOf(live) ?? []);
  const owned = readOwners(standing);
  if (typeof owned === 'string') throw internal(`failed to decode managed fields: ${owned}`);
  checkConfiguration(applied, context);
  const base = withoutManagedFields(live ?? {});
  try {
    const owners = owned.size === 0 && live !== null ? ownersBeforeApply(base, context) : owned;
    const outcome = applyUnlessKubectlOwns(base, applied, owners, context);
    const object = context.manager === kubectlManager ? syncLastApplied(outcome.object, applied) : outcome.object;
    const entries = writeOwners(outcome.owners);
    if (live !== null && object === base && sameTimes(entries, standing)) return live;
    return withManagedFields(object, entries);
  } catch (error) {
    if (!(error instanceof TypeMismatch)) throw error;
    throw internal(`failed to create typed live object (${describe(base, context)}): ${error.message}`);
  }
}

function checkConfiguration(applied: JsonObject, context: ApplyManagement): void {
  if (nestsDeeper(applied, maxNesting)) throw badRequest('error decoding patch: exceeded max depth');
  const { apiVersion, kind, metadata } = applied;
  if (apiVersion !== context.apiVersion || kind !== context.kind) {
    throw badRequest(`invalid object type: ${showType(String(apiVersion ?? ''), String(kind ?? ''))}`);
  }
  if (isJsonObject(metadata) && metadata.managedFields !== undefined && metadata.managedFields !== null) {
    throw badRequest('metadata.managedFields must be nil');
  }
  const errors = typeErrors(context.schema, applied);
  if (errors === null) return;
  throw internal(`failed to create typed patch object (${describe(applied, context)}): ${errors}`);
}

function ownersBeforeApply(live: JsonObject, context: ApplyManagement): Owners {
  return ownersAfterUpdate({}, live, new Map(), { ...context, manager: beforeFirstApply });
}

interface Outcome {
  /** The live object itself when the configuration changes nothing. */
  readonly object: JsonObject;
  readonly owners: Owners;
}

/** Applies; kubectl may take over from anybody what its client-side apply owned. */
function applyUnlessKubectlOwns(
  live: JsonObject,
  applied: JsonObject,
  owned: Owners,
  context: ApplyManagement,
): Outcome {
  const attempt = applyOver(live, applied, owned, context);
  if ('owners' in attempt) return attempt;
  if (context.manager !== kubectlManager) throw conflictOf(attempt.losses, owned);
  const allowed = ownedByLastApplied(live, context);
  const remaining = attempt.losses
    .map(({ identity, lost }) => ({ identity, lost: difference(lost, allowed) }))
    .filter(({ lost }) => !isEmpty(lost));
  if (remaining.length > 0) throw conflictOf(remaining, owned);
  const forced = applyOver(live, applied, owned, { ...context, force: true });
  if ('owners' in forced) return forced;
  throw conflictOf(forced.losses, owned);
}

function applyOver(
  live: JsonObject,
  applied: JsonObject,
  owned: Owners,
  context: ApplyManagement,
): Outcome | { readonly losses: readonly Loss[] } {
  const owners = conformOwners(owned, live, context);
  const ignored = ignoredPaths(context);
  const self: Omit<Owner, 'fields'> = {
    manager: context.manager,
    operation: 'Apply',
    apiVersion: context.apiVersion,
    subresource: context.subresource,
    time: undefined,
  };
  const identity = identityOf(self);
  const last = owners.get(identity);
  const claimed = recursiveDifference(appliedPaths(context.schema, applied), ignored);
  owners.set(identity, { ...self, time: last?.time, fields: claimed });
  const lastWithoutIgnored = last && owning(last, recursiveDifference(last.fields, ignored));
  const object = pruneAbandoned(mergeObjects(context.schema, live, applied), lastWithoutIgnored, owners, context);
  const effects = effectsOf(live, object, owners, identity, context);
  if (!context.force && effects.losses.length > 0) return { losses: effects.losses };
  takeOver(owners, effects, identity);
  const { changed, removed } = effects.comparison;
  const isChange = !isEmpty(changed) || !isEmpty(removed);
  const fields: FieldSet = difference(claimed, unowned);
  if (isEmpty(fields)) owners.delete(identity);
  else owners.set(identity, unchanged(last, self, fields, isChange ? context.now : last?.time));
  return { object: isChange ? object : live, owners };
}

/** The new state of the applier; the entry that stood before is kept when it says the same. */
function unchanged(
  last: Owner | undefined,
  self: Omit<Owner, 'fields'>,
  fields: FieldSet,
  time: string | undefined,
): Owner {
  const owner: Owner = { ...self, time, fields };
  if (last?.entry === undefined || last.time !== time) return owner;
  const entry = { ...last.entry, fieldsV1: fields };
  return sameOwnership([entry], [last.entry]) && last.apiVersion === self.apiVersion ? last : owner;
}

function sameTimes(entries: readonly unknown[], standing: readonly unknown[]): boolean {
  return entries.length === standing.length && entries.every((entry, i) => entry === standing[i]);
}

function conflictOf(losses: readonly Loss[], owners: Owners): ApplyConflict {
  const conflicts: FieldConflict[] = [];
  for (const { identity, lost } of [...losses].sort((a, b) => (a.identity < b.identity ? -1 : 1))) {
    const owner = owners.get(identity);
    if (owner === undefined) continue;
    const manager = showOwner(owner);
    for (const path of showPaths(lost)) conflicts.push({ manager, path });
  }
  return new ApplyConflict(conflicts);
}

/** Namespace, name and type of an object, as the messages of typed objects have them. */
function describe(object: JsonObject, context: ApplyManagement): string {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {};
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return `${text(metadata.namespace)}/${text(metadata.name)}; ${showType(context.apiVersion, context.kind)}`;
}

function showType(apiVersion: string, kind: string): string {
  return `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`;
}

function badRequest(message: string): ApplyError {
  return new ApplyError('bad-request', message);
}

function internal(message: string): ApplyError {
  return new ApplyError('internal', message);
}
