/** One process at a time owns a datastore directory. The kernel frees the lock when its holder ends, however it ends. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { TerminalError } from '../../core/errors.ts';
import { sqliteCode } from './failure.ts';

const BUSY = 5;

/**
 * Takes the lock of `directory`. It is held as SQLite's exclusive lock on an empty database, because Node has no
 * call for file locks and SQLite's are safe between threads and processes alike. Nothing else in the process may open
 * that file: closing any descriptor of it would free the lock (POSIX).
 * Throws a TerminalError of code DATASTORE_LOCKED that names the holder.
 */
export function lockDirectory(directory: string): Disposable {
  const path = join(directory, 'lock');
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Without a journal file, taking the lock needs no space: a server must be able to start on a full disk.
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (sqliteCode(error) !== BUSY) throw error;
    const holder = lockHolder(path);
    throw new TerminalError('DATASTORE_LOCKED', `the datastore in ${directory} is in use by ${holder.description}`, {
      cause: error,
      hint: holder.hint,
    });
  }
  return { [Symbol.dispose]: () => database.close() };
}

function lockHolder(path: string): { readonly description: string; readonly hint: string } {
  const pid = lockHolderPid(path);
  const other = 'give this server another --data-dir';
  if (pid === undefined) return { description: 'another server', hint: `stop the other server, or ${other}` };
  if (pid === process.pid)
    return { description: 'this very process', hint: `close the open datastore first, or ${other}` };
  return { description: `process ${pid}`, hint: `stop process ${pid}, or ${other}` };
}

/** Finds who holds a POSIX lock on the file, by its inode in /proc/locks (proc_locks(5)). */
function lockHolderPid(path: string): number | undefined {
  try {
    const inode = String(statSync(path).ino);
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const [, , , , pid, file] = line.trim().split(/\s+/);
      if (pid !== undefined && file?.split(':')[2] === inode) return Number(pid);
    }
    return undefined;
  } catch {
    return undefined; // Not Linux, or /proc is hidden: the message does without the number.
  }
}
