import type { Client } from '../../client/client.ts';
import { createInformer, type InformerEnvironment, type RunningInformer } from '../../client/informer-impl.ts';
import type { ObjectKey, Resource } from '../../kube/resource.ts';
import { configmaps, secrets } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { ConfigMap, Secret } from '../../kube/types.gen.ts';

/** A ConfigMap or Secret that a pod's volume is made of. */
export interface ObjectReference {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly namespace: string;
  readonly name: string;
}

type Source = ConfigMap | Secret;

/**
 * The ConfigMaps and Secrets that this node's pods refer to, each watched by itself, so that the node needs no right to read
 * others. One that is immutable is read and no longer watched.
 */
export interface ObjectWatch extends AsyncDisposable {
  /** From now on `owner` is told of changes of exactly these objects. */
  follow(owner: string, references: readonly ObjectReference[]): void;
  /** The object as it stands, undefined when there is none. */
  configMap(namespace: string, name: string, signal: AbortSignal): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined>;
}

interface Watched {
  readonly owners: Set<string>;
  readonly informer: RunningInformer<Source>;
  isSynced: boolean;
  /** Set once the object is known to be immutable: its watch has ended. */
  immutable: boolean;
}

/** `changed` gets the owners of an object whenever it is added, changes or vanishes. */
export function createObjectWatch(
  client: Client,
  environment: InformerEnvironment,
  changed: (owner: string) => void,
): ObjectWatch {
  const watched = new Map<string, Watched>();
  const followed = new Map<string, ReadonlyMap<string, ObjectReference>>();
  const endings = new Set<Promise<void>>();

  function end(informer: RunningInformer<Source>): void {
    const ending = Promise.resolve(informer[Symbol.asyncDispose]()).finally(() => endings.delete(ending));
    endings.add(ending);
  }

  function start(id: string, { kind, namespace, name }: ObjectReference): Watched {
    const selection = { namespace, fieldSelector: `metadata.name=${name}` };
    // Both kinds have what is looked at here.
    const resource = (kind === 'ConfigMap' ? configmaps : secrets) as Resource<Source>;
    const informer = createInformer(client, resource, selection, environment);
    const entry: Watched = { owners: new Set(), informer, isSynced: false, immutable: false };
    informer.synced.then(
      () => {
        entry.isSynced = true;
      },
      () => {},
    );
    informer.subscribe(({ current }) => {
      if (watched.get(id) !== entry || entry.immutable) return;
      for (const owner of entry.owners) changed(owner);
      if (current?.immutable !== true) return;
      entry.immutable = true;
      end(informer);
    });
    return entry;
  }

  async function current<T extends Source>(resource: Resource<T>, key: ObjectKey, signal: AbortSignal) {
    const id = identity(resource.kind, key.namespace ?? '', key.name);
    const entry = watched.get(id);
    if (entry?.isSynced && !entry.immutable)
      return entry.informer.get(`${key.namespace}/${key.name}`) as unknown as T | undefined;
    try {
      return await client.get(resource, key, { signal });
    } catch (thrown) {
      if (isReason(thrown, 'NotFound')) return undefined;
      throw thrown;
    }
  }

  return {
    follow(owner, references) {
      const next = new Map(references.map((one) => [identity(one.kind, one.namespace, one.name), one]));
      for (const id of followed.get(owner)?.keys() ?? []) {
        const entry = watched.get(id);
        if (next.has(id) || entry === undefined) continue;
        entry.owners.delete(owner);
        if (entry.owners.size > 0) continue;
        watched.delete(id);
        if (!entry.immutable) end(entry.informer);
      }
      for (const [id, reference] of next) {
        let entry = watched.get(id);
        if (entry === undefined) {
          entry = start(id, reference);
          watched.set(id, entry);
        }
        entry.owners.add(owner);
      }
      if (next.size === 0) followed.delete(owner);
      else followed.set(owner, next);
    },
    configMap: (namespace, name, signal) => current(configmaps, { namespace, name }, signal),
    secret: (namespace, name, signal) => current(secrets, { namespace, name }, signal),
    async [Symbol.asyncDispose]() {
      for (const entry of watched.values()) if (!entry.immutable) end(entry.informer);
      watched.clear();
      followed.clear();
      await Promise.all(endings);
    },
  };
}

function identity(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}
