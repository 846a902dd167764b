import type { Revision } from '../../datastore/backend.ts';
import type { Entry } from './entry.ts';

/** One change of one object. `current` is null for a deletion, `previous` for a creation. */
export interface CacheEvent {
  readonly revision: Revision;
  readonly current: Entry | null;
  readonly previous: Entry | null;
  readonly atMs: number;
  /** What watchers that see the same thing share: the encoded frame for each of a few forms. */
  readonly frames: Map<string, Buffer>;
}

/** Bounds of the history that a resource keeps for watches that start in the past. */
export const windowLimits = { events: 1000, bytes: 4 * 1024 * 1024, ageMs: 5 * 60_000 } as const;

/** The latest changes of one resource: a watch from any revision not below `floor` misses nothing. */
export class EventWindow {
  #events: CacheEvent[] = [];
  #first = 0;
  #bytes = 0;
  #floor: Revision;

  constructor(floor: Revision) {
    this.#floor = floor;
  }

  /** Changes after this revision are all in the window. */
  get floor(): Revision {
    return this.#floor;
  }

  push(event: CacheEvent): void {
    this.#events.push(event);
    this.#bytes += sizeOf(event);
    while (this.#events.length - this.#first > windowLimits.events || this.#bytes > windowLimits.bytes) {
      if (this.#events.length - this.#first === 1) break;
      this.#drop();
    }
  }

  /** Forgets events older than the window's age. */
  expire(nowMs: number): void {
    for (let event = this.#events[this.#first]; event && nowMs - event.atMs > windowLimits.ageMs; ) {
      this.#drop();
      event = this.#events[this.#first];
    }
  }

  /** Events after `revision`, oldest first. The caller has checked `floor`. */
  since(revision: Revision): readonly CacheEvent[] {
    let low = this.#first;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const event = this.#events[middle];
      if (event !== undefined && event.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#events.slice(low);
  }

  /** Starts anew at `floor`; what was there is gone. */
  reset(floor: Revision): void {
    this.#events = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#floor = floor;
  }

  #drop(): void {
    const event = this.#events[this.#first];
    if (event === undefined) return;
    this.#floor = event.revision;
    this.#bytes -= sizeOf(event);
    this.#first += 1;
    if (this.#first > 256 && this.#first * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#first);
      this.#first = 0;
    }
  }
}

// The current state is in the cache anyway as long as it is the newest; the state before is what history costs.
function sizeOf(event: CacheEvent): number {
  return 200 + (event.previous?.line.length ?? 0);
}
