/** How SQLite's errors become errors that an operator can act on, and how they travel between threads. */
import { statfsSync } from 'node:fs';
import { describeError, errorCode, TerminalError, TransientError, toError, WherryError } from '../../core/errors.ts';
import { RevisionError } from '../backend.ts';

/** An error as plain data. */
export type FailureData =
  | {
      readonly kind: 'revision';
      readonly reason: RevisionError['reason'];
      readonly requested: number;
      readonly boundary: number;
    }
  | {
      readonly kind: 'transient' | 'terminal';
      readonly code: string;
      readonly message: string;
      readonly hint: string | undefined;
      readonly cause: string;
    };

/** Thrown inside a worker where the main thread will throw RevisionError. */
export class RevisionRefused extends Error {
  readonly reason: RevisionError['reason'];
  readonly requested: number;
  readonly boundary: number;

  constructor(reason: RevisionError['reason'], requested: number, boundary: number) {
    super(`revision ${requested} is refused: ${reason}`);
    this.reason = reason;
    this.requested = requested;
    this.boundary = boundary;
  }
}

/** A column does not hold what the format says; a row that another one refers to is missing. */
export class DamagedRow extends Error {
  constructor(expected: string, found: unknown) {
    super(`a row holds ${found === null || found === undefined ? 'nothing' : typeof found} where ${expected} must be`);
  }
}

/** SQLite's primary result codes (https://sqlite.org/rescode.html). */
const PERM = 3;
const BUSY = 5;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** With less than this many bytes free an input/output error is taken for a full disk. */
const FULL_DISK_BYTES = 256 * 1024;

const PERMISSION_CODES = new Set(['EACCES', 'EPERM', 'EROFS']);

/** Names the cause of a failed operation on the datastore in `directory`. */
export function classifyFailure(thrown: unknown, directory: string): WherryError {
  if (thrown instanceof WherryError) return thrown;
  const primary = sqliteCode(thrown);
  const system = errorCode(thrown);
  if (primary === FULL || system === 'ENOSPC' || (primary === IOERR && diskIsFull(directory))) {
    return new TransientError('DATASTORE_FULL', `no space is left for the datastore in ${directory}`, {
      cause: thrown,
      hint: 'free space on that file system; writes work again at once',
    });
  }
  if (primary === CORRUPT || primary === NOTADB || thrown instanceof DamagedRow) return corrupt(directory, thrown);
  if (
    primary === PERM ||
    primary === READONLY ||
    primary === CANTOPEN ||
    (system !== undefined && PERMISSION_CODES.has(system))
  ) {
    return new TerminalError('DATASTORE_PERMISSION', `the datastore in ${directory} can't be opened for writing`, {
      cause: thrown,
      hint: 'run as root, or give this user the directory and the files in it; the file system must be mounted read-write',
    });
  }
  if (primary === BUSY) {
    return new TransientError('DATASTORE_BUSY', `another program holds the database in ${directory}`, {
      cause: thrown,
      hint: 'end programs that have the database open (sqlite3, a backup)',
    });
  }
  if (primary === IOERR) {
    return new TransientError('DATASTORE_IO', `the disk refused to read or write the datastore in ${directory}`, {
      cause: thrown,
      hint: 'look for disk errors in the kernel log (dmesg)',
    });
  }
  return new TerminalError('DATASTORE_FAILED', `the datastore in ${directory} failed`, { cause: thrown });
}

/** The database's content breaks its own rules. */
export function corrupt(directory: string, cause: unknown): TerminalError {
  return new TerminalError('DATASTORE_CORRUPT', `the database in ${directory} is damaged`, {
    cause,
    hint: 'restore the directory from a backup, or move it away to begin with an empty cluster',
  });
}

/** Turns what a worker's call threw into data. */
export function packFailure(thrown: unknown, directory: string): FailureData {
  if (thrown instanceof RevisionRefused) {
    return { kind: 'revision', reason: thrown.reason, requested: thrown.requested, boundary: thrown.boundary };
  }
  const error = classifyFailure(thrown, directory);
  return {
    kind: error instanceof TransientError ? 'transient' : 'terminal',
    code: error.code,
    message: error.message,
    hint: error.hint,
    cause: error.cause === undefined ? '' : describeError(error.cause),
  };
}

/** Turns data back into the error that callers see. */
export function unpackFailure(failure: FailureData): Error {
  if (failure.kind === 'revision') return new RevisionError(failure.reason, failure.requested, failure.boundary);
  const options = {
    ...(failure.cause === '' ? {} : { cause: new Error(failure.cause) }),
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
  };
  return failure.kind === 'transient'
    ? new TransientError(failure.code, failure.message, options)
    : new TerminalError(failure.code, failure.message, options);
}

/** The primary SQLite result code of an error from node:sqlite, undefined for other errors. */
export function sqliteCode(thrown: unknown): number | undefined {
  const error = toError(thrown);
  if (!('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

function diskIsFull(directory: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize < FULL_DISK_BYTES;
  } catch {
    return false; // The directory itself can't be read: then the input/output error is the better story.
  }
}
