/**
 * The process that datastore-crash.ts kills. Waits for a line with the revision to watch from, opens the datastore, and
 * then tells on standard output, one line each and without a buffer of its own: `ready REVISION`, every change that its
 * watch sees (`seen REVISION KEY=VALUE`) and every write that was answered (`ack REVISION KEY=VALUE`).
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { errorCode } from '../../src/core/errors.ts';
import { prefixRange } from '../../src/datastore/backend.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';
import { keyOf, revisionOf } from '../../src/datastore/watch-hub.ts';

const WRITERS = 8;
const KEYS = 5;
/** Revisions behind the watcher's that stay readable. */
const KEPT = 500;
const directory = process.argv[2] ?? '';
const all = prefixRange('/');

for await (const line of createInterface({ input: process.stdin })) {
  await run(Number(line));
}

async function run(from: number): Promise<void> {
  const backend = await openSqliteBackend({ directory });
  const { revision, items } = await backend.list(all);
  say(`ready ${revision}`);
  const standing = new Map(items.map((kv) => [kv.key, kv.modRevision]));
  const write = async (writer: number) => {
    for (let i = 0; ; i++) {
      const key = `/${writer}/${i % KEYS}`;
      // Padding makes the values spread over several pages, so that a kill can tear one.
      const value = i % 7 === 6 ? null : `${process.pid}.${i}.${'x'.repeat((i % 3) * 1500)}`;
      const result = await backend.write(key, standing.get(key) ?? 0, value === null ? null : Buffer.from(value));
      if (!result.ok) throw new Error(`${key} stands at ${result.current?.modRevision}, not at ${standing.get(key)}`);
      const changed = value !== null || standing.has(key);
      if (value === null) standing.delete(key);
      else standing.set(key, result.revision);
      if (changed) say(`ack ${result.revision} ${key}=${value === null ? '' : short(value)}`);
    }
  };
  const watch = async () => {
    for await (const batch of backend.watch(all, from, new AbortController().signal)) {
      for (const event of batch) {
        const value = event.type === 'put' ? short(Buffer.from(event.kv.value).toString()) : '';
        say(`seen ${revisionOf(event)} ${keyOf(event)}=${value}`);
      }
    }
  };
  // The past that every earlier watcher has seen is compacted meanwhile, so that kills hit the removal too.
  const compaction = backend.compact(Math.max(0, from - KEPT));
  await Promise.all([compaction, watch(), ...Array.from({ length: WRITERS }, (_, i) => write(i))]);
}

const pause = new Int32Array(new SharedArrayBuffer(4));

function short(value: string): string {
  return value.replace(/\.x*$/, '');
}

/** Writes at once, so that what was said before a kill is known; a pipe that the parent reads too slowly is waited for. */
function say(line: string): void {
  const bytes = Buffer.from(`${line}\n`);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if (errorCode(error) !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}
