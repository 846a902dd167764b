import { isDeepStrictEqual } from 'node:util';
import type { FieldError } from '../../kube/field-error.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Call } from '../answer.ts';
import type { Entry } from '../cache/entry.ts';
import { conflict, invalid, notFound, objectModified } from '../errors.ts';
import type { ServedKind } from '../kind-registry.ts';
import type { WriteOptions } from '../options.ts';
import { createObject } from './create.ts';
import { hooksOf, type ObjectDraft, type Registry } from './registry.ts';
import { checkChanged, settleNamespace } from './validate.ts';

export interface Update {
  readonly served: ServedKind;
  readonly call: Call;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly options: WriteOptions;
  /** How admission names the options. */
  readonly optionsKind: 'UpdateOptions' | 'PatchOptions';
  /** An absent object may be created (PUT where the kind allows it, apply always). */
  readonly mayCreate: boolean;
  /** The new state from the one that stands (null: none), as a draft of its own, with managed fields. */
  next(old: KubeObject | null): Promise<ObjectDraft>;
  /** The kind's (or the subresource's) own preparation and validation. */
  prepare(object: ObjectDraft, old: KubeObject): void;
  validate(object: KubeObject, old: KubeObject): readonly FieldError[];
}

export interface Updated {
  readonly object: Entry | ObjectDraft;
  readonly isCreated: boolean;
}

/** Writes that lose a race are planned anew on the newer state this often, unless the client named a resourceVersion. */
const raceAttempts = 50;

/**
 * Replaces an object by what `next` makes of it. A client that named a resourceVersion loses every race (Conflict);
 * otherwise the change is planned again on what stands. Nothing is written when nothing changes.
 */
export async function updateObject(registry: Registry, update: Update): Promise<Updated> {
  const { served, namespace, name } = update;
  for (let attempts = 1; ; attempts += 1) {
    const current = served.get(namespace, name);
    if (current === undefined) return await create(registry, update);
    const result = await tryUpdate(registry, update, current);
    if (result !== undefined) return result;
    if (attempts >= raceAttempts) throw conflict(served.resource, name);
  }
}

async function create(registry: Registry, update: Update): Promise<Updated> {
  const { served, call, namespace, name, options } = update;
  if (!update.mayCreate) throw notFound(served.resource, name);
  const object = await update.next(null);
  if ((object.metadata.uid ?? '') !== '') throw uidMismatch(update, object.metadata.uid ?? '', '');
  delete object.metadata.resourceVersion;
  object.metadata.name ??= name;
  return { object: await createObject(registry, { served, call, namespace, options }, object), isCreated: true };
}

// undefined: somebody else was faster, and the client did not say which state it meant.
async function tryUpdate(registry: Registry, update: Update, current: Entry): Promise<Updated | undefined> {
  const { served, call, namespace, name, options } = update;
  const old = current.object;
  const object = await update.next(old);
  const { metadata } = object;
  settleNamespace(served, metadata, namespace);
  const request = registry.admission.request(
    {
      call,
      served,
      operation: 'UPDATE',
      name,
      options: {
        kind: update.optionsKind,
        apiVersion: 'meta.k8s.io/v1',
        ...(options.dryRun ? { dryRun: ['All'] } : {}),
      },
      dryRun: options.dryRun,
    },
    object,
    old as KubeObject & Record<string, unknown>,
  );
  await registry.admission.mutate(request);

  const isUnconditional = checkPreconditions(served, update, object, old);
  carrySystemFields(metadata, old.metadata);
  update.prepare(object, old);
  const finish = await hooksOf(registry, served).update?.(object, old, options.dryRun);
  try {
    checkChanged(served, object, old, update.validate);
    for (const text of served.kind.strategy.warnings?.(object, old) ?? []) call.warn(text);
    await registry.admission.validate(request);
    const written = await write(registry, update, object, current);
    if (written === undefined || options.dryRun) finish?.rollback();
    else await finish?.commit();
    if (written !== undefined) return { object: written, isCreated: false };
  } catch (thrown) {
    finish?.rollback();
    throw thrown;
  }
  if (!isUnconditional) throw conflict(served.resource, name);
  return undefined;
}

