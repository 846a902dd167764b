import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { decodeEnvelope, decodeMessage, openEnvelope } from './decode.ts';
import { encodeEnvelope, encodeMessage } from './encode.ts';
import { type Message, type MessageField, messageOf, type ValueType } from './messages.ts';
import { ProtobufError } from './wire-reader.ts';

const kinds: readonly (readonly [string, string])[] = [
  ['v1', 'Pod'],
  ['v1', 'Secret'],
  ['v1', 'Service'],
  ['v1', 'PersistentVolume'],
  ['v1', 'Event'],
  ['apps/v1', 'Deployment'],
  ['batch/v1', 'CronJob'],
  ['coordination.k8s.io/v1', 'Lease'],
  ['autoscaling/v2', 'HorizontalPodAutoscaler'],
  ['authorization.k8s.io/v1', 'SubjectAccessReview'],
  ['resource.k8s.io/v1', 'ResourceSlice'],
  ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'],
  ['v1', 'PodList'],
  ['v1', 'Status'],
];

const json = fc.jsonValue({ maxDepth: 3 }).filter((value) => value !== null);
const seconds = fc.integer({ min: -6e10, max: 2e11 });
const wholeTime = seconds.map((value) => `${new Date(value * 1000).toISOString().slice(0, 19)}Z`);
const microTime = fc
  .tuple(seconds, fc.integer({ min: 0, max: 999_999 }))
  .map(([value, micros]) => `${new Date(value * 1000).toISOString().slice(0, 19)}.${String(micros).padStart(6, '0')}Z`);
const text = fc.string({ unit: 'grapheme', maxLength: 12 });

function values({ ...type }: ValueType, depth: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'bool':
      return fc.boolean();
    case 'int32':
      return fc.integer();
    case 'int64':
      return fc.maxSafeInteger();
    case 'double':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'bytes':
      return fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('base64'));
    case 'time':
      return wholeTime;
    case 'micro-time':
      return microTime;
    case 'duration':
      return fc.constantFrom('0s', '1h0m0.5s', '-1.5s', '20ms', '1µs', '7ns');
    case 'json':
      return json.filter((value) => !Object.is(value, -0) && !JSON.stringify(value).includes('-0'));
    case 'quantity':
      return fc.constantFrom('0', '100m', '1Gi', '-3');
    case 'int-or-string':
      return fc.oneof(fc.integer(), text);
    case 'message':
      return objects(type.message, depth + 1);
    case 'slice':
      return fc.array(text, { minLength: 1, maxLength: 3 });
    case 'schema-or-array':
      return fc.oneof(
        objects(type.message, depth + 1),
        fc.array(objects(type.message, depth + 1), { minLength: 1, maxLength: 2 }),
      );
    case 'schema-or-bool':
      return fc.oneof(objects(type.message, depth + 1), fc.boolean());
    case 'schema-or-strings':
      return fc.oneof(objects(type.message, depth + 1), fc.array(text, { minLength: 1, maxLength: 3 }));
    default:
      return text;
  }
}

function member({ shape, type }: MessageField, depth: number): fc.Arbitrary<unknown> {
  if (shape === 'list') return fc.array(values(type, depth), { minLength: 1, maxLength: 2 });
  if (shape === 'map')
    return fc.dictionary(text, values(type, depth), { minKeys: 1, maxKeys: 2, noNullPrototype: true });
  return values(type, depth);
}

// A few members of each object: all of them would make every value enormous.
function objects(message: Message, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const fields = depth > 5 ? [] : fieldsOf(message);
  if (fields.length === 0) return fc.constant({});
  return fc
    .uniqueArray(fc.constantFrom(...fields), { maxLength: 3 })
    .chain((chosen) =>
      fc
        .tuple(...chosen.map((field) => member(field, depth)))
        .map((found) => Object.fromEntries(chosen.map((field, index) => [field.name, found[index]]))),
    );
}

function fieldsOf(message: Message): readonly MessageField[] {
  const inner = message.embedded.flatMap(({ type }) => (type.kind === 'message' ? fieldsOf(type.message) : []));
  return [...message.byName.values(), ...inner];
}

for (const [apiVersion, kind] of kinds) {
  test(`${kind}: JSON is the same after the way to protobuf and back`, () => {
    const message = messageOf(apiVersion, kind);
    assert.ok(message);
    fc.assert(
      fc.property(objects(message, 0), (object) => {
        const whole = { kind, apiVersion, ...object };
        assert.deepEqual(decodeEnvelope(openEnvelope(encodeEnvelope(whole))), whole);
      }),
      { numRuns: 100 },
    );
  });
}

const anyKind = fc.constantFrom(...kinds);

function isReadOrRefused(read: () => unknown): void {
  try {
    read();
  } catch (thrown) {
    if (!(thrown instanceof ProtobufError)) throw thrown;
  }
}

test('whatever the bytes are, they are read or refused', () => {
  fc.assert(
    fc.property(anyKind, fc.uint8Array({ maxLength: 200 }), ([apiVersion, kind], bytes) => {
      const message = messageOf(apiVersion, kind);
      assert.ok(message);
      isReadOrRefused(() => decodeMessage(message, Buffer.from(bytes)));
      isReadOrRefused(() => openEnvelope(Buffer.concat([Buffer.from('k8s\0'), bytes])));
    }),
    { numRuns: 2000 },
  );
});

test('a message in which bytes were changed or lost is read or refused, and can be written again', () => {
  const damaged = anyKind.chain(([apiVersion, kind]) => {
    const message = messageOf(apiVersion, kind);
    assert.ok(message);
    const positions = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 });
    return fc.tuple(fc.constant(message), objects(message, 0), positions, fc.nat(20));
  });
  fc.assert(
    fc.property(damaged, ([message, object, changes, lost]) => {
      const bytes = encodeMessage(message, object);
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
      isReadOrRefused(() => {
        const read = decodeMessage(message, bytes.subarray(0, Math.max(0, bytes.length - lost)));
        encodeMessage(message, read);
      });
    }),
    { numRuns: 1000 },
  );
});
