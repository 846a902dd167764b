/** Finds, among many key ranges, those that hold a key: how an event finds its watchers. */
import type { KeyRange } from './backend.ts';

interface Entry<T> {
  readonly range: KeyRange;
  readonly members: Set<T>;
  /** The greatest end among this entry and all before it: where a search backwards may stop. */
  reach: string;
}

export class RangeIndex<T> {
  /** By start, then end. */
  readonly #entries: Entry<T>[] = [];

  add(range: KeyRange, member: T): void {
    const at = this.#firstNotBefore(range);
    const entry = this.#entries[at];
    if (entry !== undefined && compareRanges(entry.range, range) === 0) {
      entry.members.add(member);
      return;
    }
    this.#entries.splice(at, 0, { range, members: new Set([member]), reach: '' });
    this.#updateReach(at);
  }

  delete(range: KeyRange, member: T): void {
    const at = this.#firstNotBefore(range);
    const entry = this.#entries[at];
    if (entry === undefined || compareRanges(entry.range, range) !== 0) return;
    entry.members.delete(member);
    if (entry.members.size > 0) return;
    this.#entries.splice(at, 1);
    this.#updateReach(at);
  }

  /** Calls `visit` for every member whose range holds `key`. */
  forEachAt(key: string, visit: (member: T) => void): void {
    for (let i = this.#lastStartingUpTo(key); i >= 0; i--) {
      const entry = this.#entries[i];
      if (entry === undefined || entry.reach <= key) return;
      if (key < entry.range.end) entry.members.forEach(visit);
    }
  }

  #updateReach(from: number): void {
    let reach = this.#entries[from - 1]?.reach ?? '';
    for (let i = from; i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry === undefined) return;
      if (entry.range.end > reach) reach = entry.range.end;
      entry.reach = reach;
    }
  }

  #firstNotBefore(range: KeyRange): number {
    return this.#search((entry) => compareRanges(entry.range, range) < 0);
  }

  #lastStartingUpTo(key: string): number {
    return this.#search((entry) => entry.range.start <= key) - 1;
  }

  /** How many entries fulfil `isBefore`, which holds for a leading part of them. */
  #search(isBefore: (entry: Entry<T>) => boolean): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && isBefore(entry)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function compareRanges(a: KeyRange, b: KeyRange): number {
  if (a.start !== b.start) return a.start < b.start ? -1 : 1;
  if (a.end !== b.end) return a.end < b.end ? -1 : 1;
  return 0;
}
