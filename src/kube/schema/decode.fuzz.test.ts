import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { StatusError } from '../status-error.ts';
import { schemaOf } from './builtin.ts';
import { decode } from './decode.ts';

const typeNames = [
  'io.k8s.api.core.v1.Pod',
  'io.k8s.api.core.v1.ConfigMap',
  'io.k8s.api.apps.v1.Deployment',
  'io.k8s.api.core.v1.Event',
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
];
const names = [
  'metadata',
  'spec',
  'data',
  'labels',
  'containers',
  'name',
  'template',
  'resources',
  'limits',
  'items',
  'x',
];

// JSON whose members often have the names of fields.
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, 1.5, -1, 2 ** 40, '', 'a', '1Gi', '2020-01-01T00:00:00Z'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 5 }),
  ),
})).value;

test('whatever the JSON is, it is decoded or refused with a 400, and decoding again changes nothing', () => {
  fc.assert(
    fc.property(fc.constantFrom(...typeNames), json, (typeName, value) => {
      const schema = schemaOf(typeName);
      const options = { fieldValidation: 'Warn', groupVersionKind: { version: 'v1', kind: 'X' } } as const;
      const raw = Buffer.from(JSON.stringify(value));
      try {
        const { object } = decode(schema, value, { ...options, raw });
        const again = decode(schema, object, { ...options, raw: Buffer.from(JSON.stringify(object)) });
        assert.deepEqual(again.object, object);
        assert.deepEqual(again.warnings, []);
      } catch (error) {
        assert.ok(error instanceof StatusError && error.httpCode === 400, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
