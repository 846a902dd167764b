/** The connection that reads, beside the writer: what it sees is committed and durable. */
import type { DatabaseSync } from 'node:sqlite';
import type { Revision } from '../backend.ts';
import { RevisionRefused } from './failure.ts';
import { decodeKey, encodeKey } from './key.ts';
import type { ChangesReply, ChangesRequest, GetReply, ListReply, ListRequest } from './protocol.ts';
import { blob, integer, type Row, StateList } from './rows.ts';

/** A background checkpoint repeats while the writer has added more than so many frames meanwhile, but not for ever. */
const CHECKPOINT_FRAMES_LEFT = 64;
const CHECKPOINT_PASSES_MAX = 4;
/** A page of changes ends once it holds so many bytes of values. */
const CHANGES_BYTES_MAX = 8 * 1024 * 1024;

export class LogReader {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepare(database);
  }

  get(key: string, at: Revision | undefined): GetReply {
    return this.#snapshot(at, (revision, past) => {
      const bytes = encodeKey(key);
      const row = past
        ? this.#statements.getPast.get({ key: bytes, at: revision })
        : this.#statements.getStanding.get(bytes);
      const state = new StateList();
      if (row === undefined) state.pushAbsent();
      else pushRow(state, row as unknown as Row);
      return { revision, state: state.pack() };
    });
  }

  list(request: ListRequest): ListReply {
    return this.#snapshot(request.at, (revision, past) => {
      const start = encodeKey(firstKey(request));
      const end = encodeKey(request.end);
      // One row more than asked for tells whether there are more.
      const limit = request.limit === undefined ? -1 : request.limit + 1;
      const rows = past
        ? this.#statements.listPast.all({ start, end, at: revision, limit })
        : this.#statements.listStanding.all(start, end, limit);
      const more = request.limit !== undefined && rows.length > request.limit;
      if (more) rows.pop();
      const keys: string[] = [];
      const states = new StateList();
      for (const row of rows as unknown as Row[]) {
        pushRow(states, row);
        keys.push(decodeKey(blob(row[3])));
      }
      return { revision, keys, states: states.pack(), more };
    });
  }

  count(start: string, end: string): number {
    return integer(this.#statements.count.get(encodeKey(start), encodeKey(end))?.['count']);
  }

  /** The next changes of the log after `from` in the range, from a page of the log. */
  changes(request: ChangesRequest): ChangesReply {
    return this.#snapshot(undefined, (current, _past, boundary) => {
      if (request.from < boundary) throw new RevisionRefused('compacted', request.from, boundary);
      const last = this.#statements.scanEnd.get(request.from, request.scan)?.['through'];
      let through = typeof last === 'number' ? last : Math.max(current, request.from);
      const keys: string[] = [];
      const deleted: boolean[] = [];
      const after = new StateList();
      const before = new StateList();
      let bytes = 0;
      const range = { from: request.from, through, start: encodeKey(request.start), end: encodeKey(request.end) };
      for (const row of this.#statements.changes.iterate(range) as unknown as Iterable<Row>) {
        const [revision, created, value, key, gone, previous, previousCreated, previousValue] = row;
        keys.push(decodeKey(blob(key)));
        deleted.push(integer(gone) === 1);
        after.push(integer(revision), integer(created), value instanceof Uint8Array ? value : new Uint8Array());
        if (integer(previous) === 0) before.pushAbsent();
        else before.push(integer(previous), integer(previousCreated), blob(previousValue));
        bytes += sizeOf(value) + sizeOf(previousValue);
        if (bytes >= CHANGES_BYTES_MAX) {
          through = integer(revision);
          break;
        }
      }
      return { keys, deleted, after: after.pack(), before: before.pack(), through };
    });
  }

  /** Copies the write-ahead log into the database without holding the writer up; returns how many frames remain. */
  checkpoint(): number {
    for (let pass = 1; ; pass++) {
      const row = this.#statements.checkpoint.get();
      // The writer has gone on meanwhile; NOOP counts what it added.
      const state = this.#statements.walState.get();
      const remaining = integer(state?.['log']) - integer(state?.['checkpointed']);
      const stuck = integer(row?.['busy']) === 1;
      if (stuck || remaining <= CHECKPOINT_FRAMES_LEFT || pass === CHECKPOINT_PASSES_MAX) return remaining;
    }
  }

  close(): void {
    this.#database.close();
  }

  /**
   * Calls `read` in a transaction, so that all it sees is of one moment, with the revision to read at, whether that is
   * in the past, and the compaction boundary. Throws RevisionRefused when `at` is not kept.
   */
  #snapshot<T>(at: Revision | undefined, read: (revision: Revision, past: boolean, boundary: Revision) => T): T {
    this.#database.exec('BEGIN');
    try {
      const [newest, boundary] = this.#statements.bounds.get() as unknown as Row;
      const compacted = integer(boundary);
      const current = Math.max(integer(newest), compacted);
      if (at !== undefined && at > current) throw new RevisionRefused('future', at, current);
      if (at !== undefined && at < compacted) throw new RevisionRefused('compacted', at, compacted);
      return read(at ?? current, at !== undefined && at < current, compacted);
    } finally {
      // Nothing was written: ending the snapshot can't lose anything, whichever way the read went.
      this.#database.exec('ROLLBACK');
    }
  }
}

