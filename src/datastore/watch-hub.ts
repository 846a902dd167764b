/**
 * Fans committed changes out to watchers. The newest changes are kept in memory (the window); a watch that starts before
 * the window reads the log in pages until it reaches it, then joins in the same turn of the event loop, so that nothing
 * is missed and nothing comes twice. Any backend can stand behind it.
 *
 * What waits for a watcher are references into the window. A watcher whose oldest waiting change leaves the window is
 * ended, so all watchers together hold no more memory than the window, however slow they are.
 */
import { assert } from '../core/assert.ts';
import { TransientError } from '../core/errors.ts';
import { type BackendEvent, type KeyRange, type Revision, RevisionError } from './backend.ts';
import { RangeIndex } from './range-index.ts';

/** A page of the log. */
export interface ChangesPage {
  /** Changes of the range in revision order, with all changes of each revision that it holds. */
  readonly events: readonly BackendEvent[];
  /** Every change of the range up to this revision is in this page or one before. */
  readonly through: Revision;
}

/** Reads changes of the range after `from` from the log. Throws RevisionError when compaction has removed some. */
export type ReadChanges = (range: KeyRange, from: Revision) => Promise<ChangesPage>;

export interface WatchHubOptions {
  /** Everything up to this revision is in the log, nothing after it has been published. */
  readonly revision: Revision;
  /** The compaction boundary. */
  readonly compacted: Revision;
  readonly readChanges: ReadChanges;
  /** The window's bounds. */
  readonly windowEvents?: number;
  readonly windowBytes?: number;
}

export const WINDOW_EVENTS = 16_384;
export const WINDOW_BYTES = 16 * 1024 * 1024;

/** What an event costs besides its values. */
const EVENT_BYTES = 256;

interface Watcher {
  readonly range: KeyRange;
  readonly from: Revision;
  pending: BackendEvent[];
  /** Resolves the consumer's wait. */
  wake: (() => void) | null;
  /** Why the watch ends; null when its consumer ended it. */
  ended: { readonly error: Error | null } | null;
}

export class WatchHub {
  readonly #readChanges: ReadChanges;
  readonly #windowEvents: number;
  readonly #windowBytes: number;
  readonly #watchers = new Set<Watcher>();
  readonly #index = new RangeIndex<Watcher>();
  /** The window: events from `#head` on; the places before it are empty. */
  #events: (BackendEvent | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  /** Every change after this revision, and up to `#revision`, is in the window. */
  #floor: Revision;
  #revision: Revision;
  #compacted: Revision;
  #closed: Error | null = null;

  constructor(options: WatchHubOptions) {
    this.#revision = options.revision;
    this.#floor = options.revision;
    this.#compacted = options.compacted;
    this.#readChanges = options.readChanges;
    this.#windowEvents = options.windowEvents ?? WINDOW_EVENTS;
    this.#windowBytes = options.windowBytes ?? WINDOW_BYTES;
  }

  /** The newest revision that was published. */
  get revision(): Revision {
    return this.#revision;
  }

