import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeEnvelope, decodeMessage, maxMessageDepth, openEnvelope, peekApiVersion } from './decode.ts';
import { type Message, messageOf } from './messages.ts';
import { ProtobufError } from './wire-reader.ts';

/** A field of wire type 2: its tag, its length, its content. */
function field(number: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), bytes]);
}

function envelope(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const typeMeta = Buffer.concat([field(1, apiVersion), field(2, kind)]);
  return Buffer.concat([Buffer.from('k8s\0'), field(1, typeMeta), field(2, raw)]);
}

function message(apiVersion: string, kind: string): Message {
  const found = messageOf(apiVersion, kind);
  assert.ok(found, `${kind} has a message`);
  return found;
}

const bytes = (...parts: readonly (number | Buffer)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part)));

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (thrown) {
    assert.ok(thrown instanceof ProtobufError, String(thrown));
    return thrown.message;
  }
  throw new assert.AssertionError({ message: 'nothing was refused' });
}

describe('the envelope', () => {
  it('says the type and holds the object', () => {
    const map = bytes(field(1, field(1, 'settings')), field(2, bytes(field(1, 'a'), field(2, '1'))));
    const opened = openEnvelope(envelope('v1', 'ConfigMap', map));
    assert.equal(opened.apiVersion, 'v1');
    assert.deepEqual(decodeEnvelope(opened), {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { name: 'settings' },
      data: { a: '1' },
    });
  });

  it('is refused in the words of a Go server when it is none', () => {
    const prefix = 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]';
    assert.equal(
      refusal(() => openEnvelope(Buffer.alloc(0))),
      'empty data',
    );
    assert.equal(
      refusal(() => openEnvelope(Buffer.from('garbage'))),
      prefix,
    );
    assert.equal(
      refusal(() => openEnvelope(Buffer.from('k8'))),
      prefix,
    );
    assert.equal(
      refusal(() => openEnvelope(Buffer.from('k8s\0'))),
      'empty body',
    );
    assert.equal(
      refusal(() => openEnvelope(Buffer.from('k8s\0\x0a\x7f'))),
      'unexpected EOF',
    );
  });

  it('of a kind without a message holds nothing that can be read', () => {
    assert.equal(decodeEnvelope({ apiVersion: 'example.com/v1', kind: 'Foo', raw: Buffer.alloc(0) }), undefined);
    assert.equal(decodeEnvelope({ apiVersion: 'meta.k8s.io/v1', kind: 'Table', raw: Buffer.alloc(0) }), undefined);
    assert.equal(decodeEnvelope({ apiVersion: 'constructor', kind: 'Pod', raw: Buffer.alloc(0) }), undefined);
  });

  it('can be asked for its API version alone', () => {
    assert.equal(peekApiVersion(envelope('policy/v1', 'Eviction', Buffer.alloc(0))), 'policy/v1');
    assert.equal(peekApiVersion(Buffer.from('{}')), undefined);
  });

  it('gives the kinds of meta/v1 to every API version', () => {
    const options = envelope('batch/v1', 'DeleteOptions', bytes(8, 30));
    assert.deepEqual(decodeEnvelope(openEnvelope(options)), {
      kind: 'DeleteOptions',
      apiVersion: 'batch/v1',
      gracePeriodSeconds: 30,
    });
  });
});

