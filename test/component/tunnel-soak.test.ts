import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from './tunnel-soak.ts';

test('streams through a tunnel that is cut at random are whole, or break off and say so', async () => {
  const result = await soak({ seconds: 10, streams: 50, bytesMax: 200_000, cutEveryMs: 100, memoryMiBMax: 400 });
  assert.ok(result.whole > 50 && result.cuts > 10, JSON.stringify(result));
});