/** The least key that a page may hold: of the range, and beyond the page before. */
function firstKey({ start, after }: ListRequest): string {
  if (after === undefined || after < start) return start;
  return `${after}\0`;
}

function pushRow(states: StateList, row: Row): void {
  states.push(integer(row[0]), integer(row[1]), blob(row[2]));
}

function sizeOf(value: unknown): number {
  return value instanceof Uint8Array ? value.byteLength : 0;
}

type Statements = ReturnType<typeof prepare>;

/** Rows of both tables that stood at :at; no key is in both, as it stood at one revision. */
const STOOD = `
  SELECT key, revision FROM standing WHERE key >= :start AND key < :end AND revision <= :at
  UNION ALL
  SELECT key, revision FROM past WHERE key >= :start AND key < :end AND revision <= :at AND until > :at`;

function prepare(database: DatabaseSync) {
  const arrays = (sql: string) => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  };
  const columns = 's.revision, l.create_revision, l.value, s.key';
  const join = 'LEFT JOIN log l ON l.revision = s.revision';
  return {
    bounds: arrays('SELECT ifnull((SELECT max(revision) FROM log), 0), (SELECT boundary FROM compaction)'),
    getStanding: arrays(`SELECT ${columns} FROM standing s ${join} WHERE s.key = ?`),
    getPast: arrays(
      `SELECT ${columns} FROM (
         SELECT key, revision FROM standing WHERE key = :key AND revision <= :at
         UNION ALL SELECT key, revision FROM past WHERE key = :key AND revision <= :at AND until > :at
       ) s ${join}`,
    ),
    listStanding: arrays(
      `SELECT ${columns} FROM standing s ${join} WHERE s.key >= ? AND s.key < ? ORDER BY s.key LIMIT ?`,
    ),
    listPast: arrays(`SELECT ${columns} FROM (${STOOD} ORDER BY key LIMIT :limit) s ${join} ORDER BY s.key`),
    count: database.prepare('SELECT count(*) AS count FROM standing WHERE key >= ? AND key < ?'),
    scanEnd: database.prepare(
      'SELECT revision AS through FROM log WHERE revision > ? ORDER BY revision LIMIT 1 OFFSET ? - 1',
    ),
    changes: arrays(
      `SELECT l.revision, l.create_revision, l.value, l.key, l.deleted, l.previous_revision, p.create_revision, p.value
       FROM log l LEFT JOIN log p ON p.revision = l.previous_revision
       WHERE l.revision > :from AND l.revision <= :through AND l.key >= :start AND l.key < :end ORDER BY l.revision`,
    ),
    checkpoint: database.prepare('PRAGMA wal_checkpoint(PASSIVE)'),
    walState: database.prepare('PRAGMA wal_checkpoint(NOOP)'),
  };
}
