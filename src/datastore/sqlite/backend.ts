/**
 * The default datastore: one SQLite database in a directory, owned by one process. All SQL runs in two threads: one
 * writes (group commit, one fsync a batch), the other reads and checkpoints beside it.
 * docs/adr/0001-sqlite-log-datastore.md says why it is made so.
 */
import { mkdir } from 'node:fs/promises';
import { type Clock, systemClock } from '../../core/clock.ts';
import { describeError, TransientError } from '../../core/errors.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type {
  Backend,
  BackendEvent,
  GetResult,
  KeyRange,
  ListResult,
  Page,
  Revision,
  WriteResult,
} from '../backend.ts';
import { type ChangesPage, WatchHub } from '../watch-hub.ts';
import { WorkerChannel } from './channel.ts';
import { classifyFailure } from './failure.ts';
import { LeaseTimer } from './lease-timer.ts';
import type { OpenReply, ReaderCalls, WriterCalls } from './protocol.ts';
import { expiryEvents, logEvents, unpackStates } from './states.ts';
import { WriteQueue } from './write-queue.ts';

export interface SqliteBackendOptions {
  /** Made when absent, readable by the owner only. Nothing else may live in it. */
  readonly directory: string;
  readonly clock?: Clock;
  readonly log?: Log;
}

/** The write-ahead log is copied to the database once it holds this many frames (of 4 KiB). */
const CHECKPOINT_FRAMES = 512;
/** The writer copies the rest by itself when the background left no more than this, in a few milliseconds. */
const SETTLE_FRAMES = 256;
/** A log that grew to this size is settled at whatever cost, so that it never fills the disk. */
const SETTLE_ALWAYS_FRAMES = 16_384;
/** Changes of the log that one page of a watch's history looks through. */
const CHANGES_SCAN = 2_000;
/** Reads that may wait for the reading thread. */
const READS_MAX = 10_000;

/**
 * Opens the datastore in `directory`. Throws a WherryError that says what to do, of code DATASTORE_LOCKED (another
 * process has it open), DATASTORE_CORRUPT, DATASTORE_FOREIGN, DATASTORE_FORMAT, DATASTORE_PERMISSION, DATASTORE_FULL,
 * DATASTORE_BUSY or DATASTORE_IO.
 */
export async function openSqliteBackend(options: SqliteBackendOptions): Promise<Backend> {
  const { directory } = options;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw classifyFailure(error, directory);
  }
  const writer = new WorkerChannel<WriterCalls>('writer');
  const reader = new WorkerChannel<ReaderCalls>('reader');
  try {
    const opened = await writer.call('open', { directory });
    await reader.call('open', { directory });
    return new SqliteBackend(options, writer, reader, opened);
  } catch (error) {
    await Promise.all([writer.terminate(), reader.terminate()]);
    throw error;
  }
}

class SqliteBackend implements Backend {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #writer: WorkerChannel<WriterCalls>;
  readonly #reader: WorkerChannel<ReaderCalls>;
  readonly #hub: WatchHub;
  readonly #queue: WriteQueue;
  readonly #leases: LeaseTimer;
  /** The newest revision that a read has shown; the thread that reads may see a commit before its answer is here. */
  #seen: Revision;
  #checkpointing: Promise<void> | null = null;
  #closing: Promise<void> | null = null;

