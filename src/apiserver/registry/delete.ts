import { draft } from '../../kube/draft.ts';
import type { KubeObject } from '../../kube/object.ts';
import { formatTime, parseTime } from '../../kube/time.ts';
import type { Call } from '../answer.ts';
import type { Entry } from '../cache/entry.ts';
import { conflict, deletedStatus, notFound } from '../errors.ts';
import type { ServedKind } from '../kind-registry.ts';
import type { DeleteOptions } from './delete-options.ts';
import { hooksOf, type ObjectDraft, type Registry } from './registry.ts';

export interface Deletion {
  readonly served: ServedKind;
  readonly call: Call;
  readonly namespace: string;
  readonly name: string;
  readonly options: DeleteOptions;
}

/** `object`: what the answer shows, the object itself or a Status. */
export interface Deleted {
  readonly isGone: boolean;
  readonly object: Entry | object;
}

export const orphanFinalizer = 'orphan';
export const foregroundFinalizer = 'foregroundDeletion';

/** Kinds whose deletion answers with the object that is gone instead of a Status. */
export const returnsObject = new Set([
  'pods',
  'services',
  'podtemplates',
  'resourcequotas',
  'serviceaccounts',
  'persistentvolumes',
  'persistentvolumeclaims',
  'storageclasses.storage.k8s.io',
  'csinodes.storage.k8s.io',
  'csidrivers.storage.k8s.io',
  'volumeattachments.storage.k8s.io',
  'volumeattributesclasses.storage.k8s.io',
  'deviceclasses.resource.k8s.io',
  'resourceclaims.resource.k8s.io',
  'resourceclaimtemplates.resource.k8s.io',
  'resourceslices.resource.k8s.io',
]);
// Events own nothing, so nothing waits for their dependents.
const withoutDependents = new Set(['events', 'events.events.k8s.io']);
// What batch/v1 and core/v1 promised before dependents were collected.
const orphanedByDefault = new Set(['jobs.batch', 'replicationcontrollers']);

/**
 * Deletes an object, or marks it for deletion when it gets time to end (grace period) or somebody has to clean up
 * first (finalizers). The rules are those of k8s.io/apiserver's registry.Store.
 */
export async function deleteObject(registry: Registry, deletion: Deletion): Promise<Deleted> {
  const { served, namespace, name } = deletion;
  for (;;) {
    const current = served.get(namespace, name);
    if (current === undefined) throw notFound(served.resource, name);
    await admit(registry, deletion, current);
    const result = await tryDelete(registry, deletion, current);
    if (result !== undefined) return result;
  }
}

async function admit(registry: Registry, deletion: Deletion, current: Entry): Promise<void> {
  const { call, served, name, options } = deletion;
  const request = registry.admission.request(
    {
      call,
      served,
      operation: 'DELETE',
      name,
      options: {
        kind: 'DeleteOptions',
        apiVersion: 'meta.k8s.io/v1',
        ...(options.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: options.gracePeriodSeconds }),
        ...(options.propagationPolicy === undefined ? {} : { propagationPolicy: options.propagationPolicy }),
        ...(options.preconditions === undefined ? {} : { preconditions: options.preconditions }),
        ...(options.dryRun ? { dryRun: ['All'] } : {}),
      },
      dryRun: options.dryRun,
    },
    null,
    current.object as KubeObject & Record<string, unknown>,
  );
  await registry.admission.mutate(request);
  await registry.admission.validate(request);
}

// undefined: somebody else changed the object meanwhile.
async function tryDelete(registry: Registry, deletion: Deletion, current: Entry): Promise<Deleted | undefined> {
  const { served, namespace, name, options } = deletion;
  checkPreconditions(deletion, current.object);
  const mark = planDeletion(registry, deletion, current.object);
  if (mark.type === 'pending') return { isGone: false, object: current };
  let latest = current;
  if (mark.type === 'update') {
    const { object } = mark;
    if (options.dryRun) return { isGone: mark.thenRemove, object: answerOf(served, object, mark.thenRemove) };
    const leaseSeconds = hooksOf(registry, served).leaseSeconds?.();
    const put = await registry.hub.put(
      served.location,
      namespace,
      name,
      current.revision,
      served.toStorage(object),
      leaseSeconds,
    );
    if (!put.ok) return undefined;
    latest = served.view(put.entry);
    if (!mark.thenRemove) return { isGone: false, object: latest };
  }
  if (!options.dryRun) {
    const removed = await registry.hub.remove(served.location, namespace, name, latest.revision);
    if (!removed.ok) {
      // After the mark is written, whoever else removed the object finished our work.
      if (removed.current !== null) return undefined;
      if (mark.type !== 'update') return undefined;
    }
    await hooksOf(registry, served).deleted?.(latest.object);
    if (removed.ok) latest = latest.at(removed.revision);
  }
  return { isGone: true, object: answerOf(served, latest, true) };
}

function answerOf(served: ServedKind, object: Entry | ObjectDraft, isGone: boolean): Entry | object {
  if (!isGone || returnsObject.has(keyOf(served))) return object;
  const { metadata } = 'line' in object && 'revision' in object ? (object as Entry).object : (object as ObjectDraft);
  return deletedStatus(served.resource, metadata.name ?? '', metadata.uid);
}

function keyOf(served: ServedKind): string {
  const { group, plural } = served.resource;
  return group === '' ? plural : `${plural}.${group}`;
}

