import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import { createTurns } from './turns.ts';

const { signal } = new AbortController();

test('no more works run than there is room for, and those of the lowest order go first', async () => {
  const turns = createTurns({ width: 1 });
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const work = (name: string) => async () => void order.push(name);
  const all = [
    turns.take(9, signal, () => first.promise),
    turns.take(3, signal, work('third')),
    turns.take(1, signal, work('first')),
    turns.take(3, signal, work('fourth')),
    turns.take(2, signal, work('second')),
  ];
  first.resolve();
  await Promise.all(all);
  assert.deepEqual(order, ['first', 'second', 'third', 'fourth']);
});

test('a work that is given up or fails makes room', async () => {
  const turns = createTurns({ width: 1 });
  const aborter = new AbortController();
  const first = Promise.withResolvers<void>();
  const running = turns.take(0, signal, () => first.promise);
  const givenUp = turns.take(0, aborter.signal, async () => assert.fail('it was given up'));
  aborter.abort(new Error('given up'));
  await assert.rejects(givenUp, /given up/);
  first.reject(new Error('failed'));
  await assert.rejects(running, /failed/);
  assert.equal(await turns.take(0, signal, async () => 1), 1);
});

test('a work that hangs loses its place, and its end frees no second one', async () => {
  const timers: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    after(_ms, callback) {
      timers.push(callback);
      return { [Symbol.dispose]() {} };
    },
  };
  const turns = createTurns({ width: 1, patience: { ms: 2000, clock } });
  const hangs = Promise.withResolvers<string>();
  const hanging = turns.take(0, signal, () => hangs.promise);
  const second = Promise.withResolvers<void>();
  let running = 0;
  const next = turns.take(1, signal, async () => {
    running += 1;
    await second.promise;
    running -= 1;
  });
  assert.equal(running, 0);
  timers[0]?.();
  await Promise.resolve();
  const third = turns.take(2, signal, async () => running);
  hangs.resolve('done');
  assert.equal(await hanging, 'done');
  assert.equal(running, 1);
  second.resolve();
  await next;
  assert.equal(await third, 0, 'the third waited for the second');
});
