import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { renderFieldError } from '../field-error.ts';
import { schemaOf } from '../schema/builtin.ts';
import { applyDefaults } from './default.ts';
import { hasFormat } from './formats.ts';
import type { JsonSchema } from './json-schema.ts';
import { listErrors } from './list-types.ts';
import { pruneUnknown } from './prune.ts';
import { schemaOfCustomResource } from './to-schema.ts';
import { schemaErrors } from './validate.ts';

const schema: JsonSchema = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      properties: {
        s: { type: 'string', minLength: 2, maxLength: 4, pattern: '^[a-z]+$', default: 'dd' },
        i: { type: 'integer', minimum: 1, maximum: 10, multipleOf: 2 },
        i32: { type: 'integer', format: 'int32' },
        e: { type: 'string', enum: ['A', 'B'] },
        p: { 'x-kubernetes-int-or-string': true },
        n: { type: 'string', nullable: true },
        o: { type: 'object', default: {}, properties: { x: { type: 'string', default: 'dx' } } },
        m: { type: 'object', additionalProperties: { type: 'integer' }, maxProperties: 2 },
        any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        list: {
          type: 'array',
          maxItems: 2,
          items: { type: 'object', properties: { k: { type: 'string' }, j: { type: 'string', default: 'dj' } } },
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['k', 'j'],
        },
        c: { type: 'integer', oneOf: [{ maximum: 3 }, { minimum: 3 }] },
        r: {
          'x-kubernetes-embedded-resource': true,
          type: 'object',
          properties: { spec: { type: 'object' } },
        },
      },
    },
  },
};
const errorsOf = (spec: Json) => schemaErrors(schema, { spec }).map(renderFieldError);

test('what the schema does not know is dropped and named', () => {
  const object = {
    apiVersion: 'x/v1',
    metadata: { name: 'a' },
    bogus: 1,
    spec: { s: 'ab', x: 1, any: { kept: { too: 1 } }, m: { a: 1 }, list: [{ k: 'a', z: 1 }], r: { kind: 'K', q: 1 } },
  };
  const { object: pruned, unknown } = pruneUnknown(object, schema);
  assert.deepEqual(unknown, ['bogus', 'spec.list[0].z', 'spec.r.q', 'spec.x']);
  assert.deepEqual(pruned, {
    apiVersion: 'x/v1',
    metadata: { name: 'a' },
    spec: { s: 'ab', any: { kept: { too: 1 } }, m: { a: 1 }, list: [{ k: 'a' }], r: { kind: 'K' } },
  });
  assert.equal(pruneUnknown(pruned, schema).object, pruned);
});

test('defaults stand in for what is absent, and for nulls that are not allowed', () => {
  const defaulted = applyDefaults({ spec: { s: null, i: null, n: null, list: [{ k: 'a' }] } }, schema);
  assert.deepEqual(defaulted, { spec: { s: 'dd', n: null, o: { x: 'dx' }, list: [{ k: 'a', j: 'dj' }] } });
  assert.equal(applyDefaults(defaulted, schema), defaulted);
});

