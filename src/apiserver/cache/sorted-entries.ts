import type { Entry } from './entry.ts';

/** The entries of one namespace in the order of their names, which is the order of lists. */
export class SortedEntries {
  readonly #entries: Entry[] = [];
  #snapshot: readonly Entry[] | undefined;

  /** The entries as they are now, for readers that go on later; the same array until something changes. */
  get snapshot(): readonly Entry[] {
    this.#snapshot ??= this.#entries.slice();
    return this.#snapshot;
  }

  get all(): readonly Entry[] {
    return this.#entries;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Index of the first entry whose name is not less than `name`. */
  lowerBound(name: string): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && entry.name < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  get(name: string): Entry | undefined {
    const entry = this.#entries[this.lowerBound(name)];
    return entry?.name === name ? entry : undefined;
  }

  put(entry: Entry): void {
    this.#snapshot = undefined;
    const index = this.lowerBound(entry.name);
    if (this.#entries[index]?.name === entry.name) this.#entries[index] = entry;
    else this.#entries.splice(index, 0, entry);
  }

  delete(name: string): void {
    this.#snapshot = undefined;
    const index = this.lowerBound(name);
    if (this.#entries[index]?.name === name) this.#entries.splice(index, 1);
  }
}
