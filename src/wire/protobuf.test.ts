import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import {
  bool,
  bytes,
  decode,
  encode,
  int32,
  int64,
  list,
  map,
  message,
  scalars,
  string,
  sub,
  uint64,
} from './protobuf.ts';

const inner = message({ id: string(1), size: uint64(2) });
const outer = message({
  name: string(1),
  on: bool(2),
  count: int32(3),
  time: int64(4),
  raw: bytes(5),
  one: sub(6, inner),
  many: list(7, inner),
  words: scalars(8, 'string'),
  numbers: scalars(9, 'int64'),
  labels: map(16),
});
const hex = (data: Uint8Array) => Buffer.from(data).toString('hex');

test('messages are what the specification says, byte for byte', () => {
  assert.equal(hex(encode(outer, { count: 150 })), '189601');
  assert.equal(hex(encode(outer, { name: 'testing' })), '0a0774657374696e67');
  assert.equal(hex(encode(outer, { count: -1 })), '18ffffffffffffffffff01');
  assert.equal(hex(encode(outer, { one: { id: 'a' } })), '32030a0161');
  assert.equal(hex(encode(outer, { labels: { a: 'b' } })), '8201060a01611201' + '62');
  assert.equal(hex(encode(outer, { name: '', on: false, count: 0 })), '');
});

test('absent fields have their defaults, unknown ones are skipped, packed lists are read', () => {
  assert.deepEqual(decode(inner, new Uint8Array(0)), { id: '', size: 0 });
  assert.equal(decode(outer, new Uint8Array(0)).one, undefined);
  const unknown = Buffer.from('f80101' + 'f9010000000000000000' + 'fd0100000000' + 'fa0101ff' + '0a0161', 'hex');
  assert.equal(decode(outer, unknown).name, 'a');
  assert.deepEqual(decode(outer, Buffer.from('4a03019601', 'hex')).numbers, [1, 150]);
});

test('whatever is encoded is decoded again', () => {
  const text = fc.string({ unit: 'binary' });
  const entry = fc.record({ id: text, size: fc.nat() }, { noNullPrototype: true });
  const values = fc.record(
    {
      name: text,
      on: fc.boolean(),
      count: fc.integer(),
      time: fc.maxSafeInteger(),
      raw: fc.uint8Array(),
      one: fc.option(entry, { nil: undefined }),
      many: fc.array(entry, { maxLength: 3 }),
      words: fc.array(text, { maxLength: 3 }),
      numbers: fc.array(fc.maxSafeInteger(), { maxLength: 3 }),
      labels: fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        text,
        { noNullPrototype: true },
      ),
    },
    { noNullPrototype: true },
  );
  fc.assert(fc.property(values, (value) => assert.deepEqual(decode(outer, encode(outer, value)), value)));
});

test('bytes that are no message are refused, and nothing hangs', () => {
  for (const broken of ['0a', '0a05', '18', '0aff', '0b', '18ffffffffffffffffffffff'])
    assert.throws(() => decode(outer, Buffer.from(broken, 'hex')), RangeError);
  fc.assert(
    fc.property(fc.uint8Array(), (data) => {
      try {
        decode(outer, data);
      } catch (thrown) {
        assert(thrown instanceof RangeError);
      }
    }),
  );
});
