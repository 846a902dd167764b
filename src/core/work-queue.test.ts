import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffDelayMs } from './backoff.ts';
import { type Clock, systemClock } from './clock.ts';
import { createWorkQueue, type WorkQueue } from './work-queue.ts';

/** A clock that the test moves. */
function manualClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  return {
    ...systemClock,
    now: () => now,
    monotonic: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, callback };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    advance(ms) {
      now += ms;
      for (const timer of [...timers].filter(({ at }) => at <= now)) {
        timers.delete(timer);
        timer.callback();
      }
    },
  };
}

function queueOf(work: (key: string) => Promise<void>, clock: Clock = systemClock, capacity = 100): WorkQueue {
  const backoff = { baseMs: 10, capMs: 1000, jitter: 0 };
  return createWorkQueue({ work, concurrency: 2, clock, backoff, capacity });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a key that is added many times while it waits runs once', async () => {
  const ran: string[] = [];
  const queue = queueOf(async (key) => void ran.push(key));
  for (let i = 0; i < 5; i++) queue.add('a');
  await turn();
  assert.deepEqual(ran, ['a']);
  await queue.stop();
});

test('a key that is added while it runs runs once more afterwards, never at the same time', async () => {
  let running = 0;
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const again = Promise.withResolvers<void>();
  const queue = queueOf(async () => {
    assert.equal(++running, 1);
    if (++runs === 1) await gate.promise;
    else again.resolve();
    running--;
  });
  queue.add('a');
  await turn();
  queue.add('a');
  queue.add('a');
  gate.resolve();
  await again.promise;
  await queue.stop();
  assert.equal(runs, 2);
});

test('of several delays the shortest counts, and an add at once overtakes them', async () => {
  const clock = manualClock();
  const ran: number[] = [];
  const queue = queueOf(async () => void ran.push(clock.now()), clock);
  queue.addAfter('a', 500);
  queue.addAfter('a', 100);
  queue.addAfter('a', 900);
  clock.advance(100);
  await turn();
  clock.advance(1000);
  await turn();
  assert.deepEqual(ran, [100]);
  queue.addAfter('a', 50);
  queue.add('a');
  await turn();
  clock.advance(50);
  await turn();
  assert.deepEqual(ran, [100, 1100]);
  await queue.stop();
});

test('a full queue refuses keys that it does not hold yet', async () => {
  const queue = queueOf(async () => {}, manualClock(), 2);
  assert.equal(queue.addAfter('a', 10), true);
  assert.equal(queue.add('b'), true);
  assert.equal(queue.add('b'), true);
  assert.equal(queue.add('c'), false);
  await queue.stop();
});

test('failures are delayed ever longer until they are forgotten', async () => {
  const queue = queueOf(async () => {}, manualClock());
  assert.deepEqual([queue.addRateLimited('a'), queue.addRateLimited('a'), queue.addRateLimited('a')], [10, 20, 40]);
  queue.forget('a');
  assert.equal(queue.addRateLimited('a'), 10);
  await queue.stop();
});

test('stopping waits for what runs and starts nothing more', async () => {
  const gate = Promise.withResolvers<void>();
  const ran: string[] = [];
  const queue = queueOf(async (key) => {
    await gate.promise;
    ran.push(key);
  });
  for (const key of ['a', 'b', 'c']) queue.add(key);
  await turn();
  const stopped = queue.stop();
  gate.resolve();
  await stopped;
  assert.deepEqual(ran, ['a', 'b']);
});

test('a delay never exceeds its cap, and jitter only shortens it', () => {
  for (let attempt = 0; attempt < 2000; attempt += 7) {
    const delay = backoffDelayMs({ baseMs: 5, capMs: 1000, jitter: 0.5 }, attempt);
    assert.ok(delay <= 1000 && delay > 0);
  }
});
