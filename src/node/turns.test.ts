import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTurns } from './turns.ts';

test('no more works run than there is room for, and urgent ones go first', async () => {
  const turns = createTurns(1);
  const { signal } = new AbortController();
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const work = (name: string) => async () => void order.push(name);
  const all = [
    turns.take(0, signal, () => first.promise),
    turns.take(0, signal, work('plain')),
    turns.take(1, signal, work('urgent')),
  ];
  first.resolve();
  await Promise.all(all);
  assert.deepEqual(order, ['urgent', 'plain']);
});

test('a work that is given up or fails makes room', async () => {
  const turns = createTurns(1);
  const aborter = new AbortController();
  const first = Promise.withResolvers<void>();
  const running = turns.take(0, new AbortController().signal, () => first.promise);
  const givenUp = turns.take(0, aborter.signal, async () => assert.fail('it was given up'));
  aborter.abort(new Error('given up'));
  first.reject(new Error('failed'));
  await assert.rejects(running, /failed/);
  await assert.rejects(givenUp, /given up/);
  assert.equal(await turns.take(0, new AbortController().signal, async () => 1), 1);
});