function checkPreconditions(served: ServedKind, update: Update, object: ObjectDraft, old: KubeObject): boolean {
  const { metadata } = object;
  const { resourceVersion = '', uid = '' } = metadata;
  const isUnconditional = resourceVersion === '' || resourceVersion === '0';
  // PUT names the object that it means by its uid; a patch that changes the uid is invalid.
  if (update.optionsKind === 'UpdateOptions' && uid !== '' && uid !== old.metadata.uid) {
    throw uidMismatch(update, uid, old.metadata.uid ?? '');
  }
  if (isUnconditional && !served.kind.strategy.allowUnconditionalUpdate) {
    const message = 'Invalid value: 0: must be specified for an update';
    const { group, plural, kind } = served.resource;
    throw invalid({ group, kind: served.isCustom ? plural : kind }, update.name, [
      { type: 'FieldValueInvalid', field: 'metadata.resourceVersion', message },
    ]);
  }
  if (!isUnconditional && resourceVersion !== old.metadata.resourceVersion) {
    throw conflict(served.resource, update.name, objectModified);
  }
  const current = old.metadata.resourceVersion;
  if (current !== undefined) metadata.resourceVersion = current;
  return isUnconditional;
}

const etcdPaths: Readonly<Record<string, string>> = {
  replicationcontrollers: 'controllers',
  services: 'services/specs',
  endpoints: 'services/endpoints',
  nodes: 'minions',
  ingresses: 'ingress',
};

// Clients get to see the key that Kubernetes has in etcd.
function etcdKey(served: ServedKind, namespace: string, name: string, dryRun: boolean): string {
  const { plural } = served.resource;
  const space = namespace === '' ? '' : `${namespace}/`;
  return `${dryRun ? '' : '/registry'}/${etcdPaths[plural] ?? plural}/${space}${name}`;
}

function uidMismatch({ served, namespace, name, options }: Update, uid: string, current: string) {
  return conflict(
    served.resource,
    name,
    `StorageError: invalid object, Code: 4, Key: ${etcdKey(served, namespace, name, options.dryRun)}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current}`,
  );
}

// What a client may leave out, and what it can't change.
function carrySystemFields(metadata: ObjectDraft['metadata'], old: KubeObject['metadata']): void {
  if (metadata.uid === undefined && old.uid !== undefined) metadata.uid = old.uid;
  if (metadata.creationTimestamp === undefined && old.creationTimestamp !== undefined) {
    metadata.creationTimestamp = old.creationTimestamp;
  }
  if (old.generation === undefined) delete metadata.generation;
  else metadata.generation = old.generation;
  if (old.deletionTimestamp !== undefined) metadata.deletionTimestamp = old.deletionTimestamp;
  if (metadata.deletionGracePeriodSeconds === undefined && old.deletionGracePeriodSeconds !== undefined) {
    metadata.deletionGracePeriodSeconds = old.deletionGracePeriodSeconds;
  }
  delete metadata.selfLink;
}

async function write(
  registry: Registry,
  update: Update,
  object: ObjectDraft,
  current: Entry,
): Promise<Entry | ObjectDraft | undefined> {
  const { served, namespace, name, options } = update;
  const old = current.object;
  const hooks = hooksOf(registry, served);
  if (isFinallyGone(object, old) && hooks.isHeld?.(object) !== true) {
    if (options.dryRun) return object;
    const removed = await registry.hub.remove(served.location, namespace, name, current.revision);
    if (!removed.ok) return undefined;
    await hooks.deleted?.(old);
    return object;
  }
  if (isSame(object, old) && !served.isOutdated(namespace, name)) return current;
  if (options.dryRun) return object;
  const stored = served.toStorage(object);
  const leaseSeconds = hooks.leaseSeconds?.();
  const result = await registry.hub.put(served.location, namespace, name, current.revision, stored, leaseSeconds);
  return result.ok ? served.view(result.entry) : undefined;
}

// The last finalizer was taken from an object whose grace is over.
function isFinallyGone(object: ObjectDraft, old: KubeObject): boolean {
  if ((object.metadata.finalizers ?? []).length > 0) return false;
  if (old.metadata.deletionTimestamp === undefined) return false;
  return (old.metadata.deletionGracePeriodSeconds ?? 0) === 0;
}

// Managed fields get a new time with each write; when nothing else changed, nothing did.
function isSame(object: ObjectDraft, old: KubeObject): boolean {
  if (!isDeepStrictEqual({ ...object, metadata: null }, { ...old, metadata: null })) return false;
  const { managedFields, resourceVersion: _, ...rest } = object.metadata;
  const { managedFields: oldFields, resourceVersion: __, ...oldRest } = old.metadata;
  if (!isDeepStrictEqual(stripUndefined(rest), stripUndefined(oldRest))) return false;
  return isDeepStrictEqual(timeless(managedFields), timeless(oldFields));
}

function timeless(fields: readonly { readonly time?: string }[] | undefined): unknown {
  return (fields ?? []).map(({ time: _, ...entry }) => entry);
}

function stripUndefined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}
