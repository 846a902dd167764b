import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import { fixedTime, isBefore, parseCriLogLine } from './cri-log.ts';
import { type LogOptions, readLog } from './read-log.ts';

const all: LogOptions = { follow: false, timestamps: false, stream: 'All' };
const line = (text: string, second = 1, stream = 'stdout', tag = 'F') =>
  `2026-01-02T03:04:${String(second).padStart(2, '0')}.5Z ${stream} ${tag} ${text}\n`;

async function logFile(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-log-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, '0.log');
  await writeFile(path, text);
  return path;
}

function read(
  path: string,
  options: Partial<LogOptions>,
  isRunning = () => false,
  signal = AbortSignal.timeout(20_000),
) {
  return readLog({ path, isRunning, clock: systemClock, signal }, { ...all, ...options });
}

async function text(chunks: AsyncIterable<Buffer>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(chunks)).toString();
}

test('a line of the log is taken apart; what is not of its form is left out', () => {
  const entry = parseCriLogLine(Buffer.from('2026-01-02T03:04:05.6Z stderr P:x  two  spaces'));
  assert.deepEqual([entry?.stream, entry?.isPartial, entry?.text.toString()], ['stderr', true, ' two  spaces']);
  assert.equal(parseCriLogLine(Buffer.from('2026-01-02T03:04:05Z stdout F'))?.text.length, 0);
  for (const bad of ['', 'x', 'a b c d', '2026-01-02T03:04:05Z stdin F x'])
    assert.equal(parseCriLogLine(Buffer.from(bad)), undefined);
  assert.equal(fixedTime('2026-01-02T03:04:05.6Z'), '2026-01-02T03:04:05.600000000Z');
  assert.ok(isBefore('2026-01-02T03:04:05.000000001Z', '2026-01-02T04:04:05.000000002+01:00'));
});

test('parts of a long line come together again, with one timestamp', async (t) => {
  const path = await logFile(t, line('one ', 1, 'stdout', 'P') + line('line', 2) + line('next', 3));
  assert.equal(await text(read(path, {})), 'one line\nnext\n');
  assert.match(await text(read(path, { timestamps: true })), /^\S+ one line\n\S+ next\n$/);
});

test('tail, since, limit and stream choose', async (t) => {
  const many = Array.from({ length: 3000 }, (_, index) => line(`line ${index} ${'x'.repeat(50)}`, index % 60)).join('');
  const path = await logFile(t, many + line('late', 59, 'stderr'));
  assert.equal((await text(read(path, { tailLines: 2000 }))).split('\n').length, 2001);
  assert.equal(await text(read(path, { tailLines: 1 })), 'late\n');
  assert.equal(await text(read(path, { tailLines: 0 })), '');
  assert.equal((await text(read(path, {}))).split('\n').length, 3002);
  assert.equal(await text(read(path, { stream: 'Stderr' })), 'late\n');
  assert.equal((await text(read(path, { limitBytes: 1001 }))).length, 1001);
  assert.equal(await text(read(path, { since: '2026-01-02T03:05:00Z' })), '');
  assert.equal(await text(read(join(path, '..', 'none.log'), {})), '');
});

test('a follower goes on in the next file when the log is rotated, and ends with the container', async (t) => {
  const path = await logFile(t, line('first'));
  let isRunning = true;
  const followed = read(path, { follow: true }, () => isRunning);
  const next = async () => String((await followed.next()).value);
  assert.equal(await next(), 'first\n');
  await appendFile(path, line('second').slice(0, 10));
  await appendFile(path, line('second').slice(10));
  assert.equal(await next(), 'second\n');
  await appendFile(path, line('third'));
  await rename(path, `${path}.20260102-030405`);
  await writeFile(path, line('fourth'));
  assert.deepEqual([await next(), await next()], ['third\n', 'fourth\n']);
  const waiting = followed.next();
  isRunning = false;
  await appendFile(path, line('last'));
  assert.equal(String((await waiting).value), 'last\n');
  assert.equal((await followed.next()).done, true);
});

test('a follower whose reader leaves ends at once', async (t) => {
  const path = await logFile(t, '');
  const abort = new AbortController();
  const waiting = read(path, { follow: true }, () => true, abort.signal).next();
  abort.abort(new Error('gone'));
  await assert.rejects(waiting, /gone/);
});
