import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeStored, encodeEntry, encodeStored } from './entry.ts';

const uid = '11111111-2222-3333-4444-555555555555';
const object = {
  kind: 'ConfigMap',
  apiVersion: 'v1',
  metadata: { creationTimestamp: '2024-01-01T00:00:00Z', uid, resourceVersion: '4', name: 'a' },
  data: { '"metadata":{': 'x', uid: '"uid":"' },
};

describe('an entry', () => {
  it('is stored without a resourceVersion, metadata in the order of Go', () => {
    const stored = encodeStored(object).toString();
    assert.equal(
      stored,
      `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","uid":"${uid}","creationTimestamp":"2024-01-01T00:00:00Z"},"data":{"\\"metadata\\":{":"x","uid":"\\"uid\\":\\""}}`,
    );
  });

  it('shows the revision of its write as resourceVersion, behind the uid', () => {
    const entry = decodeStored('', 'a', 7, encodeStored(object));
    assert.match(entry.bytes.toString(), /"uid":"[-0-9]+","resourceVersion":"7","creationTimestamp"/);
    assert.deepEqual(entry.object, { ...object, metadata: { ...object.metadata, resourceVersion: '7' } });
    assert.equal(entry.line.at(-1), 0x0a);
  });

  it('is the same whether its object is decoded or was given', () => {
    const stored = encodeStored(object);
    const given = decodeStored('ns', 'a', 7, stored, object);
    assert.deepEqual(given.object, decodeStored('ns', 'a', 7, stored).object);
    assert.equal(given.key, 'ns/a');
  });

  it('takes a resourceVersion where the object has no uid, and where it has no metadata at all', () => {
    const bare = { kind: 'K', apiVersion: 'v1', metadata: {} };
    assert.equal(
      encodeEntry('', 'a', 3, bare).bytes.toString(),
      '{"kind":"K","apiVersion":"v1","metadata":{"resourceVersion":"3"}}',
    );
    const named = { kind: 'K', apiVersion: 'v1', metadata: { name: 'n' } };
    assert.equal(encodeEntry('', 'n', 3, named).object.metadata.resourceVersion, '3');
  });
});