  /** Takes committed changes, in revision order and with all changes of a revision in the same call. */
  publish(events: readonly BackendEvent[]): void {
    const woken = new Set<Watcher>();
    for (const event of events) {
      const revision = revisionOf(event);
      assert(revision >= this.#revision, 'changes are published in revision order');
      this.#revision = revision;
      this.#events.push(event);
      this.#bytes += sizeOf(event);
      this.#index.forEachAt(keyOf(event), (watcher) => {
        if (revision <= watcher.from) return;
        watcher.pending.push(event);
        woken.add(watcher);
      });
    }
    // Watchers take their events before the window moves on, or they could lose what was never offered to them.
    for (const watcher of woken) watcher.wake?.();
    this.#trim();
  }

  /** Watches from before `to` are refused from now on; those under way go on. */
  compacted(to: Revision): void {
    this.#compacted = Math.max(this.#compacted, to);
  }

  /** Ends every watch with `error`, and refuses new ones with it. */
  close(error: Error): void {
    this.#closed ??= error;
    for (const watcher of this.#watchers) this.#end(watcher, error);
  }

  /** See Backend.watch. A watch from a revision that is not published yet waits for the first change after it. */
  async *watch(range: KeyRange, from: Revision, signal: AbortSignal): AsyncGenerator<readonly BackendEvent[], void> {
    let cursor = from;
    while (cursor < this.#floor) {
      if (signal.aborted) return;
      this.#check(cursor);
      const page = await this.#readChanges(range, cursor);
      assert(page.through > cursor || cursor >= this.#floor, 'a page of the log goes on from where it was asked for');
      cursor = page.through;
      if (page.events.length > 0 && !signal.aborted) yield page.events;
    }
    if (signal.aborted) return;
    this.#check(cursor);
    const watcher = this.#join(range, cursor);
    const abort = () => this.#end(watcher, null);
    signal.addEventListener('abort', abort, { once: true });
    try {
      for (;;) {
        const batch = await this.#take(watcher);
        if (batch === null) return;
        yield batch;
      }
    } finally {
      signal.removeEventListener('abort', abort);
      this.#end(watcher, null);
    }
  }

  #check(from: Revision): void {
    if (this.#closed !== null) throw this.#closed;
    if (from < this.#compacted) throw new RevisionError('compacted', from, this.#compacted);
  }

  #join(range: KeyRange, from: Revision): Watcher {
    const watcher: Watcher = { range, from, pending: [], wake: null, ended: null };
    for (let i = this.#firstAfter(from); i < this.#events.length; i++) {
      const event = this.#events[i];
      if (event !== undefined && inRange(keyOf(event), range)) watcher.pending.push(event);
    }
    this.#watchers.add(watcher);
    this.#index.add(range, watcher);
    return watcher;
  }

  /** All that waits for the watcher, once something does; null when it ended. Throws what ended it. */
  async #take(watcher: Watcher): Promise<readonly BackendEvent[] | null> {
    if (watcher.ended === null && watcher.pending.length === 0) {
      const waiting = Promise.withResolvers<readonly BackendEvent[]>();
      watcher.wake = () => {
        watcher.wake = null;
        const batch = watcher.pending;
        watcher.pending = [];
        waiting.resolve(batch);
      };
      const batch = await waiting.promise;
      if (batch.length > 0) return batch;
    }
    if (watcher.ended !== null) {
      if (watcher.ended.error !== null) throw watcher.ended.error;
      return null;
    }
    const batch = watcher.pending;
    watcher.pending = [];
    return batch;
  }

  #end(watcher: Watcher, error: Error | null): void {
    if (watcher.ended !== null) return;
    watcher.ended = { error };
    watcher.pending = [];
    this.#watchers.delete(watcher);
    this.#index.delete(watcher.range, watcher);
    watcher.wake?.();
  }

  /** Drops the oldest revisions, whole, until the window keeps its bounds, and ends watchers that still wait for them. */
  #trim(): void {
    const floor = this.#floor;
    while (this.#events.length - this.#head > this.#windowEvents || this.#bytes > this.#windowBytes) {
      const oldest = this.#events[this.#head];
      if (oldest === undefined) break;
      this.#floor = revisionOf(oldest);
      for (let event = this.#events[this.#head]; event !== undefined; event = this.#events[this.#head]) {
        if (revisionOf(event) > this.#floor) break;
        this.#bytes -= sizeOf(event);
        this.#events[this.#head] = undefined;
        this.#head += 1;
      }
    }
    if (this.#floor === floor) return;
    // Moving the rest to the front each time would cost as much as the window is long.
    if (this.#head * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#head);
      this.#head = 0;
    }
    for (const watcher of this.#watchers) {
      const oldest = watcher.pending[0];
      if (oldest === undefined || revisionOf(oldest) > this.#floor) continue;
      this.#end(
        watcher,
        new TransientError('WATCH_TOO_SLOW', 'the watch fell behind further than the changes kept in memory', {
          hint: 'watch again from the last revision that was seen',
        }),
      );
    }
  }

  /** The place in the window of the first event after `revision`. */
  #firstAfter(revision: Revision): number {
    let low = this.#head;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const event = this.#events[middle];
      if (event !== undefined && revisionOf(event) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The revision of a change. */
export function revisionOf(event: BackendEvent): Revision {
  return event.type === 'put' ? event.kv.modRevision : event.revision;
}

/** The key that changed. */
export function keyOf(event: BackendEvent): string {
  return event.type === 'put' ? event.kv.key : event.key;
}

function inRange(key: string, range: KeyRange): boolean {
  return range.start <= key && key < range.end;
}

function sizeOf(event: BackendEvent): number {
  const value = event.type === 'put' ? event.kv.value.byteLength : 0;
  return EVENT_BYTES + value + (event.previous?.value.byteLength ?? 0);
}
