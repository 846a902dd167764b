import { goQuote } from '../go-json.ts';
import type { ManagedFieldsEntry } from '../object.ts';
import { markCanonical, parseFieldSet } from './conform.ts';
import { equalSets, type FieldSet, isEmpty, union } from './field-set.ts';

/** What one manager owns: an entry of managedFields, whose identity is all but version (for Apply), time and fields. */
export interface Owner {
  readonly manager: string | undefined;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string | undefined;
  readonly time: string | undefined;
  readonly fields: FieldSet;
  /** The entry that this owner was read from, as long as it says the same. */
  readonly entry?: ManagedFieldsEntry;
}

export type Owners = Map<string, Owner>;

/** Update managers that an object may have; older ones are merged into one entry a version. */
export const maxUpdateManagers = 10;
const ancientChanges = 'ancient-changes';

/** The identity of an entry: one manager has one for each operation, subresource and, for updates, version. */
export function identityOf(owner: Pick<Owner, 'manager' | 'operation' | 'apiVersion' | 'subresource'>): string {
  const { manager, operation, subresource } = owner;
  const apiVersion = operation === 'Apply' ? undefined : owner.apiVersion;
  return JSON.stringify({
    manager: manager || undefined,
    operation,
    apiVersion,
    subresource: subresource || undefined,
  });
}

/** Reads managedFields; a string says what is wrong with them. */
export function readOwners(entries: readonly ManagedFieldsEntry[]): Owners | string {
  const owners: Owners = new Map();
  for (const [index, entry] of entries.entries()) {
    const owner = readOwner(entry, index);
    if (typeof owner === 'string') return owner;
    owners.set(identityOf(owner), owner);
  }
  return owners;
}

function readOwner(entry: ManagedFieldsEntry, index: number): Owner | string {
  const { manager, operation, apiVersion, subresource, time } = entry;
  if (operation !== 'Apply' && operation !== 'Update') return 'operation must be `Apply` or `Update`';
  if (apiVersion === undefined || apiVersion === '') return 'apiVersion must not be empty';
  if (entry.fieldsType === undefined || entry.fieldsType === '') {
    return `missing fieldsType in managed fields entry ${index}`;
  }
  if (entry.fieldsType !== 'FieldsV1') {
    return `invalid fieldsType ${goQuote(entry.fieldsType)} in managed fields entry ${index}`;
  }
  const fields = parseFieldSet(entry.fieldsV1);
  if (fields === null) return `error decoding set: managed fields entry ${index}`;
  const owner: Owner = { manager, operation, apiVersion, subresource, time, fields };
  return fields === entry.fieldsV1 ? { ...owner, entry } : owner;
}

/** A copy of `owner` that owns `fields`. */
export function owning(owner: Owner, fields: FieldSet): Owner {
  if (fields === owner.fields) return owner;
  const { entry: _, ...rest } = owner;
  return { ...rest, fields };
}

/** Merges the oldest update managers, so that no more than maxUpdateManagers remain. */
export function capUpdateManagers(owners: Owners): void {
  const updaters = [...owners].filter(([, owner]) => owner.operation === 'Update');
  let excess = updaters.length - maxUpdateManagers;
  if (excess <= 0) return;
  updaters.sort(([a, left], [b, right]) => compareText(left.time ?? '', right.time ?? '') || compareText(a, b));
  const firstOfVersion = new Map<string, string>();
  for (const [identity, owner] of updaters) {
    if (excess <= 0) return;
    const first = firstOfVersion.get(owner.apiVersion);
    if (first === undefined) {
      firstOfVersion.set(owner.apiVersion, identity);
      continue;
    }
    const bucket: Owner = {
      manager: ancientChanges,
      operation: 'Update',
      apiVersion: owner.apiVersion,
      subresource: undefined,
      time: owner.time,
      fields: owner.fields,
    };
    const bucketIdentity = identityOf(bucket);
    const merged = owners.get(bucketIdentity) ?? owners.get(first);
    if (!owners.has(bucketIdentity)) owners.delete(first);
    owners.delete(identity);
    owners.set(
      bucketIdentity,
      owning(bucket, merged === undefined ? owner.fields : union(owner.fields, merged.fields)),
    );
    excess--;
  }
}

/** The entries as they stand in the object, in canonical order; empty owners are left out. */
export function writeOwners(owners: Owners): readonly ManagedFieldsEntry[] {
  return [...owners.values()]
    .filter((owner) => !isEmpty(owner.fields))
    .sort(compareOwners)
    .map(writeOwner);
}

function compareOwners(a: Owner, b: Owner): number {
  return (
    compareText(a.operation, b.operation) ||
    compareText(a.time ?? '', b.time ?? '') ||
    compareText(a.manager ?? '', b.manager ?? '') ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource ?? '', b.subresource ?? '')
  );
}

// Times are RFC 3339 with seconds in UTC, whose order is that of their text.
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function writeOwner(owner: Owner): ManagedFieldsEntry {
  if (owner.entry !== undefined && owner.entry.time === owner.time) return owner.entry;
  return {
    ...(owner.manager && { manager: owner.manager }),
    operation: owner.operation,
    apiVersion: owner.apiVersion,
    ...(owner.time !== undefined && { time: owner.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: markCanonical(owner.fields),
    ...(owner.subresource && { subresource: owner.subresource }),
  };
}

/** True when both lists say the same, times apart. */
export function sameOwnership(
  a: readonly ManagedFieldsEntry[] | undefined,
  b: readonly ManagedFieldsEntry[] | undefined,
): boolean {
  if (a === b) return true;
  if ((a?.length ?? 0) !== (b?.length ?? 0)) return false;
  return (a ?? []).every((entry, i) => sameEntry(entry, b?.[i]));
}

function sameEntry(a: ManagedFieldsEntry, b: ManagedFieldsEntry | undefined): boolean {
  if (b === undefined) return false;
  if (a === b) return true;
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.apiVersion === b.apiVersion &&
    a.fieldsType === b.fieldsType &&
    a.subresource === b.subresource &&
    equalSets((a.fieldsV1 ?? {}) as FieldSet, (b.fieldsV1 ?? {}) as FieldSet)
  );
}

/** The manager as conflicts name it. */
export function showOwner(owner: Owner): string {
  let text = goQuote(owner.manager ?? '');
  if (owner.subresource) text += ` with subresource ${goQuote(owner.subresource)}`;
  return owner.operation === 'Update' ? `${text} using ${owner.apiVersion}` : text;
}
