import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from './tunnel-soak.ts';

test('1,000 streams for ten minutes, with cuts and slow readers', async (context) => {
  const result = await soak({ seconds: 600, streams: 1000, bytesMax: 300_000, cutEveryMs: 200, memoryMiBMax: 800 });
  context.diagnostic(JSON.stringify(result));
  assert.ok(result.whole > 10_000 && result.cuts > 1000, JSON.stringify(result));
});

test('streams through a tunnel that is cut at random are whole, or break off and say so', async () => {
  const result = await soak({ seconds: 10, streams: 50, bytesMax: 200_000, cutEveryMs: 100, memoryMiBMax: 400 });
  assert.ok(result.whole > 50 && result.cuts > 10, JSON.stringify(result));
});