function isNamespace({ resource }: ServedKind): boolean {
  return resource.group === '' && resource.plural === 'namespaces';
}

function checkPreconditions(deletion: Deletion, object: KubeObject): void {
  const { served, name, options } = deletion;
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { metadata } = object;
  const refuse = (why: string) => conflict({ group: served.resource.group, plural: served.resource.kind }, name, why);
  // Namespaces are deleted by a registry of their own, with words of its own.
  if (isNamespace(served) && uid !== undefined && uid !== metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`;
    throw conflict(served.resource, name, why);
  }
  if (uid !== undefined && uid !== metadata.uid) {
    throw refuse(
      `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw refuse(
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
    );
  }
}

type Mark =
  | { readonly type: 'pending' }
  | { readonly type: 'remove' }
  | { readonly type: 'update'; readonly object: ObjectDraft; readonly thenRemove: boolean };

function planDeletion(registry: Registry, deletion: Deletion, object: KubeObject): Mark {
  const { served, options } = deletion;
  const hooks = hooksOf(registry, served);
  const next = draft(object) as ObjectDraft;
  const grace = markGraceful(registry, served, next, options);
  if (grace === 'pending') return { type: 'pending' };
  const finalizers = finalizersFor(served, object, options);
  if (finalizers !== undefined) {
    if (finalizers.length === 0) delete next.metadata.finalizers;
    else next.metadata.finalizers = [...finalizers];
  }
  const isFinalized = (next.metadata.finalizers ?? []).length > 0;
  const isHeld = hooks.isHeld?.(object) === true;
  if (grace === 'none') {
    if (!isFinalized && !isHeld) return { type: 'remove' };
    if (isHeld && object.metadata.deletionTimestamp !== undefined && finalizers === undefined)
      return { type: 'pending' };
    markNow(registry, next, isHeld);
    hooks.markDeleted?.(next);
    return { type: 'update', object: next, thenRemove: false };
  }
  return { type: 'update', object: next, thenRemove: !isFinalized && next.metadata.deletionGracePeriodSeconds === 0 };
}

// `graceful`: next is marked with a deletion time; `pending`: it was before, and ends no sooner now.
function markGraceful(
  registry: Registry,
  served: ServedKind,
  next: ObjectDraft,
  options: DeleteOptions,
): 'graceful' | 'pending' | 'none' {
  const { strategy } = served.kind;
  if (strategy.gracePeriod === undefined) return 'none';
  const requested = options.gracePeriodSeconds;
  const asked = requested !== undefined && requested < 0 ? 1 : requested;
  const { metadata } = next;
  if (metadata.deletionTimestamp !== undefined) {
    const standing = metadata.deletionGracePeriodSeconds;
    // Its time is over: whatever kept it until now, it goes at once.
    if (standing === undefined || standing === 0) return 'none';
    if (asked === undefined || asked >= standing) return 'pending';
    const deletionMs = parseTime(metadata.deletionTimestamp) ?? registry.clock.now();
    metadata.deletionTimestamp = formatTime(deletionMs - standing * 1000 + asked * 1000);
    metadata.deletionGracePeriodSeconds = asked;
    return 'graceful';
  }
  const seconds = strategy.gracePeriod(next, asked);
  if (seconds === undefined) return 'none';
  metadata.deletionTimestamp = formatTime(registry.clock.now() + seconds * 1000);
  metadata.deletionGracePeriodSeconds = seconds;
  if ((metadata.generation ?? 0) > 0) metadata.generation = (metadata.generation ?? 0) + 1;
  return 'graceful';
}

function markNow(registry: Registry, next: ObjectDraft, isHeld: boolean): void {
  const { metadata } = next;
  const now = registry.clock.now();
  const standing = parseTime(metadata.deletionTimestamp);
  if (standing === undefined && (metadata.generation ?? 0) > 0) metadata.generation = (metadata.generation ?? 0) + 1;
  if (standing === undefined || standing > now) metadata.deletionTimestamp = formatTime(now);
  if (!isHeld) metadata.deletionGracePeriodSeconds = 0;
}

/** The finalizers that the garbage collector needs for the way of deletion asked; undefined when they stay as they are. */
function finalizersFor(served: ServedKind, object: KubeObject, options: DeleteOptions): readonly string[] | undefined {
  if (withoutDependents.has(keyOf(served))) return undefined;
  const standing = object.metadata.finalizers ?? [];
  const way = wayOf(served, standing, options);
  const next = standing.filter((one) => one !== orphanFinalizer && one !== foregroundFinalizer);
  if (way === 'Orphan') next.push(orphanFinalizer);
  if (way === 'Foreground') next.push(foregroundFinalizer);
  const isSame = next.length === standing.length && next.every((one) => standing.includes(one));
  return isSame ? undefined : next;
}

function wayOf(served: ServedKind, finalizers: readonly string[], options: DeleteOptions): string {
  if (options.orphanDependents !== undefined) return options.orphanDependents ? 'Orphan' : 'Background';
  if (options.propagationPolicy !== undefined) return options.propagationPolicy;
  if (finalizers.includes(orphanFinalizer)) return 'Orphan';
  if (finalizers.includes(foregroundFinalizer)) return 'Foreground';
  return orphanedByDefault.has(keyOf(served)) ? 'Orphan' : 'Background';
}
