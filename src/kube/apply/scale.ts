import type { ManagedFieldsEntry } from '../object.ts';
import { difference, hasPath, isEmpty, setOf } from './field-set.ts';
import { identityOf, type Owner, type Owners, owning, readOwners, writeOwners } from './managers.ts';

/** Where each version of the scaled kind keeps its replicas, e.g. `apps/v1` -> `['f:spec', 'f:replicas']`. */
export type ReplicasPaths = ReadonlyMap<string, readonly string[]>;

const scaleVersion = 'autoscaling/v1';
const replicasInScale: readonly string[] = ['f:spec', 'f:replicas'];

/** managedFields of the Scale of an object: its managers that own the replicas. */
export function scaleManagedFields(
  parent: readonly ManagedFieldsEntry[],
  paths: ReplicasPaths,
): readonly ManagedFieldsEntry[] {
  const owners = ownersOf(parent);
  const scale: Owners = new Map();
  for (const [identity, owner] of owners) {
    const path = paths.get(owner.apiVersion);
    if (path === undefined || !hasPath(owner.fields, path)) continue;
    scale.set(identity, { ...owning(owner, setOf(...replicasInScale)), apiVersion: scaleVersion });
  }
  return writeOwners(scale);
}

/** managedFields of an object after those of its Scale became `scale`. The object itself is of `apiVersion`. */
export function parentManagedFields(
  parent: readonly ManagedFieldsEntry[],
  scale: readonly ManagedFieldsEntry[],
  paths: ReplicasPaths,
  apiVersion: string,
): readonly ManagedFieldsEntry[] {
  const scaling = new Map([...ownersOf(scale).values()].map((owner) => [whoIs(owner), owner]));
  const result: Owners = new Map();
  for (const [identity, owner] of ownersOf(parent)) {
    const path = paths.get(owner.apiVersion);
    if (path === undefined) continue;
    if (!hasPath(owner.fields, path) || scaling.delete(whoIs(owner))) {
      result.set(identity, owner);
      continue;
    }
    const fields = difference(owner.fields, setOf(...path));
    if (!isEmpty(fields)) result.set(identity, owning(owner, fields));
  }
  const path = paths.get(apiVersion);
  for (const owner of scaling.values()) {
    if (path === undefined || !hasPath(owner.fields, replicasInScale)) continue;
    const taken: Owner = { ...owning(owner, setOf(...path)), apiVersion };
    result.set(identityOf(taken), taken);
  }
  return writeOwners(result);
}

// A manager keeps its entry through the Scale, whose version differs.
function whoIs(owner: Owner): string {
  return identityOf({ ...owner, apiVersion: '' });
}

function ownersOf(entries: readonly ManagedFieldsEntry[]): Owners {
  const owners = readOwners(entries);
  return typeof owners === 'string' ? new Map() : owners;
}
