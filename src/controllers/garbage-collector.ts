import type { Informer } from '../client/informer.ts';
import { createInformer, type RunningInformer } from '../client/informer-impl.ts';
import { assert } from '../core/assert.ts';
import { describeError, TransientError } from '../core/errors.ts';
import type { KubeObject, OwnerReference } from '../kube/object.ts';
import { parseKey, type Resource } from '../kube/resource.ts';
import { builtinResources, customresourcedefinitions } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import {
  type Controller,
  type ControllerContext,
  done,
  type Enqueue,
  type Outcome,
  watchOf,
} from '../runtime/controller.ts';
import {
  describeReference,
  foregroundFinalizer,
  hasFinalizer,
  type Identity,
  identityOf,
  identityText,
  isGoing,
  isOrphaning,
  isWaitingForDependents,
  OwnerGraph,
  type OwnerState,
  orphanFinalizer,
  ownersOf,
  planCollection,
  resourceId,
} from './owner-graph.ts';
import { discoverResources, hasVerbs } from './support/discovery.ts';
import { nameOf } from './support/ownership.ts';

/** The key that makes the collector look which resources there are. */
const rediscoverKey = 'rediscover';
/** Resources are looked for anew after this time, should nothing have told of a change. */
const rediscoverMs = 30_000;
/** Owners that are known to be absent; a uid never comes back. */
const absentOwnersMax = 500;

interface Monitor {
  readonly resource: Resource;
  readonly informer: Informer<KubeObject>;
  stop(): Promise<void>;
}

/**
 * Deletes what nobody owns any more, and carries out foreground and orphaning deletions, for all resources that can
 * be listed, watched and deleted, custom ones too. Events are left out: they expire.
 */
export function createGarbageCollector(): Controller {
  let collector: Collector | null = null;
  return {
    name: 'generic-garbage-collector',
    eventSource: 'garbage-collector-controller',
    concurrency: 20,
    watches: [watchOf(customresourcedefinitions, () => [rediscoverKey])],
    async start(context, enqueue, signal) {
      const mine = new Collector(context, enqueue, signal);
      collector = mine;
      signal.addEventListener('abort', () => void mine.stop(), { once: true });
      await mine.rediscover();
    },
    async reconcile(key, context, signal) {
      assert(collector, 'the garbage collector was started');
      return collector.reconcile(key, context, signal);
    },
  };
}

class Collector {
  readonly #context: ControllerContext;
  readonly #enqueue: Enqueue;
  readonly #signal: AbortSignal;
  readonly #graph = new OwnerGraph();
  readonly #monitors = new Map<string, Monitor>();
  /** The same by group and kind, as owner references speak of them. */
  #byKind: ReadonlyMap<string, Monitor> = new Map();
  readonly #absent = new Set<string>();

  constructor(context: ControllerContext, enqueue: Enqueue, signal: AbortSignal) {
    this.#context = context;
    this.#enqueue = enqueue;
    this.#signal = signal;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#monitors.values()].map((monitor) => monitor.stop()));
    this.#monitors.clear();
  }

