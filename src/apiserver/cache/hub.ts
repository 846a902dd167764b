import type { Clock } from '../../core/clock.ts';
import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type Backend, type BackendEvent, type Revision, RevisionError } from '../../datastore/backend.ts';
import type { KubeObject } from '../../kube/object.ts';
import { decodeStored, type Entry, encodeStored } from './entry.ts';
import type { CacheEvent } from './event-window.ts';
import { type ParsedKey, parseStorageKey, registryRange, type StorageLocation, storageKey } from './keys.ts';
import { ResourceCache } from './resource-cache.ts';

export interface HubOptions {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly log: Log;
}

/** `current`: what stands under the key instead of what the writer expected. */
export type PutResult =
  | { readonly ok: true; readonly entry: Entry }
  | { readonly ok: false; readonly current: Entry | null };
export type RemoveResult =
  | { readonly ok: true; readonly revision: Revision }
  | { readonly ok: false; readonly current: Entry | null };

const listPageSize = 500;
const bookmarkPeriodMs = 60_000;
const retryDelayMs = 200;

/**
 * One watch of the whole datastore that feeds the caches of all resources. Writes go through it, and return when
 * their own change is in the cache: whoever was answered sees what was written, whatever is read next.
 */
export class WatchHub implements AsyncDisposable {
  readonly backend: Backend;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #caches = new Map<string, ResourceCache>();
  readonly #stop = new AbortController();
  readonly #writing = new Map<string, { readonly stored: Buffer; readonly object: KubeObject }>();
  #waiters: { readonly revision: Revision; readonly wake: () => void }[] = [];
  #revision: Revision = 0;
  #running: Promise<void> = Promise.resolve();
  #ticker: NodeJS.Timeout | undefined;

  private constructor(options: HubOptions) {
    this.backend = options.backend;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Reads everything in and begins to follow changes. */
  static async start(options: HubOptions): Promise<WatchHub> {
    const hub = new WatchHub(options);
    hub.#revision = await hub.#readAll((parsed, revision, value) => {
      hub.resource(parsed).load(decodeStored(parsed.namespace, parsed.name, revision, value));
    });
    for (const cache of hub.#caches.values()) cache.window.reset(hub.#revision);
    hub.#running = hub.#follow();
    hub.#ticker = setInterval(() => hub.#tick(), bookmarkPeriodMs);
    hub.#ticker.unref();
    return hub;
  }

  /** The newest revision whose changes are in the caches. */
  get revision(): Revision {
    return this.#revision;
  }

