/**
 * Measures the SQLite datastore: durable creates, updates and deletes with concurrent writers, reads beside them, and how
 * long a compaction holds writers up. Prints one line a measurement. Takes about half a minute.
 *
 *     node test/bench/datastore.ts [directory]
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '../../src/datastore/backend.ts';
import { prefixRange } from '../../src/datastore/backend.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';

const WRITERS = 16;
const SECONDS = 4;
const value = randomBytes(1024);

const directory = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'wherry-bench-'));
try {
  await using backend = await openSqliteBackend({ directory });
  let serial = 0;
  await measure('create, names in order', (i) => create(backend, `/order/${i}/${String(serial++).padStart(9, '0')}`));
  await measure('create, random names', () => create(backend, `/random/${randomUUID()}`));
  await measure('update, 2000 keys', updates(backend));
  await measureReads(backend);
  await measureCompaction(backend);
  console.log(`resident memory: ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`);
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function create(backend: Backend, key: string): Promise<void> {
  const result = await backend.write(key, 0, value);
  if (!result.ok) throw new Error(`${key} exists`);
}

/** Each writer owns some keys and changes them in turn. */
function updates(backend: Backend): (writer: number) => Promise<void> {
  const revisions = new Map<string, number>();
  const turns = new Array<number>(WRITERS).fill(0);
  return async (writer) => {
    const turn = turns[writer] ?? 0;
    turns[writer] = turn + 1;
    const key = `/updates/${writer}/${turn % (2000 / WRITERS)}`;
    const result = await backend.write(key, revisions.get(key) ?? 0, value);
    if (!result.ok) throw new Error(`${key} was changed by somebody else`);
    revisions.set(key, result.revision);
  };
}

async function measure(
  name: string,
  operation: (worker: number) => Promise<unknown>,
  workers = WRITERS,
): Promise<number[]> {
  const latencies: number[] = [];
  const started = performance.now();
  const until = started + SECONDS * 1000;
  const work = async (worker: number) => {
    for (let begun = performance.now(); begun < until; ) {
      await operation(worker);
      const ended = performance.now();
      latencies.push(ended - begun);
      begun = ended;
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
  const rate = Math.round((latencies.length / (performance.now() - started)) * 1000);
  latencies.sort((a, b) => a - b);
  const at = (part: number) => (latencies[Math.floor((latencies.length - 1) * part)] ?? 0).toFixed(2);
  console.log(`${name}: ${rate}/s; ms p50 ${at(0.5)} p99 ${at(0.99)} p99.9 ${at(0.999)} max ${at(1)}`);
  return latencies;
}

async function measureReads(backend: Backend): Promise<void> {
  const range = prefixRange('/updates/');
  const { items } = await backend.list(range);
  const keys = items.map((kv) => kv.key);
  let turn = 0;
  await measure('get', () => backend.get(keys[turn++ % keys.length] ?? ''));
  await measure('list of 500', () => backend.list(range, undefined, { limit: 500 }), 2);
}

async function measureCompaction(backend: Backend): Promise<void> {
  const revision = await backend.currentRevision();
  const started = performance.now();
  let compactedMs = 0;
  void backend.compact(revision).then(() => {
    compactedMs = performance.now() - started;
  });
  let serial = 0;
  await measure('create beside a compaction', (i) => create(backend, `/compaction/${i}/${serial++}`), 1);
  console.log(`compaction of ${revision} revisions: ${Math.round(compactedMs)} ms`);
}
