import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import { apiservices, customresourcedefinitions } from '../../src/kube/resources.gen.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../src/kube/types.gen.ts';
import { eventually } from '../testbed/kubectl.ts';
import { type SecuredServer, startSecuredServer } from '../testbed/secured-server.ts';

interface Boat extends KubeObject {
  readonly spec?: { readonly size?: number; readonly flag?: string; readonly extra?: string };
}

let secured: SecuredServer;
before(async () => {
  secured = await startSecuredServer();
  await secured.namespace('harbour');
});
after(() => secured[Symbol.asyncDispose]());

const group = 'sea.example.com';
const boats = (version: string): Resource<Boat> => ({
  group,
  version,
  kind: 'Boat',
  plural: 'boats',
  singular: 'boat',
  listKind: 'BoatList',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: ['create', 'get', 'list', 'watch', 'update', 'patch', 'delete', 'deletecollection'],
  subresources: [],
  typeName: null,
});

function version(
  name: string,
  isStored: boolean,
  spec: Readonly<Record<string, object>>,
): CustomResourceDefinitionVersion {
  const openAPIV3Schema = { type: 'object', properties: { spec: { type: 'object', properties: spec } } };
  return { name, served: true, storage: isStored, schema: { openAPIV3Schema } };
}

const size = { size: { type: 'integer' } };

async function define(versions: readonly CustomResourceDefinitionVersion[]): Promise<CustomResourceDefinition> {
  const { client } = secured;
  const key = { name: `boats.${group}` };
  await client.create(customresourcedefinitions, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: key,
    spec: { group, scope: 'Namespaced', names: { plural: 'boats', kind: 'Boat' }, versions },
  });
  return await eventually('the definition is established', 5000, async () => {
    const one = await client.get(customresourcedefinitions, key);
    return one.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')
      ? one
      : undefined;
  });
}

async function redefine(change: (spec: CustomResourceDefinition['spec']) => CustomResourceDefinition['spec']) {
  const standing = await secured.client.get(customresourcedefinitions, { name: `boats.${group}` });
  return await secured.client.update(customresourcedefinitions, { ...standing, spec: change(standing.spec) });
}

async function undefine(): Promise<void> {
  const key = { name: `boats.${group}` };
  await secured.client.delete(customresourcedefinitions, key);
  await eventually('the definition is gone', 5000, async () => {
    const { items } = await secured.client.list(customresourcedefinitions);
    return items.length === 0 ? true : undefined;
  });
}

const boat = (name: string, spec: Boat['spec']): Boat => ({
  apiVersion: `${group}/v1`,
  kind: 'Boat',
  metadata: { name, namespace: 'harbour' },
  ...(spec === undefined ? {} : { spec }),
});
const anna = { namespace: 'harbour', name: 'anna' };

test('an object is read in each served version, and stored in one', async () => {
  await define([
    version('v1', true, size),
    version('v2', false, { ...size, flag: { type: 'string', default: 'none' } }),
  ]);
  await secured.client.create(boats('v1'), boat('anna', { size: 3 }));
  assert.deepEqual((await secured.client.get(boats('v1'), anna)).spec, { size: 3 });
  const read = await secured.client.get(boats('v2'), anna);
  assert.deepEqual([read.apiVersion, read.spec], [`${group}/v2`, { size: 3, flag: 'none' }]);

  const changed = await redefine((spec) => ({
    ...spec,
    versions: spec.versions.map((one) => ({ ...one, storage: one.name === 'v2' })),
  }));
  assert.deepEqual(changed.status?.storedVersions, ['v1', 'v2']);
  const cache = secured.server.hub.resource({ group, plural: 'boats' });
  assert.equal(cache.get('harbour', 'anna')?.object.apiVersion, `${group}/v1`);
  // A write that changes nothing migrates what is stored.
  await eventually('the stored version changes', 5000, async () => {
    await secured.client.update(boats('v1'), await secured.client.get(boats('v1'), anna));
    return cache.get('harbour', 'anna')?.object.apiVersion === `${group}/v2` ? true : undefined;
  });
  await undefine();
});

