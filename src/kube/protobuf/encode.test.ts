import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeEnvelope, decodeMessage, openEnvelope } from './decode.ts';
import { encodeEnvelope, encodeMessage, encodeWatchFrame, isEncodable } from './encode.ts';
import { findMessage, messageOf } from './messages.ts';

describe('an object', () => {
  const map = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'x' }, data: { b: '2', a: '1' } };

  it('is a runtime.Unknown behind its prefix, maps in the order of their keys', () => {
    const expected = [
      '6b387300', // k8s, 0
      '0a0f0a027631', // typeMeta: v1
      '1209436f6e6669674d6170', // ConfigMap
      '1215', // raw
      '0a030a0178', // metadata: name x
      '12060a0161120131', // data a
      '12060a0162120132', // data b
      '1a002200', // contentEncoding, contentType
    ];
    assert.equal(encodeEnvelope(map).toString('hex'), expected.join(''));
  });

  it('is the same after the way there and back', () => {
    assert.deepEqual(decodeEnvelope(openEnvelope(encodeEnvelope(map))), map);
  });

  it('of a kind without a message is not written', () => {
    const custom = { kind: 'Foo', apiVersion: 'example.com/v1' };
    assert.equal(isEncodable(map), true);
    assert.equal(isEncodable(custom), false);
    assert.equal(isEncodable({ paths: [] }), false);
    assert.throws(() => encodeEnvelope(custom), { code: 'NOT_MARSHALABLE' });
  });

  it('may be larger than the first buffer', () => {
    const data = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`k${index}`, 'é'.repeat(500)]));
    const large = { kind: 'ConfigMap', apiVersion: 'v1', metadata: {}, data };
    assert.deepEqual(decodeEnvelope(openEnvelope(encodeEnvelope(large))), large);
  });
});

it('an event of a watch is its length, the event, and the object in an envelope', () => {
  const object = { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'x' } };
  const frame = encodeWatchFrame('ADDED', object);
  assert.equal(frame.readUInt32BE(0), frame.length - 4);
  const event = findMessage('k8s.io.apimachinery.pkg.apis.meta.v1.WatchEvent');
  assert.ok(event);
  assert.deepEqual(frame.subarray(4, 11), Buffer.from('\x0a\x05ADDED'));
  const nested = encodeEnvelope(object);
  assert.equal(frame.subarray(-nested.length).equals(nested), true);
});

describe('values', () => {
  const schema = messageOf('apiextensions.k8s.io/v1', 'JSONSchemaProps');
  assert.ok(schema);
  const there = (value: Record<string, unknown>) => decodeMessage(schema, encodeMessage(schema, value));

  it('of schemas: a schema or a list, a schema or yes and no, a schema or names', () => {
    for (const value of [
      { items: { type: 'string' } },
      { items: [{ type: 'string' }, {}] },
      { additionalProperties: false },
      { additionalProperties: true },
      { additionalProperties: { type: 'integer' } },
      { dependencies: { a: ['b', 'c'], d: { type: 'object' } } },
      { default: { a: [null, 1.5] }, enum: ['a', 1, null], 'x-kubernetes-int-or-string': true, $ref: '#' },
      { maximum: -0.5, maxLength: 2 ** 40 },
    ]) {
      assert.deepEqual(there(value), value);
    }
  });

  it('explicit zeros are kept, as Go pointers are', () => {
    assert.deepEqual(there({ minLength: 0, nullable: false, title: '' }), { minLength: 0, nullable: false, title: '' });
  });

  it('null is left out', () => {
    const pod = messageOf('v1', 'Pod');
    assert.ok(pod);
    assert.equal(encodeMessage(pod, { metadata: null, spec: null }).length, 0);
    assert.equal(encodeMessage(pod, { metadata: { creationTimestamp: null } }).toString('hex'), '0a00');
  });
});
