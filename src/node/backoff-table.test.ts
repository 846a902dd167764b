import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatGoDuration } from '../kube/go-duration.ts';
import { BackoffTable } from './backoff-table.ts';

test('delays double from 10 s to 5 min, and start anew after ten quiet minutes', () => {
  const table = new BackoffTable();
  assert.equal(table.remainingMs('k', 0, 0), 0);
  const delays: number[] = [];
  let now = 0;
  for (let count = 0; count < 7; count += 1) {
    table.next('k', now, now);
    delays.push(table.delayMs('k') / 1000);
    now += table.delayMs('k');
  }
  assert.deepEqual(delays, [10, 20, 40, 80, 160, 300, 300]);
  assert.equal(table.remainingMs('k', now, now + 1000), 299_000);
  // It ran for long before it failed again.
  const later = now + 600_001;
  assert.equal(table.remainingMs('k', later, later), 0);
  table.next('k', later, later);
  assert.equal(table.delayMs('k'), 10_000);
});

test('durations read as Go writes them', () => {
  assert.deepEqual([0, 250, 10_000, 80_000, 300_000, 3_661_500].map(formatGoDuration), [
    '0s',
    '250ms',
    '10s',
    '1m20s',
    '5m0s',
    '1h1m1.5s',
  ]);
});
