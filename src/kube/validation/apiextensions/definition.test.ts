import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonSchema } from '../../crd/json-schema.ts';
import { renderFieldError } from '../../field-error.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../types.gen.ts';
import { validateDefinition, validateDefinitionUpdate } from './definition.ts';

function version(schema: object, more: Partial<CustomResourceDefinitionVersion> = {}): CustomResourceDefinitionVersion {
  return { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, ...more };
}

function definition(versions: readonly CustomResourceDefinitionVersion[], group = 'example.com') {
  const one: CustomResourceDefinition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `foos.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'foos', singular: 'foo', kind: 'Foo', listKind: 'FooList' },
      versions,
      conversion: { strategy: 'None' },
    },
    status: { acceptedNames: { plural: '', kind: '' }, storedVersions: ['v1'] },
  };
  return one;
}

const errorsOf = (one: CustomResourceDefinition) => validateDefinition(one).map(renderFieldError);
const root = 'spec.validation.openAPIV3Schema';
const ofMember = (a: JsonSchema | object) => errorsOf(definition([version({ type: 'object', properties: { a } })]));

test('a plain definition is fine', () => {
  assert.deepEqual(ofMember({ type: 'string', enum: ['x'] }), []);
});

test('schemas must be structural', () => {
  assert.deepEqual(ofMember({}), [
    `${root}.properties[a].type: Required value: must not be empty for specified object fields`,
  ]);
  assert.deepEqual(ofMember({ type: 'array', items: {} }), [
    `${root}.properties[a].items.type: Required value: must not be empty for specified array items`,
  ]);
  assert.deepEqual(ofMember({ type: 'object', anyOf: [{ properties: { b: {} } }] }), [
    `${root}.properties[a].properties[b]: Required value: because it is defined in ${root}.properties[a].anyOf[0].properties[b]`,
  ]);
  assert.deepEqual(ofMember({ type: 'string', not: { nullable: true } }), [
    `${root}.properties[a].not.nullable: Forbidden: must be false to be structural`,
  ]);
  const eitherType = [{ type: 'integer' }, { type: 'string' }];
  assert.deepEqual(ofMember({ 'x-kubernetes-int-or-string': true, anyOf: eitherType }), []);
  assert.deepEqual(
    ofMember({ 'x-kubernetes-int-or-string': true, allOf: [{ anyOf: eitherType }, { minimum: 1 }] }),
    [],
  );
});

test('the keys of a keyed list are members that are always there', () => {
  const list = (items: object) =>
    ofMember({ type: 'array', items, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'] });
  assert.deepEqual(list({ type: 'object', required: ['k'], properties: { k: { type: 'string' } } }), []);
  assert.deepEqual(list({ type: 'object', properties: { k: { type: 'string' } } }), [
    `${root}.properties[a].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
  ]);
  assert.deepEqual(list({ type: 'object', properties: {} }), [
    `${root}.properties[a].x-kubernetes-list-map-keys: Invalid value: ["k"]: entries must all be names of item properties`,
  ]);
});

test('defaults obey their own schema', () => {
  assert.deepEqual(ofMember({ type: 'object', default: { z: 1 }, properties: {} }), [
    `${root}.properties[a].default: Invalid value: {"z":1}: must not have unknown fields`,
  ]);
  assert.equal(ofMember({ type: 'string', minLength: 3, default: 'x' }).length, 1);
});

test('what versions have in common is told once, and what differs by version', () => {
  const scale = { scale: { specReplicasPath: 'x', statusReplicasPath: '.status.replicas' } };
  const wrong = 'Invalid value: "x": must be a simple json path starting with .';
  const first = version({ type: 'object' }, { subresources: scale });
  const second = version({ type: 'object' }, { name: 'v2', storage: false, subresources: scale });
  assert.deepEqual(errorsOf(definition([first, second])), [`spec.subresources.scale.specReplicasPath: ${wrong}`]);
  const without = version({ type: 'object' }, { name: 'v2', storage: false });
  assert.deepEqual(errorsOf(definition([first, without])), [
    `spec.versions[0].subresources.scale.specReplicasPath: ${wrong}`,
  ]);
});

test('groups of the Kubernetes community need its approval', () => {
  const one = definition([version({ type: 'object' })], 'foo.k8s.io');
  assert.match(errorsOf(one).join(), /protected groups must have approval annotation/);
  const annotations = { 'api-approved.kubernetes.io': 'https://github.com/kubernetes/kubernetes/pull/1' };
  assert.deepEqual(errorsOf({ ...one, metadata: { ...one.metadata, annotations } }), []);
});

test('the scope and the kind of what is established, and the name, stay', () => {
  const old = definition([version({ type: 'object' })]);
  const established: CustomResourceDefinition = {
    ...old,
    status: { ...old.status, conditions: [{ type: 'Established', status: 'True' }] },
  };
  const names = { ...old.spec.names, kind: 'Bar', listKind: 'BarList' };
  const changed = { ...established, spec: { ...old.spec, scope: 'Cluster', names } };
  assert.deepEqual(validateDefinitionUpdate(changed, established).map(renderFieldError), [
    'spec.scope: Invalid value: "Cluster": field is immutable',
    'spec.names.kind: Invalid value: "Bar": field is immutable',
  ]);
  assert.deepEqual(validateDefinitionUpdate({ ...changed, status: old.status ?? {} }, old), []);
});

test('a version that objects may be stored in is not taken away', () => {
  const one = definition([version({ type: 'object' }, { name: 'v2' })]);
  const withBoth = { ...one, status: { ...one.status, storedVersions: ['v1', 'v2'] } };
  assert.match(
    errorsOf(withBoth).join(),
    /^status.storedVersions\[0\]: Invalid value: "v1": missing from spec.versions/,
  );
});