describe('values', () => {
  const pod = message('v1', 'Pod');
  const decodeSpec = (spec: Buffer) => decodeMessage(pod, field(2, spec))['spec'];
  const decodeMeta = (meta: Buffer) => decodeMessage(pod, field(1, meta))['metadata'];

  it('structs that Go embeds are members of the outer object', () => {
    const volume = bytes(field(1, 'data'), field(2, field(2, '')));
    assert.deepEqual(decodeSpec(field(1, volume)), { volumes: [{ name: 'data', emptyDir: {} }] });
  });

  it('times are RFC 3339 without fractions, and Go zero times null', () => {
    // 1,600,000,000 s; the nanoseconds are not shown.
    const time = bytes(8, 0x80, 0xa0, 0xf8, 0xfa, 0x05, 16, 5);
    assert.deepEqual(decodeMeta(field(8, time)), { creationTimestamp: '2020-09-13T12:26:40Z' });
    assert.deepEqual(decodeMeta(field(8, '')), { creationTimestamp: null });
  });

  it('micro times have six digits', () => {
    const lease = message('coordination.k8s.io/v1', 'Lease');
    // 1,600,000,000 s and 1,234,567 ns.
    const time = bytes(8, 0x80, 0xa0, 0xf8, 0xfa, 0x05, 16, 0x87, 0xad, 0x4b);
    const spec = decodeMessage(lease, field(2, field(3, time)))['spec'];
    assert.deepEqual(spec, { acquireTime: '2020-09-13T12:26:40.001234Z' });
  });

  it('times that JSON cannot write are refused', () => {
    const time = bytes(8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
    assert.equal(
      refusal(() => decodeMeta(field(8, time))),
      'Time.MarshalJSON: year outside of range [0,9999]',
    );
  });

  it('an int-or-string is what its type says', () => {
    const service = message('v1', 'Service');
    const port = (content: Buffer) => decodeMessage(service, field(2, field(1, field(4, content))))['spec'];
    assert.deepEqual(port(bytes(8, 0, 16, 80, field(3, ''))), { ports: [{ targetPort: 80 }] });
    assert.deepEqual(port(bytes(8, 1, 16, 0, field(3, 'http'))), { ports: [{ targetPort: 'http' }] });
  });

  it('bytes are base64, quantities their text, negative numbers ten bytes', () => {
    const secret = message('v1', 'Secret');
    assert.deepEqual(decodeMessage(secret, field(2, bytes(field(1, 'k'), field(2, 'hi!')))), { data: { k: 'aGkh' } });
    const quota = message('v1', 'ResourceQuota');
    const hard = field(1, bytes(field(1, 'pods'), field(2, field(1, '10'))));
    assert.deepEqual(decodeMessage(quota, field(2, hard)), { spec: { hard: { pods: '10' } } });
    const minusOne = bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
    assert.deepEqual(decodeMessage(message('scheduling.k8s.io/v1', 'PriorityClass'), bytes(16, minusOne)), {
      value: -1,
    });
  });

  it('raw JSON is the value itself', () => {
    const revision = message('apps/v1', 'ControllerRevision');
    assert.deepEqual(decodeMessage(revision, field(2, field(1, '{"a":[1]}'))), { data: { a: [1] } });
    assert.deepEqual(decodeMessage(revision, field(2, '')), { data: null });
    assert.match(
      refusal(() => decodeMessage(revision, field(2, field(1, '{')))),
      /^json: /,
    );
  });

  it('named slices are lists', () => {
    const review = message('authorization.k8s.io/v1', 'SubjectAccessReview');
    const extra = field(5, bytes(field(1, 'scopes'), field(2, bytes(field(1, 'a'), field(1, 'b')))));
    assert.deepEqual(decodeMessage(review, field(2, extra)), { spec: { extra: { scopes: ['a', 'b'] } } });
    const empty = field(5, bytes(field(1, 'scopes'), field(2, '')));
    assert.deepEqual(decodeMessage(review, field(2, empty)), { spec: { extra: { scopes: null } } });
  });

  it('numbers come packed or one by one', () => {
    const lifecycle = field(14, bytes(field(4, bytes(1, 2)), 32, 3));
    const groups = decodeSpec(lifecycle);
    assert.deepEqual(groups, { securityContext: { supplementalGroups: [1, 2, 3] } });
  });

  it('a map without a value holds the zero of its type, and any key is a key', () => {
    assert.deepEqual(decodeMeta(field(11, field(1, 'a'))), { labels: { a: '' } });
    const labels = (decodeMeta(field(11, bytes(field(1, '__proto__'), field(2, 'x')))) as { labels: object }).labels;
    assert.deepEqual(Object.entries(labels), [['__proto__', 'x']]);
    assert.equal(Object.getPrototypeOf(labels), Object.prototype);
  });

  it('what comes twice is merged, what nobody knows passed over', () => {
    const twice = bytes(field(1, field(1, 'a')), field(1, field(3, 'b')));
    assert.deepEqual(decodeMessage(pod, twice), { metadata: { name: 'a', namespace: 'b' } });
    // Field 100 as each wire type, a group with a group in it among them.
    const unknown = [
      bytes(0xa0, 6, 0x96, 1),
      bytes(0xa1, 6, Buffer.alloc(8)),
      bytes(0xa2, 6, 2, 9, 9),
      bytes(0xa3, 6, 0x0b, 0x08, 1, 0x0c, 0xa4, 6),
      bytes(0xa5, 6, Buffer.alloc(4)),
    ];
    for (const extra of unknown) assert.deepEqual(decodeMessage(pod, bytes(extra, field(2, ''))), { spec: {} });
  });
});

describe('malformed messages', () => {
  const pod = message('v1', 'Pod');
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['a tag that does not end', bytes(0x80), 'unexpected EOF'],
    ['a length beyond the end', bytes(10, 5, 1), 'unexpected EOF'],
    ['a length beyond the message around it', bytes(10, 2, 10, 9, 1, 1, 1), 'unexpected EOF'],
    ['a number that never ends', bytes(Buffer.alloc(11, 0xff)), 'proto: integer overflow'],
    ['a negative length', bytes(10, Buffer.alloc(9, 0xff), 1), 'proto: negative length found during unmarshaling'],
    ['a string that is a number', bytes(10, 2, 8, 1), 'proto: wrong wireType = 0 for field Name'],
    ['a number that is a string', field(1, field(7, '')), 'proto: wrong wireType = 2 for field Generation'],
    ['field number 0', bytes(2, 0), 'proto: Pod: illegal tag 0 (wire type 2)'],
    ['the end of a group that never began', bytes(12), 'proto: Pod: wiretype end group for non-group'],
    ['a wire type that there is not', bytes(0xa6, 6), 'proto: illegal wireType 6'],
  ];
  for (const [what, data, why] of cases) {
    it(`${what}: ${why}`, () =>
      assert.equal(
        refusal(() => decodeMessage(pod, data)),
        why,
      ));
  }

  it('schemas in schemas are read to a bound', () => {
    const schemas = message('apiextensions.k8s.io/v1', 'JSONSchemaProps');
    const nested = (depth: number) => {
      let inner = Buffer.alloc(0);
      for (let level = 0; level < depth; level += 1) inner = Buffer.from(bytes(0xe2, 1, longLength(inner), inner));
      return inner;
    };
    assert.doesNotThrow(() => decodeMessage(schemas, nested(maxMessageDepth)));
    assert.equal(
      refusal(() => decodeMessage(schemas, nested(maxMessageDepth + 1))),
      'exceeded max depth',
    );
  });
});

function longLength({ length }: Buffer): Buffer {
  return length < 128 ? Buffer.from([length]) : Buffer.from([(length & 127) | 128, length >> 7]);
}