  /** Starts to watch resources that are new and forgets those that are gone. */
  async rediscover(): Promise<void> {
    const { resources, failures } = await discoverResources(this.#context.client, this.#signal);
    const wanted = new Map(resources.filter(isCollectable).map((resource) => [resourceId(resource), resource]));
    for (const [id, monitor] of [...this.#monitors]) {
      const isUnknown = failures.size > 0 && !wanted.has(id);
      if (isUnknown || wanted.get(id)?.version === monitor.resource.version) continue;
      this.#monitors.delete(id);
      await monitor.stop();
    }
    const added = [...wanted].filter(([id]) => !this.#monitors.has(id));
    for (const [id, resource] of added) this.#monitors.set(id, this.#monitor(resource));
    this.#byKind = new Map([...this.#monitors.values()].map((monitor) => [kindId(monitor.resource), monitor]));
    // All of the first round must be in before anything is judged absent; of later ones each judges by itself.
    await Promise.all(
      added.map(async ([id]) => {
        const monitor = this.#monitors.get(id);
        if (monitor && hasBuiltin(monitor.resource)) await monitor.informer.synced;
      }),
    );
    for (const [id] of added) {
      const monitor = this.#monitors.get(id);
      if (monitor) this.#subscribe(monitor);
    }
    this.#enqueue(rediscoverKey, rediscoverMs);
  }

  #monitor(resource: Resource): Monitor {
    const builtin = builtinResources.find(
      (known) => known.version === resource.version && resourceId(known) === resourceId(resource),
    );
    if (builtin) {
      return { resource: builtin, informer: this.#context.informers.of(builtin), stop: async () => {} };
    }
    const informer: RunningInformer<KubeObject> = createInformer(this.#context.client, resource, {}, this.#context);
    return { resource, informer, stop: async () => await informer[Symbol.asyncDispose]() };
  }

  #subscribe({ resource, informer }: Monitor): void {
    informer.subscribe(({ old, current }) => this.#observe(resource, old, current));
  }

  #observe(resource: Resource, old: KubeObject | undefined, current: KubeObject | undefined): void {
    const object = current ?? old;
    if (!object) return;
    const identity = identityOf(resource, object);
    this.#graph.update(identity, old, current);
    // Whoever waits for its dependents may have been waiting for this one.
    const kept = new Map(ownersOf(current).map((owner) => [owner.uid, owner.blockOwnerDeletion === true]));
    for (const reference of ownersOf(old)) {
      if (kept.get(reference.uid) === (reference.blockOwnerDeletion === true)) continue;
      const owner = this.#lookUp(reference, object.metadata.namespace);
      if (owner && isWaitingForDependents(owner.object)) this.#add(owner.identity);
    }
    if (!current) {
      for (const dependent of this.#graph.dependentsOf(identity.uid)) this.#add(dependent);
      return;
    }
    if (isOrphaning(current) || isWaitingForDependents(current)) this.#add(identity);
    const isNewcomer = !old || ownersOf(old) !== ownersOf(current);
    if (isNewcomer && ownersOf(current).some((owner) => !this.#isHealthy(owner, current))) this.#add(identity);
  }

  /** True when the cache shows the owner, and it is not about to take its dependents along. */
  #isHealthy(reference: OwnerReference, dependent: KubeObject): boolean {
    const owner = this.#lookUp(reference, dependent.metadata.namespace);
    return owner !== undefined && !isWaitingForDependents(owner.object);
  }

  #add(identity: Identity): void {
    this.#enqueue(identityText(identity));
  }

  #monitorOf(reference: OwnerReference): Monitor | undefined {
    const slash = reference.apiVersion.indexOf('/');
    const group = slash < 0 ? '' : reference.apiVersion.slice(0, slash);
    return this.#byKind.get(kindId({ group, kind: reference.kind }));
  }

  #lookUp(reference: OwnerReference, namespace: string | undefined) {
    const monitor = this.#monitorOf(reference);
    if (!monitor) return undefined;
    const key = monitor.resource.namespaced && namespace ? `${namespace}/${reference.name}` : reference.name;
    const object = monitor.informer.get(key);
    if (!object || object.metadata.uid !== reference.uid) return undefined;
    return { object, identity: identityOf(monitor.resource, object) };
  }

  async reconcile(key: string, context: ControllerContext, signal: AbortSignal): Promise<Outcome> {
    if (key === rediscoverKey) {
      await this.rediscover();
      return done;
    }
    const [id = '', objectKey = '', uid = ''] = key.split('|');
    const monitor = this.#monitors.get(id);
    if (!monitor) return done;
    const object = await this.#live(context, monitor.resource, objectKey, signal);
    if (!object || object.metadata.uid !== uid) {
      this.#onAbsent(uid);
      return done;
    }
    const identity = { resource: monitor.resource, key: objectKey, uid };
    if (isOrphaning(object)) return this.#orphanDependents(context, identity, object);
    if (isWaitingForDependents(object)) return this.#awaitDependents(context, identity, object);
    if (!isGoing(object)) await this.#collect(context, identity, object, signal);
    return done;
  }

  async #live(context: ControllerContext, resource: Resource, key: string, signal: AbortSignal) {
    try {
      return await context.client.get(resource, parseKey(key), { signal });
    } catch (thrown) {
      if (isReason(thrown, 'NotFound')) return undefined;
      throw thrown;
    }
  }

  #onAbsent(uid: string): void {
    this.#absent.add(uid);
    if (this.#absent.size > absentOwnersMax) {
      for (const oldest of this.#absent) {
        this.#absent.delete(oldest);
        break;
      }
    }
    for (const dependent of this.#graph.dependentsOf(uid)) this.#add(dependent);
  }

  async #collect(
    context: ControllerContext,
    identity: Identity,
    object: KubeObject,
    signal: AbortSignal,
  ): Promise<void> {
    const references = ownersOf(object);
    if (references.length === 0) return;
    const owners: { readonly uid: string; readonly state: OwnerState }[] = [];
    for (const reference of references) {
      owners.push({ uid: reference.uid, state: await this.#stateOf(context, reference, object, signal) });
    }
    const dependents = this.#graph.dependentsOf(identity.uid).map((dependent) => {
      const cached = this.#monitors.get(resourceId(dependent.resource))?.informer.get(dependent.key);
      return { isWaitingForDependents: cached !== undefined && isWaitingForDependents(cached) };
    });
    const plan = planCollection(object, owners, dependents);
    if (plan.action === 'nothing') return;
    if (plan.action === 'drop-references') {
      await this.#patchOwners(context, identity.resource, object, (owner) => !plan.uids.includes(owner.uid));
      return;
    }
    if (plan.unblock) await this.#unblock(context, identity.resource, object);
    // The object was read a moment ago; had it got a new owner since, its resource version would tell.
    const { resourceVersion } = object.metadata;
    const preconditions = plan.unblock || resourceVersion === undefined ? {} : { resourceVersion };
    try {
      await context.client.delete(identity.resource, nameOf(object), {
        propagationPolicy: plan.propagationPolicy,
        preconditions: { uid: identity.uid, ...preconditions },
      });
    } catch (thrown) {
      if (!isReason(thrown, 'NotFound')) throw thrown;
    }
  }

