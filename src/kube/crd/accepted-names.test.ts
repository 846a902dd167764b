import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CustomResourceDefinition } from '../types.gen.ts';
import { nameDefinition } from './accepted-names.ts';
import { compareVersions, deprecationWarning } from './versions.ts';

function definition(plural: string, kind: string, shortNames: readonly string[] = []): CustomResourceDefinition {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.example.com` },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural, kind, singular: kind.toLowerCase(), listKind: `${kind}List`, shortNames },
      versions: [],
    },
  };
}

function accepted(one: CustomResourceDefinition, others: readonly CustomResourceDefinition[] = []) {
  const { acceptedNames, namesAccepted, established } = nameDefinition(one, others);
  return { ...one, status: { acceptedNames, conditions: [namesAccepted, established] } };
}

test('names that nobody has are accepted', () => {
  const { namesAccepted, established, acceptedNames } = nameDefinition(definition('foos', 'Foo', ['f']), []);
  assert.deepEqual([namesAccepted.status, namesAccepted.reason], ['True', 'NoConflicts']);
  assert.deepEqual([established.status, established.reason], ['True', 'InitialNamesAccepted']);
  assert.deepEqual(acceptedNames.shortNames, ['f']);
});

test('a second definition does not get the names of the first, and gets what is left', () => {
  const first = accepted(definition('foos', 'Foo', ['f']));
  const { namesAccepted, established, acceptedNames } = nameDefinition(definition('bars', 'Foo', ['f']), [first]);
  assert.equal(namesAccepted.message, '"FooList" is already in use');
  assert.equal(namesAccepted.reason, 'ListKindConflict');
  assert.deepEqual([established.status, established.reason], ['False', 'NotAccepted']);
  assert.deepEqual(acceptedNames, { plural: 'bars', kind: '' });
});

test('what was established stays so when a later name is taken', () => {
  const first = accepted(definition('foos', 'Foo'));
  const second = accepted(definition('bars', 'Bar'), [first]);
  const renamed = { ...second, spec: { ...second.spec, names: { ...second.spec.names, shortNames: ['foos'] } } };
  const { namesAccepted, established, acceptedNames } = nameDefinition(renamed, [first]);
  assert.deepEqual([namesAccepted.status, namesAccepted.reason], ['False', 'ShortNamesConflict']);
  assert.equal(established.status, 'True');
  assert.equal(acceptedNames.shortNames, undefined);
});

test('versions are preferred by maturity, then by number', () => {
  const versions = ['foo1', 'v1alpha1', 'v2', 'v1beta2', 'v1', 'v10', 'v1beta10', 'bar'];
  const expected = ['v10', 'v2', 'v1', 'v1beta10', 'v1beta2', 'v1alpha1', 'bar', 'foo1'];
  assert.deepEqual(versions.sort(compareVersions), expected);
});

test('a deprecated version names its successor', () => {
  const base = definition('foos', 'Foo');
  const old = { name: 'v1beta1', served: true, storage: false, deprecated: true };
  const versions = [old, { name: 'v1', served: true, storage: true }];
  const one = { ...base, spec: { ...base.spec, versions } };
  assert.equal(deprecationWarning(one, old), 'example.com/v1beta1 Foo is deprecated; use example.com/v1 Foo');
  assert.equal(deprecationWarning(one, { ...old, deprecationWarning: 'gone soon' }), 'gone soon');
  assert.equal(deprecationWarning(one, { name: 'v1', served: true, storage: true }), undefined);
});