  constructor(
    options: SqliteBackendOptions,
    writer: WorkerChannel<WriterCalls>,
    reader: WorkerChannel<ReaderCalls>,
    opened: OpenReply,
  ) {
    this.#clock = options.clock ?? systemClock;
    this.#log = (options.log ?? silentLog).child({ room: 'datastore' });
    this.#writer = writer;
    this.#reader = reader;
    this.#seen = opened.revision;
    this.#hub = new WatchHub({
      revision: opened.revision,
      compacted: opened.compacted,
      readChanges: (range, from) => this.#readChanges(range, from),
    });
    this.#queue = new WriteQueue({
      commit: (request, transfer) => this.#writer.call('write', request, transfer),
      committed: (events, reply) => {
        this.#hub.publish(events);
        this.#checkpointSoon(reply.walFrames);
      },
    });
    this.#leases = new LeaseTimer({
      clock: this.#clock,
      expire: (now) => this.#expire(now),
      onError: (error) => this.#log.error('ended leases could not be deleted', { error }),
    });
    // Neither thread ends by itself; should one, the watches must not wait for changes that will never come.
    for (const { exited } of [writer, reader]) void exited.then((error) => this.#hub.close(error));
    if (opened.nextExpiry !== null) this.#leases.add(opened.nextExpiry);
    if (opened.compacted > 0) void this.#resumeSweep(opened.compacted);
  }

  async currentRevision(): Promise<Revision> {
    this.#refuseWhenClosed();
    return Math.max(this.#hub.revision, this.#seen);
  }

  async get(key: string, at?: Revision): Promise<GetResult> {
    this.#admitRead();
    const { revision, state } = await this.#reader.call('get', { key, at });
    this.#saw(revision);
    return { revision, kv: unpackStates([key], state)[0] ?? null };
  }

  async list(range: KeyRange, at?: Revision, page?: Page): Promise<ListResult> {
    this.#admitRead();
    const request = { start: range.start, end: range.end, at, after: page?.after, limit: page?.limit };
    const { revision, keys, states, more } = await this.#reader.call('list', request);
    this.#saw(revision);
    return { revision, items: unpackStates(keys, states).filter((kv) => kv !== null), more };
  }

  async count(range: KeyRange): Promise<number> {
    this.#admitRead();
    return await this.#reader.call('count', { start: range.start, end: range.end });
  }

  async write(key: string, expected: Revision, value: Uint8Array | null, leaseSeconds?: number): Promise<WriteResult> {
    this.#refuseWhenClosed();
    const leased = leaseSeconds !== undefined && value !== null;
    const expires = leased ? Math.ceil(this.#clock.now() + leaseSeconds * 1000) : 0;
    const result = await this.#queue.write(key, expected, value, expires);
    if (leased && result.ok) this.#leases.add(expires);
    return result;
  }

  watch(range: KeyRange, from: Revision, signal: AbortSignal): AsyncIterable<readonly BackendEvent[]> {
    this.#refuseWhenClosed();
    return this.#hub.watch(range, from, signal);
  }

  async compact(to: Revision): Promise<void> {
    this.#refuseWhenClosed();
    await this.#writer.call('compact', { to });
    this.#hub.compacted(to);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Answers every write that was accepted, then ends watches and threads. */
  async #close(): Promise<void> {
    this.#leases[Symbol.dispose]();
    await this.#queue.drain();
    this.#hub.close(closedError());
    await this.#checkpointing;
    try {
      // The last connection that is closed copies the write-ahead log, so the writer's goes first, with what it knows.
      await Promise.all([this.#reader.call('close', null), this.#writer.call('close', null)]);
      await Promise.all([this.#reader.exited, this.#writer.exited]);
    } finally {
      await Promise.all([this.#reader.terminate(), this.#writer.terminate()]);
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closing !== null) throw closedError();
  }

  #admitRead(): void {
    this.#refuseWhenClosed();
    if (this.#reader.openCalls < READS_MAX) return;
    throw new TransientError('DATASTORE_OVERLOADED', 'too many reads wait for the datastore');
  }

  #saw(revision: Revision): void {
    if (revision > this.#seen) this.#seen = revision;
  }

  async #readChanges(range: KeyRange, from: Revision): Promise<ChangesPage> {
    this.#admitRead();
    const request = { start: range.start, end: range.end, from, scan: CHANGES_SCAN };
    const reply = await this.#reader.call('changes', request);
    this.#saw(reply.through);
    return { events: logEvents(reply), through: reply.through };
  }

  async #expire(now: number): Promise<number | null> {
    const reply = await this.#writer.call('expire', { now });
    this.#hub.publish(expiryEvents(reply));
    return reply.nextExpiry;
  }

  /** Goes on with the removal that a former process began. */
  async #resumeSweep(to: Revision): Promise<void> {
    try {
      await this.#writer.call('compact', { to });
    } catch (error) {
      this.#log.warn('the removal of compacted revisions stopped; the next compaction goes on', { error });
    }
  }

  #checkpointSoon(walFrames: number): void {
    if (walFrames < CHECKPOINT_FRAMES || this.#checkpointing !== null || this.#closing !== null) return;
    this.#checkpointing = this.#checkpoint(walFrames).finally(() => {
      this.#checkpointing = null;
    });
  }

  /** Copies the write-ahead log beside the writer, who does the short rest, after which the log starts anew. */
  async #checkpoint(walFrames: number): Promise<void> {
    try {
      const { remaining } = await this.#reader.call('checkpoint', null);
      if (remaining <= SETTLE_FRAMES || walFrames >= SETTLE_ALWAYS_FRAMES) await this.#writer.call('settle', null);
    } catch (error) {
      // A full disk: nothing is lost, the log grows until a later checkpoint succeeds.
      this.#log.warn(`checkpoint failed: ${describeError(error)}`);
    }
  }
}

function closedError(): TransientError {
  return new TransientError('DATASTORE_CLOSED', 'the datastore is closed');
}
