import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLifecycle, type Part } from './lifecycle.ts';
import { silentLog } from './log.ts';

function part(name: string, said: string[], failure?: 'start' | 'stop'): Part {
  const act = (what: 'start' | 'stop') => async () => {
    said.push(`${what} ${name}`);
    if (failure === what) throw new Error(`no ${what}`);
  };
  return { name, start: act('start'), stop: act('stop') };
}

test('parts stop in the reverse of the order in which they started', async () => {
  const said: string[] = [];
  const lifecycle = createLifecycle([part('a', said), part('b', said)], silentLog);
  await lifecycle.start();
  await lifecycle.stop();
  await lifecycle.stop();
  assert.deepEqual(said, ['start a', 'start b', 'stop b', 'stop a']);
});

test('when one part fails to start, those before it are stopped and the failure names it', async () => {
  const said: string[] = [];
  const lifecycle = createLifecycle([part('a', said), part('b', said, 'start'), part('c', said)], silentLog);
  await assert.rejects(lifecycle.start(), { code: 'START_FAILED', message: 'b did not start' });
  assert.deepEqual(said, ['start a', 'start b', 'stop a']);
});

test('a part that does not stop keeps no other from stopping', async () => {
  const said: string[] = [];
  const lifecycle = createLifecycle([part('a', said), part('b', said, 'stop')], silentLog);
  await lifecycle.start();
  await assert.rejects(lifecycle.stop(), AggregateError);
  assert.deepEqual(said.slice(-2), ['stop b', 'stop a']);
});
