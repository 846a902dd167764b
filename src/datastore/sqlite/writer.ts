/** The only connection that changes the database: decides compare-and-set, ends leases, forgets what was compacted. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Revision } from '../backend.ts';
import { RevisionRefused } from './failure.ts';
import { decodeKey, encodeKey } from './key.ts';
import {
  type ExpireReply,
  type OpenReply,
  unpackValues,
  type WriteOutcome,
  type WriteReply,
  type WriteRequest,
} from './protocol.ts';
import { blob, integer, type Row, StateList } from './rows.ts';

/** Leases that one transaction ends at most. */
const EXPIRE_MAX = 256;
/** A step of the sweep looks at so many changes at most, and begins no further one after so many milliseconds. */
const SWEEP_CHANGES_MAX = 128;
const SWEEP_STEP_MS = 1;

interface Standing {
  readonly revision: Revision;
  readonly createRevision: Revision;
  readonly value: Uint8Array;
}

export class LogWriter {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  #revision: Revision;
  #compacted: Revision;
  #swept: Revision;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepare(database);
    const compaction = database.prepare('SELECT boundary, swept FROM compaction').get();
    this.#compacted = integer(compaction?.['boundary']);
    this.#swept = integer(compaction?.['swept']);
    const newest = database.prepare('SELECT ifnull(max(revision), 0) AS revision FROM log').get();
    // The newest change may have been a deletion that a compaction removed since.
    this.#revision = Math.max(integer(newest?.['revision']), this.#compacted);
  }

  /** True while the sweep has something left to remove. */
  get sweeping(): boolean {
    return this.#swept < this.#compacted;
  }

  opened(): OpenReply {
    return { revision: this.#revision, compacted: this.#compacted, nextExpiry: this.#nextExpiry() };
  }

  /** Carries out all writes in one durable transaction, each at a revision of its own; later ones see earlier ones. */
  write(request: WriteRequest): WriteReply {
    const outcomes: WriteOutcome[] = [];
    const revisions: Revision[] = [];
    const before = new StateList();
    const values = unpackValues(request.values);
    this.#transaction(() => {
      for (const [i, key] of request.keys.entries()) {
        const keyBytes = encodeKey(key);
        const standing = this.#standing(keyBytes);
        if (standing === null) before.pushAbsent();
        else before.push(standing.revision, standing.createRevision, standing.value);
        const value = values[i] ?? null;
        const outcome = decide(standing, request.expected[i], value);
        if (outcome === 'written') this.#change(keyBytes, standing, value, request.expires[i] ?? 0);
        outcomes.push(outcome);
        revisions.push(this.#revision);
      }
    });
    return { outcomes, revisions, before: before.pack(), walFrames: this.#walFrames() };
  }

  /** Deletes keys whose lease ended at or before `now`. Call again when `nextExpiry` is still not later than `now`. */
  expire(now: number): ExpireReply {
    const keys: string[] = [];
    const revisions: Revision[] = [];
    const before = new StateList();
    const expired = this.#statements.expired.all(now, EXPIRE_MAX);
    if (expired.length > 0) {
      this.#transaction(() => {
        for (const row of expired) {
          const keyBytes = blob(row['key']);
          const standing = this.#standing(keyBytes);
          if (standing === null) continue;
          this.#change(keyBytes, standing, null, 0);
          keys.push(decodeKey(keyBytes));
          revisions.push(this.#revision);
          before.push(standing.revision, standing.createRevision, standing.value);
        }
      });
    }
    return { keys, revisions, before: before.pack(), nextExpiry: this.#nextExpiry() };
  }

  /** Refuses the past before `to` from now on, durably; `sweep` then removes it. */
  compact(to: Revision): void {
    if (to > this.#revision) throw new RevisionRefused('future', to, this.#revision);
    if (to <= this.#compacted) return;
    this.#transaction(() => this.#statements.setBoundary.run(to));
    this.#compacted = to;
  }

  /** Removes a few compacted rows, in about SWEEP_STEP_MS, so that writers wait no longer than that. */
  sweep(): void {
    const started = performance.now();
    let swept = this.#swept;
    // What a crash undoes here the next start does again, so this transaction need not be durable by itself.
    this.#database.exec('PRAGMA synchronous = NORMAL');
    try {
      this.#transaction(() => {
        const rows = this.#statements.sweepable.all(swept, this.#compacted, SWEEP_CHANGES_MAX) as unknown as Row[];
        let complete = rows.length < SWEEP_CHANGES_MAX;
        for (const row of rows) {
          const [revision, key, previous, deleted] = row;
          swept = integer(revision);
          if (integer(previous) > 0) {
            this.#statements.removePast.run(blob(key), integer(previous));
            this.#statements.removeChange.run(integer(previous));
          }
          if (integer(deleted) === 1) this.#statements.removeChange.run(swept);
          if (performance.now() - started < SWEEP_STEP_MS) continue;
          complete = false;
          break;
        }
        if (complete) swept = this.#compacted;
        this.#statements.setSwept.run(swept);
      });
      this.#swept = swept;
    } finally {
      this.#database.exec('PRAGMA synchronous = FULL');
    }
  }

  /** Copies what is left of the write-ahead log, so that the next write starts it anew (if no reader is in it). */
  settle(): void {
    this.#statements.checkpoint.get();
  }

  close(): void {
    this.#database.close();
  }

  #standing(keyBytes: Uint8Array): Standing | null {
    const row = this.#statements.standing.get(keyBytes) as unknown as Row | undefined;
    if (row === undefined) return null;
    return { revision: integer(row[0]), createRevision: integer(row[1]), value: blob(row[2]) };
  }

  #change(keyBytes: Uint8Array, standing: Standing | null, value: Uint8Array | null, expires: number): void {
    const statements = this.#statements;
    this.#revision += 1;
    const revision = this.#revision;
    const previous = standing?.revision ?? 0;
    const created = standing?.createRevision ?? revision;
    statements.append.run(revision, keyBytes, value, created, previous, value === null ? 1 : 0);
    if (standing !== null) statements.addPast.run(keyBytes, previous, revision);
    if (value === null) statements.removeStanding.run(keyBytes);
    else if (standing === null) statements.addStanding.run(keyBytes, revision, expires > 0 ? expires : null);
    else statements.moveStanding.run(revision, expires > 0 ? expires : null, keyBytes);
  }

  /** Runs `work` in one transaction; when it fails nothing has happened, and no revision was used. */
  #transaction(work: () => void): void {
    const revision = this.#revision;
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#revision = revision;
      // SQLite rolls back by itself after some errors, a full disk among them.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #nextExpiry(): number | null {
    const next = this.#statements.nextExpiry.get()?.['next'];
    return typeof next === 'number' ? next : null;
  }

  /** Frames of the write-ahead log that no checkpoint has copied. */
  #walFrames(): number {
    const row = this.#statements.walState.get();
    return integer(row?.['log']) - integer(row?.['checkpointed']);
  }
}

