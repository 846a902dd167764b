/**
 * The database file: its format, and how it is opened. Three tables make the store:
 * - `log` holds every change, in the order of revisions; watches and old values are read from it.
 * - `standing` says which row of the log stands under each key now; reads of the present and leases use it.
 * - `past` says which row stood under a key from `revision` until (not including) `until`; reads of the past use it.
 * A creation so touches one tree in key order, which is what makes writes cheap.
 */
import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { TerminalError } from '../../core/errors.ts';
import { corrupt } from './failure.ts';

/** "WHRY": marks the file as ours in its header. */
const APPLICATION_ID = 0x57485259;
const FORMAT = 1;

/** A larger file is not read through when it is opened; see docs/limits.md. */
const CHECKED_BYTES_MAX = 256 * 1024 * 1024;

/** How long a statement waits for a foreign program (sqlite3, a backup) that holds the database. */
const BUSY_TIMEOUT_MS = 5_000;

const SCHEMA = `
  CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    value BLOB,
    create_revision INTEGER NOT NULL,
    previous_revision INTEGER NOT NULL,
    deleted INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE standing (key BLOB PRIMARY KEY, revision INTEGER NOT NULL, expires INTEGER) STRICT, WITHOUT ROWID;
  CREATE INDEX standing_expires ON standing (expires) WHERE expires IS NOT NULL;
  CREATE TABLE past (
    key BLOB NOT NULL, revision INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (key, revision)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE compaction (boundary INTEGER NOT NULL, swept INTEGER NOT NULL) STRICT;
  INSERT INTO compaction VALUES (0, 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT};
`;

/** Opens the writing connection; makes the database when there is none. Throws what SQLite or a check throws. */
export function openForWriting(directory: string): DatabaseSync {
  const path = databasePath(directory);
  // The store holds Secrets, so nobody else may read it; the write-ahead log inherits the mode.
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    checkFormat(database, directory);
    // Checkpoints are made beside the writer (see backend.ts), so SQLite makes none of its own at a commit.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL');
    database.exec('PRAGMA cache_size = -8192');
    if (pragma(database, 'user_version') === 0) database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
    checkIntegrity(database, directory, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Opens a connection that reads, and that checkpoints the write-ahead log. `openForWriting` came before. */
export function openForReading(directory: string): DatabaseSync {
  const database = new DatabaseSync(databasePath(directory), { timeout: BUSY_TIMEOUT_MS });
  database.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; PRAGMA cache_size = -4096');
  return database;
}

export function databasePath(directory: string): string {
  return join(directory, 'state.db');
}

/** A pragma's single integer. */
export function pragma(database: DatabaseSync, name: string): number {
  const value = database.prepare(`PRAGMA ${name}`).get()?.[name];
  if (typeof value !== 'number') throw new TypeError(`PRAGMA ${name} gave no number`);
  return value;
}

function checkFormat(database: DatabaseSync, directory: string): void {
  const tables = database.prepare('SELECT count(*) AS count FROM sqlite_schema').get();
  const format = pragma(database, 'user_version');
  if (tables?.['count'] === 0 && format === 0) return;
  if (pragma(database, 'application_id') !== APPLICATION_ID) {
    throw new TerminalError('DATASTORE_FOREIGN', `the database in ${directory} was not made by Wherry`, {
      hint: 'move the file away, or use another --data-dir',
    });
  }
  if (format !== FORMAT) {
    throw new TerminalError(
      'DATASTORE_FORMAT',
      `the database in ${directory} has format ${format}; this version of Wherry knows format ${FORMAT}`,
      { hint: 'run the version of Wherry that wrote it, or a newer one' },
    );
  }
}

function checkIntegrity(database: DatabaseSync, directory: string, path: string): void {
  if (statSync(path).size > CHECKED_BYTES_MAX) return;
  const row = database.prepare('PRAGMA quick_check(1)').get();
  const finding = row?.['quick_check'];
  if (finding !== 'ok') throw corrupt(directory, new Error(String(finding)));
}
