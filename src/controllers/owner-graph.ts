import type { KubeObject, OwnerReference } from '../kube/object.ts';
import { keyOf, type Resource } from '../kube/resource.ts';

export const foregroundFinalizer = 'foregroundDeletion';
export const orphanFinalizer = 'orphan';

/** Names one object of any resource; its text is the key of the collector's queue. */
export interface Identity {
  readonly resource: Resource;
  /** `namespace/name` or `name`. */
  readonly key: string;
  readonly uid: string;
}

/** Identifies a resource whatever the version that is used to reach it. */
export function resourceId(resource: { readonly group: string; readonly plural: string }): string {
  return `${resource.group}/${resource.plural}`;
}

export function identityOf(resource: Resource, object: KubeObject): Identity {
  return { resource, key: keyOf(object), uid: object.metadata.uid ?? '' };
}

export function identityText({ resource, key, uid }: Identity): string {
  return `${resourceId(resource)}|${key}|${uid}`;
}

/** Who depends on whom, as owner references say it. Owners need not exist. */
export class OwnerGraph {
  readonly #dependents = new Map<string, Map<string, Identity>>();

  /** Objects that name `uid` as an owner. */
  dependentsOf(uid: string): readonly Identity[] {
    return [...(this.#dependents.get(uid)?.values() ?? [])];
  }

  hasDependents(uid: string): boolean {
    return this.#dependents.has(uid);
  }

  /** Takes a change of an object in: its new owner references replace the old ones. */
  update(identity: Identity, old: KubeObject | undefined, current: KubeObject | undefined): void {
    const wanted = new Set(ownersOf(current).map(({ uid }) => uid));
    for (const { uid } of ownersOf(old)) if (!wanted.has(uid)) this.#remove(uid, identity);
    for (const uid of wanted) this.#add(uid, identity);
  }

  #add(owner: string, dependent: Identity): void {
    const standing = this.#dependents.get(owner);
    if (standing) standing.set(dependent.uid, dependent);
    else this.#dependents.set(owner, new Map([[dependent.uid, dependent]]));
  }

  #remove(owner: string, dependent: Identity): void {
    const standing = this.#dependents.get(owner);
    if (standing?.delete(dependent.uid) && standing.size === 0) this.#dependents.delete(owner);
  }
}

export function ownersOf(object: KubeObject | undefined): readonly OwnerReference[] {
  return object?.metadata.ownerReferences ?? [];
}

export function isGoing(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

export function hasFinalizer(object: KubeObject, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) ?? false;
}

/** Deleted, and waiting for its dependents to go first. */
export function isWaitingForDependents(object: KubeObject): boolean {
  return isGoing(object) && hasFinalizer(object, foregroundFinalizer);
}

/** Deleted, and waiting for its dependents to be set free. */
export function isOrphaning(object: KubeObject): boolean {
  return isGoing(object) && hasFinalizer(object, orphanFinalizer);
}

/** What an owner reference turned out to point at. */
export type OwnerState = 'solid' | 'dangling' | 'waiting-for-dependents';

export type CollectPlan =
  | { readonly action: 'nothing' }
  /** The owners with these uids are taken off; others hold the object. */
  | { readonly action: 'drop-references'; readonly uids: readonly string[] }
  /** `unblock`: its own references must stop blocking first, for they form a ring. */
  | {
      readonly action: 'delete';
      readonly propagationPolicy: 'Orphan' | 'Background' | 'Foreground';
      readonly unblock: boolean;
    };

/**
 * What to do with an object whose owners' states are known (the garbage collector's attemptToDeleteItem). Pure.
 */
export function planCollection(
  object: KubeObject,
  owners: readonly { readonly uid: string; readonly state: OwnerState }[],
  dependents: readonly { readonly isWaitingForDependents: boolean }[],
): CollectPlan {
  const inState = (state: OwnerState) => owners.filter((owner) => owner.state === state).map(({ uid }) => uid);
  const waiting = inState('waiting-for-dependents');
  if (inState('solid').length > 0) {
    const uids = [...inState('dangling'), ...waiting];
    return uids.length === 0 ? { action: 'nothing' } : { action: 'drop-references', uids };
  }
  if (waiting.length > 0 && dependents.length > 0) {
    const unblock = dependents.some((dependent) => dependent.isWaitingForDependents);
    return { action: 'delete', propagationPolicy: 'Foreground', unblock };
  }
  if (hasFinalizer(object, orphanFinalizer)) return { action: 'delete', propagationPolicy: 'Orphan', unblock: false };
  const isForeground = hasFinalizer(object, foregroundFinalizer);
  return { action: 'delete', propagationPolicy: isForeground ? 'Foreground' : 'Background', unblock: false };
}

/** How references are shown in Events. */
export function describeReference(reference: OwnerReference, namespace: string): string {
  const { apiVersion, kind, name, uid } = reference;
  return `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
}
