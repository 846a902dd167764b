import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import {
  DerError,
  DerReader,
  element,
  integer,
  oid,
  readOid,
  readTime,
  sequence,
  setOf,
  tag,
  time,
  utf8String,
} from './der.ts';
import { parseCertificate, parseRequest } from './x509.ts';

/** What `read` throws must be a DerError: anything else would be a crash on foreign input. */
function onlyDerErrors(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof DerError, `threw ${String(error)}`);
  }
}

test('elements of every length are read back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000, size: 'max' }), (content) => {
      const reader = new DerReader(element(tag.octetString, content));
      assert.deepEqual(Buffer.from(reader.next().content), Buffer.from(content));
      assert.ok(reader.done);
    }),
    { numRuns: 50 },
  );
});

test('object identifiers are read back', () => {
  const arcs = fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 39 }), fc.array(fc.nat(2 ** 31 - 1)));
  fc.assert(
    fc.property(arcs, ([first, second, rest]) => {
      const dotted = [first, second, ...rest].join('.');
      assert.equal(readOid(new DerReader(oid(dotted)).next().content), dotted);
    }),
  );
});

test('times are read back, on both sides of 2050', () => {
  fc.assert(
    fc.property(fc.integer({ min: -631_152_000, max: 253_402_300_799 }), (seconds) => {
      assert.equal(readTime(new DerReader(time(seconds * 1000)).next()), seconds * 1000);
    }),
  );
});

test('integers are minimal and never negative', () => {
  assert.equal(integer(0).toString('hex'), '020100');
  assert.equal(integer(127).toString('hex'), '02017f');
  assert.equal(integer(128).toString('hex'), '02020080');
  assert.equal(integer(Buffer.from('0000ff', 'hex')).toString('hex'), '020200ff');
});

test('the elements of a set are put in order', () => {
  assert.deepEqual(setOf(utf8String('b'), utf8String('a')), setOf(utf8String('a'), utf8String('b')));
});

test('lengths that are indefinite, too long or not minimal are refused', () => {
  for (const hex of ['3080', '30', '308101', '30820001', '3085ffffffffff', '3003020101ff0000', '1f']) {
    assert.throws(() => {
      const reader = new DerReader(Buffer.from(hex, 'hex'));
      reader.sequence('a sequence').end('it');
      reader.end('it');
    }, DerError);
  }
});

test('arbitrary bytes give a certificate, a request or a typed error', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }).map((parts) => sequence(sequence(...parts))),
  );
  fc.assert(
    fc.property(anything, (bytes) => {
      onlyDerErrors(() => parseCertificate(bytes));
      onlyDerErrors(() => parseRequest(bytes));
    }),
    { numRuns: 2000 },
  );
});