test('values are checked in the words of kube-openapi', () => {
  const cases: readonly (readonly [Json, readonly string[]])[] = [
    [{ s: 'ab', i: 4, p: '5', m: { a: 1 }, c: 1 }, []],
    [{ s: 5 }, ['spec.s: Invalid value: "integer": spec.s in body must be of type string: "integer"']],
    [{ s: 'a' }, ['spec.s: Invalid value: "a": spec.s in body should be at least 2 chars long']],
    [{ s: 'AB' }, [`spec.s: Invalid value: "AB": spec.s in body should match '^[a-z]+$'`]],
    [{ s: 'abcde' }, ['spec.s: Too long: may not be more than 4 bytes']],
    [{ i: 12 }, ['spec.i: Invalid value: 12: spec.i in body should be less than or equal to 10']],
    [
      { i32: 2147483648 },
      ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.i32'],
    ],
    [{ e: 'C' }, ['spec.e: Unsupported value: "C": supported values: "A", "B"']],
    [{ p: true }, ['spec.p: Invalid value: "boolean": spec.p in body must be of type integer,string: "boolean"']],
    [{ m: { a: 1, b: 2, c: 3 } }, ['spec.m: Too many: 3: must have at most 2 items']],
    [
      { c: 3 },
      ['<nil>: Invalid value: "": "spec.c" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ],
    [[], ['spec: Invalid value: "array": spec in body must be of type object: "array"']],
  ];
  for (const [spec, expected] of cases) assert.deepEqual(errorsOf(spec), expected);
  assert.deepEqual(schemaErrors(schema, {}).map(renderFieldError), ['spec: Required value']);
});

test('a part of an object is checked at its place', () => {
  const status: JsonSchema = { type: 'object', properties: { replicas: { type: 'integer' } } };
  assert.deepEqual(schemaErrors(status, { replicas: 'x' }, 'status').map(renderFieldError), [
    'status.replicas: Invalid value: "string": replicas in body must be of type integer: "string"',
  ]);
});

test('items of sets and keyed lists must not repeat', () => {
  const spec = {
    list: [
      { k: 'a', j: 'b' },
      { k: 'a', j: 'c' },
      { j: 'b', k: 'a' },
    ],
  };
  assert.deepEqual(listErrors(schema, { spec }).map(renderFieldError), [
    'spec.list[2]: Duplicate value: {"j":"b","k":"a"}',
  ]);
});

test('the schema becomes a shape that patches and apply can walk', () => {
  const meta = schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');
  const shape = schemaOfCustomResource(schema, meta);
  assert.equal(shape.fields.get('metadata')?.schema, meta);
  const spec = shape.fields.get('spec')?.schema;
  assert.ok(spec?.type === 'object');
  const list = spec.fields.get('list')?.schema;
  assert.ok(list?.type === 'list' && list.items.type === 'object');
  assert.deepEqual([list.listType, list.mapKeys, list.items.fields.get('j')?.default], ['map', ['k', 'j'], 'dj']);
  assert.deepEqual(spec.fields.get('p')?.schema, { type: 'scalar', scalar: 'int-or-string' });
});

test('formats', () => {
  const good = {
    'date-time': '2020-02-29T23:59:59Z',
    date: '2020-02-29',
    duration: '1h30m',
    byte: 'MQ==',
    uri: 'http://a',
    ipv4: '1.2.3.4',
    ipv6: '::1',
    cidr: '10.0.0.0/8',
    mac: '01:23:45:67:89:ab',
    uuid: '123e4567-e89b-12d3-a456-426614174000',
    email: 'a@b.c',
    hostname: 'a.b',
    isbn10: '0-306-40615-2',
    isbn13: '978-0-306-40615-7',
    creditcard: '4111 1111 1111 1111',
    hexcolor: '#fff',
    rgbcolor: 'rgb(1, 2, 255)',
    'k8s-short-name': 'a-b',
    'k8s-long-name': 'a.b',
    bogus: 'anything',
  };
  const bad = {
    'date-time': '2020-02-30T00:00:00Z',
    date: '2019-02-29',
    duration: 'x',
    byte: '!!',
    uri: ':',
    ipv4: '1.2.3',
    ipv6: '1.2.3.4',
    cidr: '10.0.0.0',
    mac: 'x',
    uuid: 'x',
    email: 'x',
    hostname: '-a',
    isbn10: '0-306-40615-3',
    isbn13: '978-0-306-40615-8',
    creditcard: '4111 1111 1111 1112',
    hexcolor: '#ff',
    rgbcolor: 'rgb(1,2,256)',
    'k8s-short-name': 'a.b',
  };
  for (const [format, text] of Object.entries(good)) assert.ok(hasFormat(format, text), format);
  for (const [format, text] of Object.entries(bad)) assert.ok(!hasFormat(format, text), format);
});

test('pruning and defaulting are done once, and never crash or touch a prototype', () => {
  const anything = fc.jsonValue() as fc.Arbitrary<Json>;
  const names = ['s', 'i', 'o', 'm', 'list', 'any', 'r', 'c', '__proto__', 'constructor'];
  const spec = fc.dictionary(fc.constantFrom(...names), anything) as fc.Arbitrary<JsonObject>;
  fc.assert(
    fc.property(spec, (value) => {
      const before = Object.getOwnPropertyNames(Object.prototype);
      const { object } = pruneUnknown({ spec: value }, schema);
      assert.equal(pruneUnknown(object, schema).object, object);
      const defaulted = applyDefaults(object, schema);
      assert.equal(applyDefaults(defaulted, schema), defaulted);
      schemaErrors(schema, defaulted);
      listErrors(schema, defaulted);
      assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), before);
    }),
    { numRuns: 500 },
  );
});
