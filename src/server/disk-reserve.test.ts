import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reserveStep } from './disk-reserve.ts';

const mebibyte = 1024 * 1024;

test('the reserve is given when the disk is full, and taken again when there is room for it and more', () => {
  const step = (isHeld: boolean, wasFull: boolean, available: number) =>
    reserveStep({ isHeld, wasFull }, available * mebibyte, 16 * mebibyte);
  assert.equal(step(true, false, 100), 'keep');
  assert.equal(step(true, false, 1), 'give');
  assert.equal(step(false, true, 17), 'full');
  assert.equal(step(false, true, 1), 'full');
  assert.equal(step(false, true, 100), 'take');
  assert.equal(step(false, false, 30), 'take');
  assert.equal(step(false, false, 10), 'keep');
  assert.equal(step(false, false, 1), 'full');
});
