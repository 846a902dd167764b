import { createClient } from '../../client/client-impl.ts';
import type { Transport } from '../../client/transport.ts';
import type { Clock } from '../../core/clock.ts';
import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { nameDefinition } from '../../kube/crd/accepted-names.ts';
import { cleanupFinalizer, conditionOf, isConditionTrue, withCondition } from '../../kube/crd/conditions.ts';
import { kindsOfDefinition } from '../../kube/crd/custom-kind.ts';
import { jsonEqual } from '../../kube/patch/json-object.ts';
import { customresourcedefinitions } from '../../kube/resources.gen.ts';
import { formatTime } from '../../kube/time.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from '../../kube/types.gen.ts';
import type { Entry } from '../cache/entry.ts';
import type { WatchHub } from '../cache/hub.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import { type KindRegistry, ServedKind } from '../kind-registry.ts';

export interface CustomResourcesOptions {
  readonly hub: WatchHub;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly log: Log;
  /** The API as the server itself uses it: to delete the objects of a definition that goes. */
  readonly transport: Transport;
}

interface Served {
  readonly definition: CustomResourceDefinition;
  readonly kinds: readonly ServedKind[];
}

const retryDelayMs = 1000;

/**
 * Serves what CustomResourceDefinitions define. It follows the definitions in the watch cache: gives them their names,
 * serves their versions, tells so in their status (Established comes last: whoever sees it finds the resource), and
 * when one is deleted, deletes its objects before it lets it go. Several servers on one datastore may do so at once:
 * each write is conditional, and a lost race is looked at anew.
 */
export class CustomResources implements AsyncDisposable {
  readonly #options: CustomResourcesOptions;
  readonly #definitions: ResourceCache;
  readonly #served = new Map<string, Served>();
  readonly #dirty = new Set<string>();
  readonly #subscriptions: Disposable[] = [];
  readonly #stop = new AbortController();
  readonly #emptying = new Map<string, Disposable>();
  #working: Promise<void> | null = null;

  private constructor(options: CustomResourcesOptions) {
    this.#options = options;
    this.#definitions = options.hub.resource(customresourcedefinitions);
  }