test('a schema that changes governs at once, and open watches end', async () => {
  await define([version('v1', true, size)]);
  await secured.client.create(boats('v1'), boat('anna', { size: 3 }));
  const ended = (async () => {
    for await (const _ of secured.client.watch(boats('v1'), { namespace: 'harbour', resourceVersion: '0' }));
  })();
  await redefine((spec) => ({ ...spec, versions: [version('v1', true, { ...size, extra: { type: 'string' } })] }));
  await ended;
  const extended = await eventually('the new member is kept', 5000, async () => {
    const body = { spec: { extra: 'kept' } };
    const patched = await secured.client.patch(boats('v1'), anna, { type: 'merge', body });
    return patched.spec?.extra === 'kept' ? patched : undefined;
  });
  assert.equal(extended.spec?.size, 3);
  await undefine();
});

test('what was wrong before may stay when other things change', async () => {
  await define([version('v1', true, size)]);
  await secured.client.create(boats('v1'), boat('anna', { size: 3 }));
  await redefine((spec) => ({ ...spec, versions: [version('v1', true, { size: { type: 'integer', minimum: 10 } })] }));
  await eventually('the new rule holds for new objects', 5000, async () => {
    const attempt = secured.client.create(boats('v1'), boat('berta', { size: 3 }), { dryRun: true });
    return await attempt.then(
      () => undefined,
      (thrown: unknown) => (/greater than or equal to 10/.test(String(thrown)) ? true : undefined),
    );
  });
  const body = { metadata: { labels: { colour: 'red' } } };
  const labelled = await secured.client.patch(boats('v1'), anna, { type: 'merge', body });
  assert.equal(labelled.metadata.labels?.['colour'], 'red');
  await assert.rejects(secured.client.patch(boats('v1'), anna, { type: 'merge', body: { spec: { size: 4 } } }), /10/);
  await undefine();
});

test('a definition that goes takes its objects with it, once their finalizers let them', async () => {
  await define([version('v1', true, size)]);
  const held = boat('anna', { size: 3 });
  await secured.client.create(boats('v1'), {
    ...held,
    metadata: { ...held.metadata, finalizers: ['sea.example.com/rope'] },
  });
  await secured.client.create(boats('v1'), boat('berta', {}));
  await secured.client.delete(customresourcedefinitions, { name: `boats.${group}` });
  await eventually('the free object is gone', 5000, async () => {
    const { items } = await secured.client.list(boats('v1'), { namespace: 'harbour' });
    return items.length === 1 ? true : undefined;
  });
  await assert.rejects(secured.client.create(boats('v1'), boat('clara', {})), /terminating/);
  const standing = await secured.client.get(customresourcedefinitions, { name: `boats.${group}` });
  assert.deepEqual(standing.metadata.finalizers, ['customresourcecleanup.apiextensions.k8s.io']);
  await secured.client.patch(boats('v1'), anna, { type: 'merge', body: { metadata: { finalizers: null } } });
  await eventually('the definition is gone', 5000, async () => {
    const { items } = await secured.client.list(customresourcedefinitions);
    return items.length === 0 ? true : undefined;
  });
  await assert.rejects(secured.client.list(boats('v1')), /404|not found|could not find/);
});

test('each group version that is served has an APIService', async () => {
  const names = async () => (await secured.client.list(apiservices)).items.map(({ metadata }) => metadata.name);
  const builtin = await names();
  assert.ok(builtin.includes('v1.') && builtin.includes('v2.autoscaling'));
  await define([version('v1', true, size)]);
  await eventually(
    'there is one for the new group',
    5000,
    async () => (await names()).includes(`v1.${group}`) || undefined,
  );
  await undefine();
  await eventually('it is gone again', 5000, async () => !(await names()).includes(`v1.${group}`) || undefined);
});
