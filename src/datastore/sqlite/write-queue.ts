/**
 * Group commit: writes that come while transactions are under way go into the next one together, so that they share one
 * fsync. While one is committed the next may wait at the writing thread, which then need not wait for this one; they are
 * carried out and answered in their order.
 */
import { TerminalError, TransientError } from '../../core/errors.ts';
import type { BackendEvent, Revision, WriteResult } from '../backend.ts';
import { packValues, type WriteReply, type WriteRequest } from './protocol.ts';
import { unpackStates } from './states.ts';

/** Bounds; see docs/limits.md. */
export const VALUE_BYTES_MAX = 8 * 1024 * 1024;
export const KEY_UNITS_MAX = 4096;
const QUEUED_WRITES_MAX = 16_384;
const QUEUED_BYTES_MAX = 64 * 1024 * 1024;
const BATCH_WRITES_MAX = 512;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const BATCHES_UNDER_WAY_MAX = 2;

interface QueuedWrite {
  readonly key: string;
  readonly expected: Revision;
  readonly value: Uint8Array | null;
  /** Milliseconds since the epoch; 0 without a lease. */
  readonly expires: number;
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (error: unknown) => void;
}

export interface WriteQueueOptions {
  /** Commits a batch. */
  readonly commit: (request: WriteRequest, transfer: readonly ArrayBuffer[]) => Promise<WriteReply>;
  /** Is told of each commit before the writers are; `revision` is the store's. */
  readonly committed: (events: readonly BackendEvent[], reply: WriteReply) => void;
}

export class WriteQueue {
  readonly #options: WriteQueueOptions;
  #queue: QueuedWrite[] = [];
  #queuedBytes = 0;
  #scheduled = false;
  #underWay = 0;
  #idle = Promise.withResolvers<void>();

  constructor(options: WriteQueueOptions) {
    this.#options = options;
  }

  /** Resolves after the commit. Throws TransientError DATASTORE_OVERLOADED when too much waits already. */
  write(key: string, expected: Revision, value: Uint8Array | null, expires: number): Promise<WriteResult> {
    const refusal = refuse(key, value);
    if (refusal !== null) return Promise.reject(refusal);
    if (this.#queue.length >= QUEUED_WRITES_MAX || this.#queuedBytes + byteSize(value) > QUEUED_BYTES_MAX) {
      return Promise.reject(new TransientError('DATASTORE_OVERLOADED', 'too many writes wait for the disk'));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ key, expected, value, expires, resolve, reject });
      this.#queuedBytes += byteSize(value);
      this.#schedule();
    });
  }

  /** Resolves once every write that was accepted has its answer. */
  async drain(): Promise<void> {
    while (this.#underWay > 0 || this.#queue.length > 0) await this.#idle.promise;
  }

  /** The end of the event loop's turn lets all that this turn writes share the commit. */
  #schedule(): void {
    if (this.#scheduled || this.#underWay >= BATCHES_UNDER_WAY_MAX) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#commit(this.#take());
    });
  }

  #take(): readonly QueuedWrite[] {
    let bytes = 0;
    let count = 0;
    for (const write of this.#queue) {
      bytes += byteSize(write.value);
      if (count > 0 && (bytes > BATCH_BYTES_MAX || count >= BATCH_WRITES_MAX)) break;
      count += 1;
    }
    const batch = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    for (const write of batch) this.#queuedBytes -= byteSize(write.value);
    return batch;
  }

  async #commit(batch: readonly QueuedWrite[]): Promise<void> {
    this.#underWay += 1;
    try {
      const values = packValues(batch.map((write) => write.value));
      const request: WriteRequest = {
        keys: batch.map((write) => write.key),
        expected: batch.map((write) => write.expected),
        expires: batch.map((write) => write.expires),
        values,
      };
      const reply = await this.#options.commit(request, [values.bytes]);
      const { events, results } = outcome(batch, reply);
      this.#options.committed(events, reply);
      batch.forEach((write, i) => {
        const result = results[i];
        if (result !== undefined) write.resolve(result);
      });
    } catch (error) {
      for (const write of batch) write.reject(error);
    }
    this.#underWay -= 1;
    if (this.#queue.length > 0) this.#schedule();
    this.#idle.resolve();
    this.#idle = Promise.withResolvers<void>();
  }
}

function refuse(key: string, value: Uint8Array | null): TerminalError | null {
  if (key === '' || key.length > KEY_UNITS_MAX) {
    return new TerminalError('DATASTORE_KEY', `a key has 1 to ${KEY_UNITS_MAX} characters, this one ${key.length}`);
  }
  if (byteSize(value) <= VALUE_BYTES_MAX) return null;
  return new TerminalError(
    'DATASTORE_VALUE',
    `a value has at most ${VALUE_BYTES_MAX} bytes, this one ${byteSize(value)}`,
  );
}

function byteSize(value: Uint8Array | null): number {
  return value?.byteLength ?? 0;
}

/** Events and answers of a committed batch. */
function outcome(
  batch: readonly QueuedWrite[],
  reply: WriteReply,
): { readonly events: readonly BackendEvent[]; readonly results: readonly WriteResult[] } {
  const before = unpackStates(
    batch.map((write) => write.key),
    reply.before,
  );
  const events: BackendEvent[] = [];
  const results = batch.map(({ key, value }, i): WriteResult => {
    const revision = reply.revisions[i] ?? 0;
    const previous = before[i] ?? null;
    if (reply.outcomes[i] === 'conflict') return { ok: false, current: previous, revision };
    if (reply.outcomes[i] === 'unchanged') return { ok: true, revision };
    if (value !== null) {
      const createRevision = previous?.createRevision ?? revision;
      events.push({ type: 'put', kv: { key, value, createRevision, modRevision: revision }, previous });
    } else if (previous !== null) {
      events.push({ type: 'delete', key, revision, previous });
    }
    return { ok: true, revision };
  });
  return { events, results };
}
