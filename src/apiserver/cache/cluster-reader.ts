import type { ChangeHandler } from '../../client/informer.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { ObjectKey, Resource } from '../../kube/resource.ts';
import type { KindRegistry, ServedKind } from '../kind-registry.ts';
import type { ClusterReader } from '../reader.ts';
import type { Entry } from './entry.ts';

/** Reads the newest state straight from the watch caches. Resources that are not served have no objects. */
export class CachedReader implements ClusterReader {
  readonly #kinds: KindRegistry;

  constructor(kinds: KindRegistry) {
    this.#kinds = kinds;
  }

  get<T extends KubeObject>(resource: Resource<T>, key: ObjectKey): T | undefined {
    return this.#kinds.of(resource)?.get(key.namespace ?? '', key.name)?.object as T | undefined;
  }

  list<T extends KubeObject>(resource: Resource<T>, namespace?: string): readonly T[] {
    const served = this.#kinds.of(resource);
    if (served === undefined) return [];
    const entries = namespace === undefined ? served.cache.all() : served.cache.inNamespace(namespace);
    return entries.map((entry) => served.view(entry).object as T);
  }

  subscribe<T extends KubeObject>(resource: Resource<T>, handler: ChangeHandler<T>): Disposable {
    const served = this.#kinds.of(resource);
    if (served === undefined) return { [Symbol.dispose]: () => undefined };
    return new Subscription(served, handler);
  }
}

class Subscription<T extends KubeObject> implements Disposable {
  readonly #served: ServedKind;
  readonly #handler: ChangeHandler<T>;
  readonly #listening: Disposable;
  // What the handler was told of, to find what vanished when history was lost.
  #known = new Map<string, Entry>();

  constructor(served: ServedKind, handler: ChangeHandler<T>) {
    this.#served = served;
    this.#handler = handler;
    this.#compare();
    this.#listening = served.cache.listen({
      changed: (events) => {
        for (const { current, previous } of events) this.#tell((current ?? previous)?.key ?? '', previous, current);
      },
      reset: () => this.#compare(),
    });
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }

  #compare(): void {
    const gone = this.#known;
    this.#known = new Map();
    for (const entry of this.#served.cache.all()) {
      const old = gone.get(entry.key);
      gone.delete(entry.key);
      if (old?.revision === entry.revision) this.#known.set(entry.key, entry);
      else this.#tell(entry.key, old ?? null, entry);
    }
    for (const [key, old] of gone) this.#tell(key, old, null);
  }

  #tell(key: string, previous: Entry | null, current: Entry | null): void {
    if (current === null) this.#known.delete(key);
    else this.#known.set(key, current);
    const decode = (entry: Entry | null) => (entry === null ? undefined : (this.#served.view(entry).object as T));
    this.#handler({ key, old: decode(previous), current: decode(current) });
  }
}
