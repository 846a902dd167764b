/**
 * What Wherry asks of a datastore: an ordered map from keys to bytes in which every change has a revision, with
 * compare-and-set, reads of kept revisions, and watches that start at any kept revision. The semantics are etcd's.
 *
 * Guarantees that every implementation gives, and that test/compliance proves:
 * - Revisions are positive safe integers that grow by one or more with each change of the whole store.
 * - A write that was answered is durable: it survives kill -9 and power loss.
 * - A watch delivers every change after its start exactly once, in revision order; the changes of one revision come together.
 * - A read without `at` sees every write that was answered before the read began.
 */
export type Revision = number;

/** A half-open interval of keys in UTF-16 code unit order: `start <= key < end`. */
export interface KeyRange {
  readonly start: string;
  readonly end: string;
}

/** The range of all keys that begin with `prefix` (which must not be empty). */
export function prefixRange(prefix: string): KeyRange {
  const last = prefix.length - 1;
  return { start: prefix, end: prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1) };
}

/** One key at one revision. `value` must not be changed by the reader. */
export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision at which the key came to be. */
  readonly createRevision: Revision;
  /** Revision of the last change of the key. */
  readonly modRevision: Revision;
}

export interface GetResult {
  /** The store's revision when the read was made (or `at`). */
  readonly revision: Revision;
  readonly kv: KeyValue | null;
}

export interface Page {
  /** Largest number of items to return, at least 1. */
  readonly limit: number;
  /** Return keys strictly greater than this one. */
  readonly after?: string;
}

export interface ListResult {
  /** The revision that the list shows; the next page asks `at` this one. */
  readonly revision: Revision;
  /** In key order. */
  readonly items: readonly KeyValue[];
  /** True when keys of the range beyond the last item exist. */
  readonly more: boolean;
}

/** `conflict`: nothing was written; `current` is what stands under the key (null: no such key). */
export type WriteResult =
  | { readonly ok: true; readonly revision: Revision }
  | { readonly ok: false; readonly current: KeyValue | null; readonly revision: Revision };

/** One change. `previous` is the state before it, null for a creation. */
export type BackendEvent =
  | { readonly type: 'put'; readonly kv: KeyValue; readonly previous: KeyValue | null }
  | { readonly type: 'delete'; readonly key: string; readonly revision: Revision; readonly previous: KeyValue };

/** Thrown by reads and watches from a revision that compaction has removed, and by reads from the future. */
export class RevisionError extends Error {
  override readonly name = 'RevisionError';
  readonly reason: 'compacted' | 'future';
  /** The oldest revision that can be read (compacted), or the store's current one (future). */
  readonly boundary: Revision;

  constructor(reason: 'compacted' | 'future', requested: Revision, boundary: Revision) {
    super(
      `revision ${requested} ${reason === 'compacted' ? 'has been compacted' : 'is in the future'}; boundary ${boundary}`,
    );
    this.reason = reason;
    this.boundary = boundary;
  }
}

export interface Backend extends AsyncDisposable {
  /** The revision of the newest change that a reader can see. */
  currentRevision(): Promise<Revision>;
  /** Throws RevisionError when `at` is not kept. */
  get(key: string, at?: Revision): Promise<GetResult>;
  /** Throws RevisionError when `at` is not kept. */
  list(range: KeyRange, at?: Revision, page?: Page): Promise<ListResult>;
  count(range: KeyRange): Promise<number>;
  /**
   * Compare-and-set. `expected` is the key's modRevision as the caller knows it, 0 when the key must not exist.
   * `value` null deletes. With `leaseSeconds` the key is deleted (as a change of its own, which watchers see) once
   * that time has passed since this write; without, it stays. `value` belongs to the datastore from now on and must not
   * be changed. Deleting a key that does not exist (0, null) succeeds, and changes nothing.
   */
  write(key: string, expected: Revision, value: Uint8Array | null, leaseSeconds?: number): Promise<WriteResult>;
  /**
   * Changes of the range with revisions greater than `from`, in batches, until `signal` aborts (which ends the
   * iteration without an error). Throws RevisionError when `from` is older than the compaction boundary. A consumer
   * that falls behind by more than the implementation's bound is ended with a TransientError of code WATCH_TOO_SLOW;
   * it resumes from the last revision that it saw.
   */
  watch(range: KeyRange, from: Revision, signal: AbortSignal): AsyncIterable<readonly BackendEvent[]>;
  /** Forgets what was replaced or deleted at or before `to`. Reads and watches from before `to` are refused afterwards. */
  compact(to: Revision): Promise<void>;
}
