import { assert } from '../core/assert.ts';
import type { KubeObject } from '../kube/object.ts';
import { keyOf } from '../kube/resource.ts';
import type { IndexFunction } from './informer.ts';

/** One change of a store, as informers tell it. */
export interface StoreChange<T> {
  readonly key: string;
  readonly old: T | undefined;
  readonly current: T | undefined;
}

type Buckets<T> = Map<string, Map<string, T>>;

/** The objects of an informer, by key, by namespace and by the values of index functions. Holds references, never copies. */
export class InformerStore<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #namespaces: Buckets<T> = new Map();
  readonly #indexes = new Map<string, { readonly of: IndexFunction<T>; readonly buckets: Buckets<T> }>();

  /** Adds index functions. The same name must always mean the same function. */
  addIndexes(indexes: Readonly<Record<string, IndexFunction<T>>>): void {
    for (const [name, of] of Object.entries(indexes)) {
      const standing = this.#indexes.get(name);
      if (standing) {
        assert(standing.of === of || String(standing.of) === String(of), `index ${name} has one meaning`);
        continue;
      }
      const index = { of, buckets: new Map<string, Map<string, T>>() };
      this.#indexes.set(name, index);
      for (const [key, object] of this.#objects) enter(index.buckets, of(object), key, object);
    }
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(namespace?: string): readonly T[] {
    const from = namespace === undefined || namespace === '' ? this.#objects : this.#namespaces.get(namespace);
    return from ? [...from.values()] : [];
  }

  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name);
    assert(index, `index ${name} was given to the informer`);
    const bucket = index.buckets.get(value);
    return bucket ? [...bucket.values()] : [];
  }

  set(object: T): StoreChange<T> {
    const key = keyOf(object);
    const old = this.#remove(key);
    this.#objects.set(key, object);
    enter(this.#namespaces, namespaceOf(object), key, object);
    for (const { of, buckets } of this.#indexes.values()) enter(buckets, of(object), key, object);
    return { key, old, current: object };
  }

  /** `last` is the object's final state as the server told it, which handlers get as the old one. */
  delete(key: string, last?: T): StoreChange<T> | undefined {
    const old = this.#remove(key);
    return old && { key, old: last ?? old, current: undefined };
  }

  /** Takes over a whole new state at once; the changes tell how it differs from the former one. */
  replace(objects: ReadonlyMap<string, T>): readonly StoreChange<T>[] {
    const changes: StoreChange<T>[] = [];
    for (const [key, old] of [...this.#objects]) {
      const current = objects.get(key);
      if (current?.metadata.uid === old.metadata.uid) continue;
      // An object that was deleted and made again under its name is a deletion and an addition, never a change.
      this.#remove(key);
      changes.push({ key, old, current: undefined });
    }
    for (const [key, object] of objects) {
      if (this.#objects.get(key)?.metadata.resourceVersion === object.metadata.resourceVersion) {
        if (this.#objects.has(key)) continue;
      }
      changes.push(this.set(object));
    }
    return changes;
  }

  #remove(key: string): T | undefined {
    const old = this.#objects.get(key);
    if (!old) return undefined;
    this.#objects.delete(key);
    leave(this.#namespaces, namespaceOf(old), key);
    for (const { of, buckets } of this.#indexes.values()) leave(buckets, of(old), key);
    return old;
  }
}

function namespaceOf(object: KubeObject): readonly string[] {
  return object.metadata.namespace ? [object.metadata.namespace] : [];
}

function enter<T>(buckets: Buckets<T>, values: readonly string[], key: string, object: T): void {
  for (const value of values) {
    const bucket = buckets.get(value);
    if (bucket) bucket.set(key, object);
    else buckets.set(value, new Map([[key, object]]));
  }
}

function leave<T>(buckets: Buckets<T>, values: readonly string[], key: string): void {
  for (const value of values) {
    const bucket = buckets.get(value);
    if (bucket?.delete(key) && bucket.size === 0) buckets.delete(value);
  }
}