function decide(standing: Standing | null, expected: Revision | undefined, value: Uint8Array | null): WriteOutcome {
  if ((standing?.revision ?? 0) !== expected) return 'conflict';
  return standing === null && value === null ? 'unchanged' : 'written';
}

type Statements = ReturnType<typeof prepare>;

function prepare(database: DatabaseSync) {
  return {
    standing: asArrays(
      database.prepare(
        `SELECT s.revision, l.create_revision, l.value
         FROM standing s LEFT JOIN log l ON l.revision = s.revision WHERE s.key = ?`,
      ),
    ),
    append: database.prepare('INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)'),
    addStanding: database.prepare('INSERT INTO standing VALUES (?, ?, ?)'),
    moveStanding: database.prepare('UPDATE standing SET revision = ?, expires = ? WHERE key = ?'),
    removeStanding: database.prepare('DELETE FROM standing WHERE key = ?'),
    addPast: database.prepare('INSERT INTO past VALUES (?, ?, ?)'),
    removePast: database.prepare('DELETE FROM past WHERE key = ? AND revision = ?'),
    removeChange: database.prepare('DELETE FROM log WHERE revision = ?'),
    sweepable: asArrays(
      database.prepare(
        `SELECT revision, key, previous_revision, deleted FROM log
         WHERE revision > ? AND revision <= ? ORDER BY revision LIMIT ?`,
      ),
    ),
    setBoundary: database.prepare('UPDATE compaction SET boundary = ?'),
    setSwept: database.prepare('UPDATE compaction SET swept = ?'),
    expired: database.prepare('SELECT key FROM standing WHERE expires <= ? ORDER BY expires LIMIT ?'),
    nextExpiry: database.prepare('SELECT min(expires) AS next FROM standing WHERE expires IS NOT NULL'),
    checkpoint: database.prepare('PRAGMA wal_checkpoint(PASSIVE)'),
    walState: database.prepare('PRAGMA wal_checkpoint(NOOP)'),
  };
}

/** Rows as arrays are made faster than objects. */
function asArrays(statement: StatementSync): StatementSync {
  statement.setReturnArrays(true);
  return statement;
}
