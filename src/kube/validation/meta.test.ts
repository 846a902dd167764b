import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFieldError } from '../field-error.ts';
import type { ObjectMeta } from '../types.gen.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from './meta.ts';

const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' };

const cases: readonly (readonly [ObjectMeta, readonly RegExp[]])[] = [
  [{ name: 'a', namespace: 'n' }, []],
  [{ namespace: 'n' }, [/^metadata.name: Required value: name or generateName is required$/]],
  [{ name: 'A', namespace: 'n' }, [/^metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain/]],
  [{ name: 'a' }, [/^metadata.namespace: Required value$/]],
  [{ name: 'a', namespace: 'n', labels: { 'a b': 'c' } }, [/^metadata.labels: Invalid value: "a b": name part must/]],
  [{ name: 'a', namespace: 'n', labels: { a: '-' } }, [/^metadata.labels: Invalid value: "-": a valid label/]],
  [{ name: 'a', namespace: 'n', finalizers: ['x'] }, [/^metadata.finalizers\[0\]: Invalid value: "x"/]],
  [
    { name: 'a', namespace: 'n', ownerReferences: [{ ...owner, uid: '' }] },
    [/^metadata.ownerReferences.uid: Invalid value: "": must not be empty$/],
  ],
  [
    {
      name: 'a',
      namespace: 'n',
      ownerReferences: [
        { ...owner, controller: true },
        { ...owner, uid: 'v', controller: true },
      ],
    },
    [/^metadata.ownerReferences: Invalid value: .*Only one reference can have Controller set to true/],
  ],
];

test('metadata of new objects', () => {
  for (const [meta, patterns] of cases) {
    const texts = validateObjectMeta(meta, { namespaced: true }).map(renderFieldError);
    assert.equal(texts.length, patterns.length, `${JSON.stringify(meta)}: ${texts.join('; ')}`);
    for (const [index, pattern] of patterns.entries()) assert.match(texts[index] ?? '', pattern);
  }
});

test('what of metadata is fixed', () => {
  const old: ObjectMeta = { name: 'a', namespace: 'n', uid: 'u', resourceVersion: '1', generation: 2 };
  const fields = (meta: ObjectMeta) => validateObjectMetaUpdate(meta, old).map(({ field }) => field);
  assert.deepEqual(fields(old), []);
  assert.deepEqual(fields({ ...old, uid: 'v' }), ['metadata.uid']);
  assert.ok(fields({ ...old, generation: 1 }).includes('metadata.generation'));
  assert.deepEqual(fields({ ...old, deletionTimestamp: '2020-01-01T00:00:00Z' }), ['metadata.deletionTimestamp']);
});
