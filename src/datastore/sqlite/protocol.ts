/**
 * What the main thread and the two workers of a SQLite datastore say to each other. Values travel packed in one
 * transferred ArrayBuffer a message, everything else as flat arrays, which are cheap to clone.
 */
import type { Revision } from '../backend.ts';
import type { FailureData } from './failure.ts';

/** Several values in one buffer: value i has `sizes[i]` bytes (-1: no value) and follows value i - 1. */
export interface PackedValues {
  readonly sizes: readonly number[];
  readonly bytes: ArrayBuffer;
}

/** Rows of the log; row i is described by the i-th entry of every array. A `modRevisions[i]` of 0 means: no such row. */
export interface PackedStates {
  readonly createRevisions: readonly Revision[];
  readonly modRevisions: readonly Revision[];
  readonly values: PackedValues;
}

export interface OpenRequest {
  readonly directory: string;
}
export interface OpenReply {
  readonly revision: Revision;
  readonly compacted: Revision;
  /** When the next lease ends, milliseconds since the epoch; null without leases. */
  readonly nextExpiry: number | null;
}

export interface WriteRequest {
  readonly keys: readonly string[];
  readonly expected: readonly Revision[];
  /** When the lease ends, milliseconds since the epoch; 0 without a lease. */
  readonly expires: readonly number[];
  readonly values: PackedValues;
}

/** What became of one write. `unchanged`: a deletion of a key that did not exist, which succeeds without a change. */
export type WriteOutcome = 'written' | 'unchanged' | 'conflict';

export interface WriteReply {
  readonly outcomes: readonly WriteOutcome[];
  /** The revision of the change, or the store's revision when the write was decided without one. */
  readonly revisions: readonly Revision[];
  /** What stood under the key when the write was decided. */
  readonly before: PackedStates;
  readonly walFrames: number;
}

export interface ExpireReply {
  readonly keys: readonly string[];
  readonly revisions: readonly Revision[];
  readonly before: PackedStates;
  readonly nextExpiry: number | null;
}

export interface GetReply {
  readonly revision: Revision;
  readonly state: PackedStates;
}
export interface ListRequest {
  readonly start: string;
  readonly end: string;
  readonly at: Revision | undefined;
  readonly after: string | undefined;
  readonly limit: number | undefined;
}
export interface ListReply {
  readonly revision: Revision;
  readonly keys: readonly string[];
  readonly states: PackedStates;
  readonly more: boolean;
}
export interface ChangesRequest {
  readonly start: string;
  readonly end: string;
  readonly from: Revision;
  /** How many changes of the log to look through, in the range or not. */
  readonly scan: number;
}
export interface ChangesReply {
  readonly keys: readonly string[];
  readonly deleted: readonly boolean[];
  readonly after: PackedStates;
  readonly before: PackedStates;
  /** Every change up to this revision has been looked at. */
  readonly through: Revision;
}

/** A call's request and reply by name; `never` carries nothing. */
export interface WriterCalls {
  open: { request: OpenRequest; reply: OpenReply };
  write: { request: WriteRequest; reply: WriteReply };
  expire: { request: { readonly now: number }; reply: ExpireReply };
  /** Replies once everything that the compaction frees has been removed. */
  compact: { request: { readonly to: Revision }; reply: null };
  /** Copies the rest of the write-ahead log to the database, so that the next write starts the log anew. */
  settle: { request: null; reply: null };
  close: { request: null; reply: null };
}
export interface ReaderCalls {
  open: { request: OpenRequest; reply: null };
  get: { request: { readonly key: string; readonly at: Revision | undefined }; reply: GetReply };
  list: { request: ListRequest; reply: ListReply };
  count: { request: { readonly start: string; readonly end: string }; reply: number };
  changes: { request: ChangesRequest; reply: ChangesReply };
  /** Copies the write-ahead log to the database beside the writer; the reply is how many frames remain to be copied. */
  checkpoint: { request: null; reply: { readonly remaining: number } };
  close: { request: null; reply: null };
}
export type Calls = { [name: string]: { request: unknown; reply: unknown } };

/** Which of the two workers a thread is; its `workerData`. */
export type Role = 'writer' | 'reader';

export interface RequestMessage {
  readonly id: number;
  readonly name: string;
  readonly request: unknown;
}
export type ReplyMessage =
  | { readonly id: number; readonly reply: unknown }
  | { readonly id: number; readonly failure: FailureData };

/** Copies `values` into one buffer; the only copy that a value sees between its owner and SQLite. */
export function packValues(values: readonly (Uint8Array | null)[]): PackedValues {
  let total = 0;
  for (const value of values) total += value?.byteLength ?? 0;
  const bytes = new ArrayBuffer(total);
  const target = new Uint8Array(bytes);
  const sizes: number[] = [];
  let offset = 0;
  for (const value of values) {
    sizes.push(value?.byteLength ?? -1);
    if (value === null) continue;
    target.set(value, offset);
    offset += value.byteLength;
  }
  return { sizes, bytes };
}

/** The values as views of the packed buffer. */
export function unpackValues(packed: PackedValues): (Uint8Array | null)[] {
  let offset = 0;
  return packed.sizes.map((size) => {
    if (size < 0) return null;
    const view = new Uint8Array(packed.bytes, offset, size);
    offset += size;
    return view;
  });
}
