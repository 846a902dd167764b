import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { joinDuplexes } from './join-duplexes.ts';

test('bytes go both ways, ends are passed on, and an end that breaks takes the other with it', async () => {
  const [client, near] = duplexPair();
  const [far, server] = duplexPair();
  joinDuplexes(near, far);
  client.end('question');
  server.end('answer');
  assert.deepEqual([String(await buffer(server)), String(await buffer(client))], ['question', 'answer']);
  const [lost, left] = duplexPair();
  const [right, other] = duplexPair();
  joinDuplexes(left, right);
  lost.resume();
  other.resume();
  left.destroy(new Error('broken'));
  await once(right, 'close');
});