  /** The cache of a resource, whether it is served (yet) or not. */
  resource(location: StorageLocation): ResourceCache {
    const key = `${location.group}/${location.plural}`;
    let cache = this.#caches.get(key);
    if (cache === undefined) {
      cache = new ResourceCache(location.group, location.plural, this.#revision);
      this.#caches.set(key, cache);
    }
    return cache;
  }

  get resources(): Iterable<ResourceCache> {
    return this.#caches.values();
  }

  /** Resolves true once the caches show `revision`, false after `timeoutMs`. */
  async waitFor(revision: Revision, timeoutMs: number): Promise<boolean> {
    if (this.#revision >= revision) return true;
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        resolve(false);
      });
      const waiter = {
        revision,
        wake: () => {
          timer[Symbol.dispose]();
          resolve(true);
        },
      };
      this.#waiters.push(waiter);
    });
  }

  /** Writes an object if `expected` (0: none) is its current revision, and returns it as the cache now has it. */
  async put(
    location: StorageLocation,
    namespace: string,
    name: string,
    expected: Revision,
    object: KubeObject,
    leaseSeconds?: number,
  ): Promise<PutResult> {
    const key = storageKey(location, namespace, name);
    const stored = encodeStored(object);
    const announced = { stored, object };
    this.#writing.set(key, announced);
    try {
      const result = await this.backend.write(key, expected, stored, leaseSeconds);
      if (!result.ok) return { ok: false, current: await this.#standing(location, namespace, name, result.revision) };
      await this.#seen(result.revision);
      const cached = this.resource(location).get(namespace, name);
      const entry =
        cached?.revision === result.revision ? cached : decodeStored(namespace, name, result.revision, stored, object);
      return { ok: true, entry };
    } finally {
      if (this.#writing.get(key) === announced) this.#writing.delete(key);
    }
  }

  /** Deletes an object if `expected` is its current revision. */
  async remove(location: StorageLocation, namespace: string, name: string, expected: Revision): Promise<RemoveResult> {
    const result = await this.backend.write(storageKey(location, namespace, name), expected, null);
    if (!result.ok) return { ok: false, current: await this.#standing(location, namespace, name, result.revision) };
    await this.#seen(result.revision);
    return { ok: true, revision: result.revision };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ticker);
    this.#stop.abort();
    await this.#running;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.wake();
  }

  async #seen(revision: Revision): Promise<void> {
    if (this.#revision >= revision || this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#waiters.push({ revision, wake: resolve });
    });
  }

  async #standing(
    location: StorageLocation,
    namespace: string,
    name: string,
    revision: Revision,
  ): Promise<Entry | null> {
    await this.#seen(revision);
    return this.resource(location).get(namespace, name) ?? null;
  }

  async #readAll(visit: (parsed: ParsedKey, revision: Revision, value: Uint8Array) => void): Promise<Revision> {
    let at: Revision | undefined;
    for (let after: string | undefined; ; ) {
      const page = await this.backend.list(
        registryRange,
        at,
        after === undefined ? { limit: listPageSize } : { limit: listPageSize, after },
      );
      at = page.revision;
      for (const kv of page.items) {
        const parsed = parseStorageKey(kv.key);
        if (parsed !== null) visit(parsed, kv.modRevision, kv.value);
      }
      after = page.items.at(-1)?.key;
      if (!page.more || after === undefined) return at;
    }
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        for await (const batch of this.backend.watch(registryRange, this.#revision, signal)) this.#apply(batch);
      } catch (thrown) {
        if (signal.aborted) return;
        if (!(await this.#recover(thrown))) return;
      }
    }
  }

  // A watch that broke goes on where it stopped; one whose start was compacted away begins with a new list.
  async #recover(thrown: unknown): Promise<boolean> {
    this.#log.warn('the watch of the datastore broke and is resumed', { error: toError(thrown) });
    try {
      if (thrown instanceof RevisionError) await this.#resync();
      else await this.#clock.sleep(retryDelayMs, this.#stop.signal);
    } catch (again) {
      if (this.#stop.signal.aborted) return false;
      this.#log.error('the datastore cannot be read', { error: toError(again) });
      await this.#clock.sleep(retryDelayMs * 10, this.#stop.signal).catch(() => undefined);
    }
    return !this.#stop.signal.aborted;
  }

  async #resync(): Promise<void> {
    const found = new Map<ResourceCache, Set<string>>();
    const changes: { cache: ResourceCache; entry: Entry }[] = [];
    const revision = await this.#readAll((parsed, modRevision, value) => {
      const cache = this.resource(parsed);
      const entry = decodeStored(parsed.namespace, parsed.name, modRevision, value);
      const keys = found.get(cache) ?? new Set<string>();
      found.set(cache, keys.add(entry.key));
      if (cache.get(parsed.namespace, parsed.name)?.revision !== modRevision) changes.push({ cache, entry });
    });
    const now = this.#clock.now();
    for (const { cache, entry } of changes) cache.apply(entry.namespace, entry.name, entry, entry.revision, now);
    for (const cache of this.#caches.values()) {
      const keys = found.get(cache);
      for (const entry of [...cache.all()]) {
        if (!keys?.has(entry.key)) cache.apply(entry.namespace, entry.name, null, revision, now);
      }
      cache.window.reset(revision);
      for (const listener of [...cache.listeners]) listener.reset();
    }
    this.#advance(revision);
  }

  #apply(batch: readonly BackendEvent[]): void {
    const now = this.#clock.now();
    let latest = this.#revision;
    const changed = new Map<ResourceCache, CacheEvent[]>();
    for (const event of batch) {
      const key = event.type === 'put' ? event.kv.key : event.key;
      const revision = event.type === 'put' ? event.kv.modRevision : event.revision;
      latest = Math.max(latest, revision);
      const parsed = parseStorageKey(key);
      if (parsed === null) continue;
      const cache = this.resource(parsed);
      const current = event.type === 'put' ? this.#decode(parsed, key, revision, event.kv.value) : null;
      const change = cache.apply(parsed.namespace, parsed.name, current, revision, now);
      if (change === undefined) continue;
      const events = changed.get(cache);
      if (events === undefined) changed.set(cache, [change]);
      else events.push(change);
    }
    this.#revision = latest;
    for (const [cache, events] of changed) for (const listener of [...cache.listeners]) listener.changed(events);
    this.#advance(latest);
  }

  // The writer's own object is taken over instead of being decoded again.
  #decode(parsed: ParsedKey, key: string, revision: Revision, value: Uint8Array): Entry {
    const own = this.#writing.get(key);
    const object = own?.stored.equals(value) ? own.object : undefined;
    return decodeStored(parsed.namespace, parsed.name, revision, value, object);
  }

  #advance(revision: Revision): void {
    this.#revision = revision;
    if (this.#waiters.length === 0) return;
    const ready = this.#waiters.filter((waiter) => waiter.revision <= revision);
    if (ready.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > revision);
    for (const waiter of ready) waiter.wake();
  }

  #tick(): void {
    const now = this.#clock.now();
    for (const cache of this.#caches.values()) {
      cache.window.expire(now);
      for (const listener of [...cache.listeners]) listener.progress?.(this.#revision);
    }
  }
}
