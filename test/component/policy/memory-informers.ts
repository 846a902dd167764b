import type { ChangeHandler, Informer, InformerOptions } from '../../../src/client/informer.ts';
import { InformerStore } from '../../../src/client/informer-store.ts';
import type { KubeObject } from '../../../src/kube/object.ts';
import { groupResourceOf, keyOf, type Resource } from '../../../src/kube/resource.ts';
import type { Informers } from '../../../src/runtime/controller.ts';

class MemoryInformer<T extends KubeObject> implements Informer<T> {
  readonly synced = Promise.resolve();
  readonly #store = new InformerStore<T>();
  readonly #handlers = new Set<ChangeHandler<T>>();

  get(key: string): T | undefined {
    return this.#store.get(key);
  }

  list(namespace?: string): readonly T[] {
    return this.#store.list(namespace);
  }

  byIndex(name: string, value: string): readonly T[] {
    return this.#store.byIndex(name, value);
  }

  subscribe(handler: ChangeHandler<T>): Disposable {
    this.#handlers.add(handler);
    for (const object of this.#store.list()) handler({ key: keyOf(object), old: undefined, current: object });
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  /** Takes over the whole state; objects are told apart by identity. */
  replace(objects: readonly T[]): void {
    const wanted = new Set(objects.map(keyOf));
    const gone = this.#store.list().filter((object) => !wanted.has(keyOf(object)));
    const changed = objects.filter((object) => this.#store.get(keyOf(object)) !== object);
    const changes = [
      ...gone.flatMap((object) => this.#store.delete(keyOf(object)) ?? []),
      ...changed.map((object) => this.#store.set(object)),
    ];
    for (const change of changes) for (const handler of this.#handlers) handler(change);
  }
}

/** Informers of a cluster that a test has in its hands. */
export class MemoryInformers implements Informers {
  readonly #informers = new Map<string, MemoryInformer<KubeObject>>();

  of<T extends KubeObject>(resource: Resource<T>, _options?: InformerOptions<T>): MemoryInformer<T> {
    const name = groupResourceOf(resource);
    const informer = this.#informers.get(name) ?? new MemoryInformer<KubeObject>();
    this.#informers.set(name, informer);
    return informer as unknown as MemoryInformer<T>;
  }
}