  async #stateOf(
    context: ControllerContext,
    reference: OwnerReference,
    dependent: KubeObject,
    signal: AbortSignal,
  ): Promise<OwnerState> {
    if (this.#absent.has(reference.uid)) return 'dangling';
    const monitor = this.#monitorOf(reference);
    const { namespace = '' } = dependent.metadata;
    if (!monitor) {
      // Its kind may be served by something that is not there right now: never a reason to delete.
      throw new TransientError(
        'OWNER_KIND_UNKNOWN',
        `unable to get REST mapping for ${reference.apiVersion}/${reference.kind}`,
      );
    }
    if (monitor.resource.namespaced && namespace === '') {
      this.#warnNamespace(context, reference, dependent);
      // A cluster-scoped object can't have a namespaced owner; deleting it for that would be a guess.
      return 'solid';
    }
    const key = monitor.resource.namespaced ? `${namespace}/${reference.name}` : reference.name;
    const owner = await this.#live(context, monitor.resource, key, signal);
    if (!owner || owner.metadata.uid !== reference.uid) {
      const isElsewhere = monitor.informer.list().some(({ metadata }) => metadata.uid === reference.uid);
      if (isElsewhere) this.#warnNamespace(context, reference, dependent);
      else this.#onAbsent(reference.uid);
      return 'dangling';
    }
    return isWaitingForDependents(owner) ? 'waiting-for-dependents' : 'solid';
  }

  #warnNamespace(context: ControllerContext, reference: OwnerReference, dependent: KubeObject): void {
    const { namespace = '' } = dependent.metadata;
    const message = `ownerRef ${describeReference(reference, namespace)} does not exist in namespace "${namespace}"`;
    context.events.event(dependent, 'Warning', 'OwnerRefInvalidNamespace', message);
  }

  /** Foreground: dependents that block go first, then the owner is let go. */
  async #awaitDependents(context: ControllerContext, identity: Identity, object: KubeObject): Promise<Outcome> {
    const blocking = this.#graph.dependentsOf(identity.uid).filter(({ resource, key }) => {
      const cached = this.#monitors.get(resourceId(resource))?.informer.get(key);
      return ownersOf(cached).some(
        ({ uid, blockOwnerDeletion }) => uid === identity.uid && blockOwnerDeletion === true,
      );
    });
    for (const dependent of this.#graph.dependentsOf(identity.uid)) this.#add(dependent);
    if (blocking.length > 0) return done;
    await this.#removeFinalizer(context, identity.resource, object, foregroundFinalizer);
    return done;
  }

  async #orphanDependents(context: ControllerContext, identity: Identity, object: KubeObject): Promise<Outcome> {
    for (const { resource, key, uid } of this.#graph.dependentsOf(identity.uid)) {
      const dependent = await this.#live(context, resource, key, this.#signal);
      if (dependent?.metadata.uid !== uid) continue;
      await this.#patchOwners(context, resource, dependent, (owner) => owner.uid !== identity.uid);
    }
    await this.#removeFinalizer(context, identity.resource, object, orphanFinalizer);
    return done;
  }

  async #patchOwners(
    context: ControllerContext,
    resource: Resource,
    object: KubeObject,
    keeps: (owner: OwnerReference) => boolean,
  ): Promise<void> {
    await this.#patchMetadata(context, resource, object, { ownerReferences: ownersOf(object).filter(keeps) });
  }

  async #unblock(context: ControllerContext, resource: Resource, object: KubeObject): Promise<void> {
    const ownerReferences = ownersOf(object).map((owner) => ({ ...owner, blockOwnerDeletion: false }));
    await this.#patchMetadata(context, resource, object, { ownerReferences });
  }

  async #removeFinalizer(context: ControllerContext, resource: Resource, object: KubeObject, finalizer: string) {
    if (!hasFinalizer(object, finalizer)) return;
    const finalizers = (object.metadata.finalizers ?? []).filter((name) => name !== finalizer);
    await this.#patchMetadata(context, resource, object, { finalizers });
  }

  /** A merge patch, which custom resources take too; it holds for exactly the state that was read. */
  async #patchMetadata(
    context: ControllerContext,
    resource: Resource,
    object: KubeObject,
    change: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const { uid, resourceVersion } = object.metadata;
    const body = { metadata: { uid, resourceVersion, ...change } };
    try {
      await context.client.patch(resource, nameOf(object), { type: 'merge', body });
    } catch (thrown) {
      if (isReason(thrown, 'NotFound')) return;
      context.log.debug('metadata was not patched', { error: describeError(thrown) });
      throw thrown;
    }
  }
}

function kindId({ group, kind }: { readonly group: string; readonly kind: string }): string {
  return `${group}/${kind}`;
}

function isCollectable(resource: Resource): boolean {
  return hasVerbs(resource, 'delete', 'list', 'watch', 'get') && resource.plural !== 'events';
}

function hasBuiltin(resource: Resource): boolean {
  return resource.typeName !== null;
}
