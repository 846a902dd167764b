import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { decodeKey, encodeKey } from './key.ts';

const key = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 6 });

test('every key, also one with half a surrogate pair, comes back from its bytes', () => {
  fc.assert(fc.property(fc.oneof(key, fc.string()), (one) => decodeKey(encodeKey(one)) === one));
});

test('bytes are ordered as the keys are by UTF-16 code units', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      assert.equal(Math.sign(Buffer.compare(encodeKey(a), encodeKey(b))), a < b ? -1 : a > b ? 1 : 0);
    }),
  );
});
