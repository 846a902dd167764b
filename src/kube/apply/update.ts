import type { JsonObject } from '../../core/json.ts';
import type { ManagedFieldsEntry } from '../object.ts';
import { isJsonObject } from '../patch/json-object.ts';
import { TypeMismatch } from './apply-error.ts';
import { type FieldManagement, unowned } from './context.ts';
import { difference, isEmpty, union } from './field-set.ts';
import { capUpdateManagers, identityOf, type Owner, type Owners, readOwners, writeOwners } from './managers.ts';
import { managedFieldsOf, withManagedFields, withoutManagedFields } from './object-fields.ts';
import { conformOwners, effectsOf, takeOver } from './take-over.ts';

/**
 * The object that a create, update or patch leads to, with the managedFields that belong to it: the manager owns what it
 * changed, others lose that. `live` is null for a create. Both objects have been decoded and have their defaults; `next`
 * still holds the managedFields that the client sent.
 */
export function updateManagedFields(live: JsonObject | null, next: JsonObject, context: FieldManagement): JsonObject {
  const entries = managedFieldsOf(next);
  const owned = startingOwners(live, entries, context);
  try {
    return withManagedFields(next, owned.size === 0 && isUpdate(live) ? [] : recordUpdate(live, next, owned, context));
  } catch (error) {
    // An object that its type can't describe is tracked no further, but what is known of it is kept.
    if (error instanceof TypeMismatch)
      return withManagedFields(next, live === null ? [] : (managedFieldsOf(live) ?? []));
    throw error;
  }
}

/** The entries after the manager of `context` changed `live` into `next`. */
function recordUpdate(
  live: JsonObject | null,
  next: JsonObject,
  owned: Owners,
  context: FieldManagement,
): readonly ManagedFieldsEntry[] {
  return writeOwners(ownersAfterUpdate(live ?? {}, next, owned, context));
}

/** The owners after the manager of `context` changed `before` into `after`. */
export function ownersAfterUpdate(
  before: JsonObject,
  after: JsonObject,
  owned: Owners,
  context: FieldManagement,
): Owners {
  const owners = conformOwners(owned, before, context);
  const effects = effectsOf(withoutManagedFields(before), withoutManagedFields(after), owners, null, context);
  takeOver(owners, effects, null);
  const taken = difference(effects.comparison.changed, unowned);
  if (!isEmpty(taken)) {
    const self: Omit<Owner, 'fields'> = {
      manager: context.manager,
      operation: 'Update',
      apiVersion: context.apiVersion,
      subresource: context.subresource,
      time: context.now,
    };
    const identity = identityOf(self);
    const previous = owners.get(identity);
    const fields = previous === undefined ? taken : union(previous.fields, taken);
    owners.set(identity, { ...self, fields });
  }
  capUpdateManagers(owners);
  return owners;
}

function startingOwners(
  live: JsonObject | null,
  entries: readonly ManagedFieldsEntry[] | undefined,
  context: FieldManagement,
): Owners {
  const standing = live === null ? undefined : managedFieldsOf(live);
  if (!context.subresource && entries !== undefined) {
    if (isReset(entries)) return new Map();
    const owners = entries === standing ? undefined : readOwners(entries);
    if (owners !== undefined && typeof owners !== 'string' && owners.size > 0) return owners;
  }
  const owners = readOwners(standing ?? []);
  return typeof owners === 'string' ? new Map() : owners;
}

/** An empty list, or one empty entry, asks to forget all ownership. */
function isReset(entries: readonly ManagedFieldsEntry[]): boolean {
  const [first] = entries;
  return first === undefined || (entries.length === 1 && Object.values(first).every((value) => value === undefined));
}

// Ownership is followed from the creation on, or from the first apply; an object that has lost it stays without.
function isUpdate(live: JsonObject | null): boolean {
  const metadata = live?.metadata;
  return isJsonObject(metadata) && typeof metadata.uid === 'string' && metadata.uid !== '';
}
