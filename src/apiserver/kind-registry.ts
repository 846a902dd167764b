import type { Kind } from '../kube/kind.ts';
import type { KubeObject } from '../kube/object.ts';
import { apiVersionOf, type Resource } from '../kube/resource.ts';
import type { Schema } from '../kube/schema/schema.ts';
import { type Entry, encodeEntry } from './cache/entry.ts';
import type { StorageLocation } from './cache/keys.ts';
import type { ResourceCache } from './cache/resource-cache.ts';

/** A kind as this server serves it: joined with its schema and with the cache of what is stored. */
export class ServedKind {
  readonly kind: Kind;
  readonly resource: Resource;
  readonly schema: Schema;
  readonly apiVersion: string;
  readonly location: StorageLocation;
  readonly cache: ResourceCache;
  readonly #converted = new WeakMap<Entry, Entry>();
  readonly #watchers = new Set<() => void>();
  #isRetired = false;

  constructor(kind: Kind, schema: Schema, cache: ResourceCache) {
    this.kind = kind;
    this.resource = kind.resource;
    this.schema = schema;
    this.apiVersion = apiVersionOf(kind.resource);
    this.location = kind.storage?.resource ?? kind.resource;
    this.cache = cache;
  }

  /** Custom resources keep kind and apiVersion in list items, built-in kinds leave them out. */
  get isCustom(): boolean {
    return this.resource.typeName === null;
  }

  /** A stored entry in the version served; the same entry when that is the stored one. */
  view(entry: Entry): Entry {
    const { storage } = this.kind;
    if (storage === undefined) return entry;
    let converted = this.#converted.get(entry);
    if (converted === undefined) {
      const object = storage.fromStorage(entry.object);
      // What the conversion leaves alone keeps its encoded form too.
      converted = object === entry.object ? entry : encodeEntry(entry.namespace, entry.name, entry.revision, object);
      this.#converted.set(entry, converted);
    }
    return converted;
  }

  /** Calls `end` when the kind is no longer served in this form: watches of it end then. */
  whenRetired(end: () => void): Disposable {
    if (this.#isRetired) end();
    else this.#watchers.add(end);
    return { [Symbol.dispose]: () => this.#watchers.delete(end) };
  }

  retire(): void {
    this.#isRetired = true;
    for (const end of [...this.#watchers]) end();
    this.#watchers.clear();
  }

  get(namespace: string, name: string): Entry | undefined {
    const entry = this.cache.get(namespace, name);
    return entry === undefined ? undefined : this.view(entry);
  }

  /** True when the entry is stored in a version that objects are no longer stored in: the next write renews it. */
  isOutdated(namespace: string, name: string): boolean {
    const { storage } = this.kind;
    if (storage === undefined) return false;
    return this.cache.get(namespace, name)?.object.apiVersion !== apiVersionOf(storage.resource);
  }

  /** An object of this version in the version that is stored. */
  toStorage(object: KubeObject): KubeObject {
    return this.kind.storage?.toStorage(object) ?? object;
  }
}

export interface RegistryChange {
  readonly added: readonly ServedKind[];
  readonly removed: readonly ServedKind[];
}

/** All kinds that are served now, by group, version and plural. Custom resources come and go at run time. */
export class KindRegistry {
  readonly #byPath = new Map<string, ServedKind>();
  readonly #listeners = new Set<(change: RegistryChange) => void>();

  find(group: string, version: string, plural: string): ServedKind | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  of(resource: { readonly group: string; readonly version: string; readonly plural: string }): ServedKind | undefined {
    return this.find(resource.group, resource.version, resource.plural);
  }

  /** By kind name, as a body names itself. */
  findKind(group: string, version: string, kind: string): ServedKind | undefined {
    for (const served of this.#byPath.values()) {
      const { resource } = served;
      if (resource.kind === kind && resource.group === group && resource.version === version) return served;
    }
    return undefined;
  }

  all(): Iterable<ServedKind> {
    return this.#byPath.values();
  }

  /** True for the groups of built-in kinds; those of custom resources are as if unknown but for their resources. */
  hasGroup(group: string): boolean {
    for (const { resource, isCustom } of this.#byPath.values()) if (resource.group === group && !isCustom) return true;
    return false;
  }

  /** Adds and removes in one step; listeners are told once. What is removed or replaced retires. */
  change(added: readonly ServedKind[], removed: readonly ServedKind[] = []): void {
    for (const served of removed) {
      const key = pathOf(served.resource);
      if (this.#byPath.get(key) === served) this.#byPath.delete(key);
    }
    for (const served of added) this.#byPath.set(pathOf(served.resource), served);
    for (const listener of [...this.#listeners]) listener({ added, removed });
    for (const served of removed) served.retire();
  }

  /** Called after each change. Listeners must not throw. */
  subscribe(listener: (change: RegistryChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }
}

function pathOf({ group, version, plural }: Resource): string {
  return `${group}/${version}/${plural}`;
}
