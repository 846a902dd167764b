import type { Revision } from '../../datastore/backend.ts';
import type { Entry } from './entry.ts';
import { type CacheEvent, EventWindow } from './event-window.ts';
import { SortedEntries } from './sorted-entries.ts';

/** Who is told of each change of a resource. Listeners are called while the hub applies changes: they must not block or throw. */
export interface CacheListener {
  /** Changes in revision order, at least one. */
  changed(events: readonly CacheEvent[]): void;
  /** Everything up to `revision` has been delivered. */
  progress?(revision: Revision): void;
  /** History was lost (the datastore compacted it away): what the listener knows is stale. */
  reset(): void;
}

/** The newest state of one resource, by namespace and name, and its latest changes. Kept current by the WatchHub. */
export class ResourceCache {
  readonly group: string;
  readonly plural: string;
  readonly window: EventWindow;
  readonly #namespaces = new Map<string, SortedEntries>();
  #namespaceOrder: string[] | null = [];
  #snapshot: readonly Entry[] | undefined;
  readonly #listeners = new Set<CacheListener>();
  #size = 0;
  #lastChange: Revision;

  constructor(group: string, plural: string, revision: Revision) {
    this.group = group;
    this.plural = plural;
    this.window = new EventWindow(revision);
    this.#lastChange = revision;
  }

  get size(): number {
    return this.#size;
  }

  /** Revision of the newest change: the state at any revision from here on is what the cache holds. */
  get lastChange(): Revision {
    return this.#lastChange;
  }

  get listeners(): ReadonlySet<CacheListener> {
    return this.#listeners;
  }

  get(namespace: string, name: string): Entry | undefined {
    return this.#namespaces.get(namespace)?.get(name);
  }

  /** The entries of one namespace in name order. */
  inNamespace(namespace: string): readonly Entry[] {
    return this.#namespaces.get(namespace)?.snapshot ?? [];
  }

  /** All entries in key order. */
  all(): readonly Entry[] {
    const order = this.#order();
    const only = order[0];
    if (order.length === 1 && only !== undefined) return this.inNamespace(only);
    const entries: Entry[] = [];
    for (const namespace of order) for (const entry of this.inNamespace(namespace)) entries.push(entry);
    return entries;
  }

  /** The entries of a namespace (empty: all), for readers that go on later; the same array until something changes. */
  snapshot(namespace: string): readonly Entry[] {
    if (namespace !== '') return this.#namespaces.get(namespace)?.snapshot ?? [];
    const order = this.#order();
    const only = order[0];
    if (order.length === 1 && only !== undefined) return this.#namespaces.get(only)?.snapshot ?? [];
    this.#snapshot ??= this.all();
    return this.#snapshot;
  }

  listen(listener: CacheListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Puts an entry in, or (null) takes it out, and says what changed. The hub tells the listeners. */
  apply(
    namespace: string,
    name: string,
    current: Entry | null,
    revision: Revision,
    atMs: number,
  ): CacheEvent | undefined {
    const previous = this.get(namespace, name) ?? null;
    if (current === null && previous === null) return undefined;
    if (current === null) this.#remove(namespace, name);
    else this.#put(current, previous === null);
    this.#lastChange = revision;
    const event: CacheEvent = { revision, current, previous, atMs, frames: new Map() };
    this.window.push(event);
    return event;
  }

  /** Fills the cache at start, when nobody listens yet. */
  load(entry: Entry): void {
    this.#put(entry, this.get(entry.namespace, entry.name) === undefined);
    this.#lastChange = Math.max(this.#lastChange, entry.revision);
  }

  #put(entry: Entry, added: boolean): void {
    this.#snapshot = undefined;
    let entries = this.#namespaces.get(entry.namespace);
    if (entries === undefined) {
      entries = new SortedEntries();
      this.#namespaces.set(entry.namespace, entries);
      this.#namespaceOrder = null;
    }
    entries.put(entry);
    if (added) this.#size += 1;
  }

  #remove(namespace: string, name: string): void {
    this.#snapshot = undefined;
    const entries = this.#namespaces.get(namespace);
    if (entries === undefined) return;
    entries.delete(name);
    this.#size -= 1;
    if (entries.size > 0) return;
    this.#namespaces.delete(namespace);
    this.#namespaceOrder = null;
  }

  // Keys are `namespace/name`, and some characters of namespaces sort before the slash.
  #order(): readonly string[] {
    this.#namespaceOrder ??= [...this.#namespaces.keys()].sort((a, b) => (`${a}/` < `${b}/` ? -1 : 1));
    return this.#namespaceOrder;
  }
}
