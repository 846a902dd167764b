import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../resources.gen.ts';
import { builtinTypeNames, schemaOf } from './builtin.ts';

test('every built-in resource has a schema, and every field of every type parses', () => {
  for (const resource of builtinResources) {
    if (resource.typeName !== null) assert.equal(schemaOf(resource.typeName).type, 'object');
  }
  let fields = 0;
  for (const name of builtinTypeNames()) fields += schemaOf(name).fields.size;
  assert.ok(fields > 2400);
});

test('a list of containers merges by name in patches and in server-side apply', () => {
  const containers = schemaOf('io.k8s.api.core.v1.PodSpec').fields.get('containers');
  assert.ok(containers?.schema.type === 'list' && containers.schema.items.type === 'object');
  assert.equal(containers.schema.items.goType, 'v1.Container');
  assert.deepEqual(containers.schema.mapKeys, ['name']);
  assert.deepEqual(containers.patchStrategy, ['merge']);
  assert.equal(containers.patchMergeKey, 'name');
  assert.equal(containers.required, true);
});

test('structs that Go always writes have a zero, pointers to structs do not', () => {
  const deployment = schemaOf('io.k8s.api.apps.v1.DeploymentSpec').fields;
  assert.deepEqual(deployment.get('strategy')?.zero, {});
  assert.equal(deployment.get('paused')?.zero, undefined);
  assert.equal(schemaOf('io.k8s.api.core.v1.PodSpec').fields.get('affinity')?.zero, undefined);
});

test('a JSON schema refers to itself', () => {
  const props = schemaOf('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps');
  const items = props.fields.get('items')?.schema;
  assert.ok(items?.type === 'any');
  assert.equal(items.objects, props);
});

test('an unknown type is refused', () => {
  assert.throws(() => schemaOf('io.k8s.api.core.v1.Nope'), { code: 'UNKNOWN_TYPE' });
});
