/** kill -9 at random moments: what was acknowledged stands, and watchers that come back see every change once. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prefixRange } from '../../src/datastore/backend.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';

const CHILD = fileURLToPath(new URL('./datastore-crash-child.ts', import.meta.url));
/** A process lives at most so long once it has opened the store; the kill comes at a random moment of it. */
const LIFE_MS_MAX = 40;
/** One process in so many is killed while it opens the store. */
const KILLED_AT_OPENING = 8;
const OPENING_MS_MAX = 60;

/** What all processes have told, taken together. */
class Testimony {
  /** What was changed at a revision; a second, different claim is a revision that was used twice. */
  readonly changes = new Map<number, string>();
  readonly acknowledged = new Set<number>();
  lastSeen = 0;
  rounds = 0;

  take(line: string): void {
    const [kind, number, change = ''] = line.split(' ');
    const revision = Number(number);
    if (kind === 'ready') {
      const newest = Math.max(0, this.lastSeen, ...[...this.acknowledged].slice(-64));
      assert.ok(revision >= newest, `the store came back at ${revision}, but ${newest} had been acknowledged or seen`);
      this.rounds += 1;
      return;
    }
    assert.equal(this.changes.get(revision) ?? change, change, `revision ${revision} is used once`);
    this.changes.set(revision, change);
    if (kind === 'ack') {
      assert.ok(!this.acknowledged.has(revision), `revision ${revision} is acknowledged once`);
      this.acknowledged.add(revision);
      return;
    }
    assert.equal(kind, 'seen');
    // SQLite's revisions have no gaps, so a watcher that comes back goes on at the next one.
    assert.equal(revision, this.lastSeen + 1, 'a watcher sees every change once, in order');
    this.lastSeen = revision;
  }
}

/** Kills as many processes, one after another, on one datastore; checks all they said. Returns the numbers of it. */
export async function crashRounds(rounds: number): Promise<{ readonly acknowledged: number; readonly seen: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'wherry-crash-'));
  const children = new Set<ChildProcess>();
  const start = () => {
    const child = spawn(process.execPath, [CHILD, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.add(child);
    return child;
  };
  try {
    const testimony = new Testimony();
    let child = start();
    for (let round = 0; round < rounds; round++) {
      // The next process starts meanwhile, up to where it opens the store.
      const next = start();
      await oneLife(child, testimony, round);
      children.delete(child);
      child = next;
    }
    await checkStore(directory, testimony);
    assert.ok(testimony.rounds >= rounds / 2, 'most processes came to write');
    return { acknowledged: testimony.acknowledged.size, seen: testimony.lastSeen };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(
      [...children].map((child) => (child.exitCode ?? child.signalCode) === null && once(child, 'exit')),
    );
    await rm(directory, { recursive: true, force: true });
  }
}

async function oneLife(child: ChildProcess, testimony: Testimony, round: number): Promise<void> {
  const { stdin, stdout } = child;
  assert.ok(stdin !== null && stdout !== null);
  const killAfter = (ms: number) => setTimeout(() => child.kill('SIGKILL'), ms);
  stdin.on('error', () => {}); // The process may be killed before it has read.
  stdin.write(`${testimony.lastSeen}\n`);
  let timer =
    round % KILLED_AT_OPENING === KILLED_AT_OPENING - 1 ? killAfter(Math.random() * OPENING_MS_MAX) : undefined;
  let rest = '';
  stdout.setEncoding('utf8');
  for await (const chunk of stdout) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) testimony.take(line);
    timer ??= killAfter(Math.random() * LIFE_MS_MAX);
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  clearTimeout(timer);
  assert.equal(child.signalCode, 'SIGKILL', 'the process ended because it was killed, not by itself');
}

/** What the store holds in the end is what the changes make, one after another. */
async function checkStore(directory: string, testimony: Testimony): Promise<void> {
  await using backend = await openSqliteBackend({ directory });
  const { revision, items } = await backend.list(prefixRange('/'));
  const newest = Math.max(...testimony.acknowledged);
  assert.ok(revision >= newest, 'the newest acknowledged write is there');
  // What was committed and never told is seen by the last watcher only.
  if (revision > testimony.lastSeen) {
    const signal = AbortSignal.timeout(20_000);
    for await (const batch of backend.watch(prefixRange('/'), testimony.lastSeen, signal)) {
      for (const event of batch) {
        if (event.type === 'put')
          testimony.take(`seen ${event.kv.modRevision} ${event.kv.key}=${short(event.kv.value)}`);
        else testimony.take(`seen ${event.revision} ${event.key}=`);
      }
      if (testimony.lastSeen >= revision) break;
    }
  }
  assert.equal(testimony.lastSeen, revision);
  for (const acknowledged of testimony.acknowledged) assert.ok(acknowledged <= revision);
  assert.equal(testimony.changes.size, revision, 'every revision was told, so every acknowledged write is in the log');
  const expected = new Map<string, string>();
  for (let i = 1; i <= revision; i++) {
    const [key = '', value = ''] = testimony.changes.get(i)?.split('=') ?? [];
    if (value === '') expected.delete(key);
    else expected.set(key, value);
  }
  assert.deepEqual(new Map(items.map((kv) => [kv.key, short(kv.value)])), new Map([...expected].sort()));
}

function short(value: Uint8Array): string {
  return Buffer.from(value).toString().replace(/\.x*$/, '');
}