  /** Resolves when all definitions that stand are served. */
  static async start(options: CustomResourcesOptions): Promise<CustomResources> {
    const resources = new CustomResources(options);
    resources.#subscriptions.push(
      resources.#definitions.listen({
        changed: (events) => {
          for (const { current, previous } of events) resources.#look((current ?? previous)?.name ?? '');
        },
        reset: () => resources.#lookAtAll(),
      }),
    );
    resources.#lookAtAll();
    await resources.#working;
    return resources;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const subscription of [...this.#subscriptions, ...this.#emptying.values()]) subscription[Symbol.dispose]();
    await this.#working;
  }

  #lookAtAll(): void {
    for (const { name } of this.#definitions.all()) this.#look(name);
    for (const name of this.#served.keys()) this.#look(name);
  }

  #look(name: string): void {
    this.#dirty.add(name);
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    // Changes are told while the cache applies them: nothing is read before all of them are in.
    await Promise.resolve();
    for (const name of this.#dirty) {
      if (this.#stop.signal.aborted) break;
      this.#dirty.delete(name);
      try {
        await this.#reconcile(name);
      } catch (thrown) {
        if (this.#stop.signal.aborted) break;
        this.#options.log.error('a CustomResourceDefinition cannot be served', { name, error: toError(thrown) });
        this.#options.clock.after(retryDelayMs, () => this.#look(name));
      }
    }
    this.#working = null;
  }

  async #reconcile(name: string): Promise<void> {
    const entry = this.#definitions.get('', name);
    if (entry === undefined) {
      this.#forget(name);
      return;
    }
    const definition = entry.object as CustomResourceDefinition;
    const { status } = definition;
    const naming = nameDefinition(definition, this.#all());
    const now = formatTime(this.#options.clock.now());
    let conditions = withCondition(status?.conditions ?? [], naming.namesAccepted, now);
    conditions = withCondition(conditions, naming.established, now);
    const next: CustomResourceDefinition = {
      ...definition,
      status: { ...status, conditions, acceptedNames: naming.acceptedNames },
    };
    this.#serve(next);
    if (!jsonEqual(plain(status), plain(next.status))) {
      await this.#write(entry, next);
      return;
    }
    if (definition.metadata.deletionTimestamp !== undefined) await this.#finalize(entry, definition);
  }

  #all(): readonly CustomResourceDefinition[] {
    return this.#definitions.all().map((entry) => entry.object as CustomResourceDefinition);
  }

  #serve(definition: CustomResourceDefinition): void {
    const { name = '' } = definition.metadata;
    const standing = this.#served.get(name);
    if (!isConditionTrue(definition, 'Established')) {
      if (standing !== undefined) this.#withdraw(name, standing);
      return;
    }
    if (standing !== undefined && isServedAlike(standing.definition, definition)) return;
    const { hub, kinds } = this.#options;
    const added = kindsOfDefinition(definition).map(
      ({ kind, schema }) => new ServedKind(kind, schema, hub.resource(kind.resource)),
    );
    this.#served.set(name, { definition, kinds: added });
    kinds.change(added, standing?.kinds ?? []);
  }

  #withdraw(name: string, { kinds }: Served): void {
    this.#served.delete(name);
    this.#options.kinds.change([], kinds);
  }

  // The names of a definition that is gone are free for others of its group.
  #forget(name: string): void {
    this.#emptying.get(name)?.[Symbol.dispose]();
    this.#emptying.delete(name);
    const standing = this.#served.get(name);
    if (standing !== undefined) this.#withdraw(name, standing);
    const group = name.slice(name.indexOf('.') + 1);
    for (const other of this.#all()) if (other.spec.group === group) this.#look(other.metadata.name ?? '');
  }

  async #write(entry: Entry, next: CustomResourceDefinition): Promise<void> {
    await this.#options.hub.put(customresourcedefinitions, '', entry.name, entry.revision, next);
  }

  async #finalize(entry: Entry, definition: CustomResourceDefinition): Promise<void> {
    const { finalizers = [] } = definition.metadata;
    if (!finalizers.includes(cleanupFinalizer)) return;
    const cache = this.#options.hub.resource({ group: definition.spec.group, plural: definition.spec.names.plural });
    const isOwner = this.#served.has(entry.name);
    if (isOwner && cache.size > 0) {
      const reason = 'InstanceDeletionInProgress';
      if (conditionOf(definition, 'Terminating')?.reason !== reason) {
        const message = 'CustomResource deletion is in progress';
        await this.#write(
          entry,
          this.#terminating(definition, { type: 'Terminating', status: 'True', reason, message }),
        );
        return;
      }
      this.#awaitEmpty(entry.name, cache);
      await this.#deleteObjects(entry.name, cache);
      return;
    }
    const rest = finalizers.filter((finalizer) => finalizer !== cleanupFinalizer);
    if (rest.length === 0) {
      await this.#options.hub.remove(customresourcedefinitions, '', entry.name, entry.revision);
      return;
    }
    const message = 'removed all instances';
    const done = { type: 'Terminating', status: 'False', reason: 'InstanceDeletionCompleted', message };
    const next = this.#terminating(definition, done);
    await this.#write(entry, { ...next, metadata: { ...next.metadata, finalizers: rest } });
  }

  #terminating(
    definition: CustomResourceDefinition,
    condition: CustomResourceDefinitionCondition,
  ): CustomResourceDefinition {
    const now = formatTime(this.#options.clock.now());
    const conditions = withCondition(definition.status?.conditions ?? [], condition, now);
    return { ...definition, status: { ...definition.status, conditions } };
  }

  // Objects with finalizers take their time: the definition is looked at again when the last one is gone.
  #awaitEmpty(name: string, cache: ResourceCache): void {
    if (this.#emptying.has(name)) return;
    const look = () => {
      if (cache.size === 0) this.#look(name);
    };
    this.#emptying.set(name, cache.listen({ changed: look, reset: look }));
  }

  async #deleteObjects(name: string, cache: ResourceCache): Promise<void> {
    const served = this.#served.get(name)?.kinds[0];
    if (served === undefined) return;
    const client = createClient(this.#options.transport);
    const { signal } = this.#stop;
    const namespaces = new Set(cache.all().map(({ namespace }) => namespace));
    for (const namespace of namespaces) {
      await client.deleteCollection(served.resource, namespace === '' ? { signal } : { namespace, signal });
    }
    if (cache.size === 0) this.#look(name);
  }
}

// What is served depends on these members alone; every other change leaves watches open.
function isServedAlike(a: CustomResourceDefinition, b: CustomResourceDefinition): boolean {
  const essence = (one: CustomResourceDefinition) =>
    plain([one.spec, one.status?.acceptedNames, isConditionTrue(one, 'Terminating')]);
  return jsonEqual(essence(a), essence(b));
}

function plain(value: unknown) {
  return JSON.parse(JSON.stringify(value ?? null));
}
