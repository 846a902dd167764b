import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageOf, humanDuration } from './name-and-age.ts';

test('ages are written as kubectl writes them', () => {
  const second = 1000;
  const minute = 60 * second;
  const hour = 60 * minute;
  const day = 24 * hour;
  const cases: readonly (readonly [number, string])[] = [
    [-2 * second, '<invalid>'],
    [-1 * second, '0s'],
    [119 * second, '119s'],
    [2 * minute, '2m'],
    [9 * minute + 30 * second, '9m30s'],
    [10 * minute + 30 * second, '10m'],
    [179 * minute, '179m'],
    [3 * hour + 5 * minute, '3h5m'],
    [8 * hour + 5 * minute, '8h'],
    [47 * hour, '47h'],
    [2 * day + 3 * hour, '2d3h'],
    [8 * day + 3 * hour, '8d'],
    [730 * day, '2y'],
    [800 * day, '2y70d'],
    [3000 * day, '8y'],
  ];
  for (const [duration, text] of cases) assert.equal(humanDuration(duration), text);
  assert.equal(ageOf(undefined, 0), '<unknown>');
});
