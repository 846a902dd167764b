import type { Entry } from './entry.ts';

/** Entries of one block; a fuller one is cut in two. Blocks keep the cost of an insertion apart from the number of entries. */
const blockEntriesMax = 512;

/** The entries of one namespace in the order of their names, which is the order of lists. */
export class SortedEntries {
  /** In order, and none of them empty. */
  readonly #blocks: Entry[][] = [];
  readonly #byName = new Map<string, Entry>();
  #snapshot: readonly Entry[] | undefined;

  /** The entries as they are now, for readers that go on later; the same array until something changes. */
  get snapshot(): readonly Entry[] {
    this.#snapshot ??= this.#blocks.flat();
    return this.#snapshot;
  }

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): Entry | undefined {
    return this.#byName.get(name);
  }

  put(entry: Entry): void {
    this.#snapshot = undefined;
    const isKnown = this.#byName.has(entry.name);
    this.#byName.set(entry.name, entry);
    const at = this.#blockOf(entry.name);
    const block = this.#blocks[at];
    if (block === undefined) {
      this.#blocks.push([entry]);
      return;
    }
    const index = lowerBound(block, entry.name);
    if (isKnown) {
      block[index] = entry;
      return;
    }
    block.splice(index, 0, entry);
    if (block.length > blockEntriesMax) this.#blocks.splice(at + 1, 0, block.splice(block.length >>> 1));
  }

  delete(name: string): void {
    if (!this.#byName.delete(name)) return;
    this.#snapshot = undefined;
    const at = this.#blockOf(name);
    const block = this.#blocks[at];
    if (block === undefined) return;
    block.splice(lowerBound(block, name), 1);
    if (block.length === 0) this.#blocks.splice(at, 1);
  }

  /** Index of the block that holds a name, or would: the first that does not end before it, else the last. */
  #blockOf(name: string): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const last = this.#blocks[middle]?.at(-1);
      if (last !== undefined && last.name < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Index of the first entry whose name is not less than `name`. */
function lowerBound(entries: readonly Entry[], name: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry !== undefined && entry.name < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
