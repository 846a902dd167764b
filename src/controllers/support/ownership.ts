import type { IndexFunction, Informer } from '../../client/informer.ts';
import type { KubeObject, OwnerReference } from '../../kube/object.ts';
import { keyOf, type ObjectKey, type Resource } from '../../kube/resource.ts';
import { isReason } from '../../kube/status-error.ts';
import type { ControllerContext } from '../../runtime/controller.ts';

/** The owner reference that says who controls the object. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
}

/** The reference that a controller puts on what it makes for `owner`. */
export function controllerReference(owner: KubeObject): OwnerReference {
  const { name = '', uid = '' } = owner.metadata;
  return { apiVersion: owner.apiVersion, kind: owner.kind, name, uid, controller: true, blockOwnerDeletion: true };
}

const byControllerUid: IndexFunction<KubeObject> = (object) => {
  const owner = controllerOf(object);
  return owner ? [owner.uid] : [];
};
const byOrphanNamespace: IndexFunction<KubeObject> = (object) =>
  controllerOf(object) ? [] : [object.metadata.namespace ?? ''];

/** What informers of controlled resources are given, so that ownedOrOrphaned need not look at all objects. */
export const ownershipIndexes = { controllerUid: byControllerUid, orphanNamespace: byOrphanNamespace };

/** The objects that `owner` controls, and those of its namespace that nobody controls. */
export function ownedOrOrphaned<T extends KubeObject>(informer: Informer<T>, owner: KubeObject): readonly T[] {
  const { uid = '', namespace = '' } = owner.metadata;
  return [...informer.byIndex('controllerUid', uid), ...informer.byIndex('orphanNamespace', namespace)];
}

/** Just those that `owner` controls. */
export function owned<T extends KubeObject>(informer: Informer<T>, owner: KubeObject): readonly T[] {
  return informer.byIndex('controllerUid', owner.metadata.uid ?? '');
}

/** The keys to wake when a controlled object changed: its controller's, or those of all that might adopt it. */
export function ownerKeys<O extends KubeObject>(
  object: KubeObject,
  owners: Informer<O>,
  kind: string,
  matches: (owner: O, object: KubeObject) => boolean,
): readonly string[] {
  const { namespace = '' } = object.metadata;
  const owner = controllerOf(object);
  if (owner) return owner.kind === kind ? [keyOf({ metadata: { namespace, name: owner.name } })] : [];
  if (object.metadata.deletionTimestamp !== undefined) return [];
  return owners
    .list(namespace)
    .filter((candidate) => matches(candidate, object))
    .map(keyOf);
}

export interface Claims<T> {
  readonly owned: readonly T[];
  readonly adopt: readonly T[];
  readonly release: readonly T[];
}

/** Which candidates an owner keeps, takes, and lets go (client-go's ControllerRefManager). Pure. */
export function planClaims<T extends KubeObject>(
  owner: KubeObject,
  candidates: readonly T[],
  matches: (object: T) => boolean,
): Claims<T> {
  const claims: { owned: T[]; adopt: T[]; release: T[] } = { owned: [], adopt: [], release: [] };
  const isOwnerGoing = owner.metadata.deletionTimestamp !== undefined;
  for (const object of candidates) {
    const controller = controllerOf(object);
    if (controller) {
      if (controller.uid !== owner.metadata.uid) continue;
      if (matches(object)) claims.owned.push(object);
      else if (!isOwnerGoing) claims.release.push(object);
      continue;
    }
    if (isOwnerGoing || object.metadata.deletionTimestamp !== undefined || !matches(object)) continue;
    claims.adopt.push(object);
  }
  return claims;
}

export interface ClaimOptions<O extends KubeObject, T extends KubeObject> {
  readonly owner: O;
  readonly ownerResource: Resource<O>;
  readonly resource: Resource<T>;
  readonly candidates: readonly T[];
  readonly matches: (object: T) => boolean;
  /** Finalizers that an adopted object gets. */
  readonly finalizers?: readonly string[];
}

/** Carries planClaims out and returns what the owner controls afterwards. */
export async function claim<O extends KubeObject, T extends KubeObject>(
  context: ControllerContext,
  options: ClaimOptions<O, T>,
): Promise<readonly T[]> {
  const { owner, resource } = options;
  const claims = planClaims(owner, options.candidates, options.matches);
  for (const object of claims.release) await release(context, resource, object, owner);
  if (claims.adopt.length === 0) return claims.owned;
  // Adoption must not follow a stale cache: an owner that is gone, or was made anew, may adopt nothing.
  const live = await context.client.get(options.ownerResource, nameOf(owner));
  if (live.metadata.uid !== owner.metadata.uid || live.metadata.deletionTimestamp !== undefined) return claims.owned;
  const adopted: T[] = [];
  for (const object of claims.adopt) {
    const finalizers = options.finalizers ? { finalizers: options.finalizers } : {};
    const ownerReferences = [controllerReference(owner)];
    const body = { metadata: { uid: object.metadata.uid, ownerReferences, ...finalizers } };
    try {
      adopted.push(await context.client.patch(resource, nameOf(object), { type: 'strategic', body }));
    } catch (thrown) {
      // Gone, or adopted by another meanwhile: not ours.
      if (!isReason(thrown, 'NotFound', 'Invalid', 'Conflict')) throw thrown;
    }
  }
  return [...claims.owned, ...adopted];
}

async function release<T extends KubeObject>(
  context: ControllerContext,
  resource: Resource<T>,
  object: T,
  owner: KubeObject,
): Promise<void> {
  const ownerReferences = [{ $patch: 'delete', uid: owner.metadata.uid }];
  const body = { metadata: { uid: object.metadata.uid, ownerReferences } };
  try {
    await context.client.patch(resource, nameOf(object), { type: 'strategic', body });
  } catch (thrown) {
    // Gone, or no longer ours: what was wanted.
    if (!isReason(thrown, 'NotFound', 'Invalid')) throw thrown;
  }
}

/** The object's name and namespace, for calls. */
export function nameOf(object: KubeObject): ObjectKey {
  const { name = '', namespace } = object.metadata;
  return namespace === undefined ? { name } : { name, namespace };
}
