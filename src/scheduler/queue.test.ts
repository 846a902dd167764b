import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../core/clock.ts';
import type { Pod } from '../kube/types.gen.ts';
import { SchedulingQueue } from './queue.ts';

/** A clock that moves only when told to. */
function manualClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  const timers = new Set<{ at: number; callback: () => void }>();
  return {
    now: () => now,
    monotonic: () => now,
    sleep: () => Promise.reject(new Error('not used')),
    after(ms, callback) {
      const timer = { at: now + ms, callback };
      timers.add(timer);
      return { [Symbol.dispose]: () => timers.delete(timer) };
    },
    advance(ms) {
      now += ms;
      for (const timer of [...timers].filter((t) => t.at <= now)) {
        timers.delete(timer);
        timer.callback();
      }
    },
  };
}

const pod = (name: string, priority = 0): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [], priority },
});
const never = new AbortController().signal;

test('higher priority comes first, then who waits longest', async () => {
  const clock = manualClock();
  const queue = new SchedulingQueue(clock);
  queue.add('a', pod('a'));
  clock.advance(1);
  queue.add('b', pod('b'));
  queue.add('c', pod('c', 5));
  const order = [await queue.next(never), await queue.next(never), await queue.next(never)];
  assert.deepEqual(
    order.map((o) => o.key),
    ['c', 'a', 'b'],
  );
});

test('a parked pod waits for a change and then for its back-off', async () => {
  const clock = manualClock();
  const queue = new SchedulingQueue(clock);
  queue.add('a', pod('a'));
  await queue.next(never);
  queue.park('a');
  let got: string | undefined;
  const waiting = queue.next(never).then(({ key }) => {
    got = key;
  });
  clock.advance(2_000);
  await Promise.resolve();
  assert.equal(got, undefined, 'nothing changed');
  queue.moveAll();
  await waiting;
  assert.equal(got, 'a');
});

test('a change during an attempt is not lost', async () => {
  const clock = manualClock();
  const queue = new SchedulingQueue(clock);
  queue.add('a', pod('a'));
  await queue.next(never);
  queue.moveAll();
  queue.park('a');
  clock.advance(1_001);
  assert.equal((await queue.next(never)).key, 'a');
});

test('an abort ends the wait', async () => {
  const abort = new AbortController();
  const waiting = new SchedulingQueue(manualClock()).next(abort.signal);
  abort.abort(new Error('stop'));
  await assert.rejects(waiting, /stop/);
});
