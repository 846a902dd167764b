/** The kinds that Wherry defines itself, against an API server in this process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '../../src/client/client-impl.ts';
import { customresourcedefinitions } from '../../src/kube/resources.gen.ts';
import type { CustomResourceDefinition } from '../../src/kube/types.gen.ts';
import { ensureDefinitions } from '../../src/server/definitions.ts';
import { admin, World } from './api-world.ts';

const ferries = (plural = 'ferries', shortNames: string[] = []): CustomResourceDefinition => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.example.org` },
  spec: {
    group: 'example.org',
    scope: 'Cluster',
    names: { plural, singular: plural, kind: plural === 'ferries' ? 'Ferry' : 'Boat', shortNames },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
});

test('a kind is served when its definition was ensured, follows the version, and a user keeps his own', async () => {
  await using world = await World.start();
  const client = createClient(world.server.transport(admin));
  await ensureDefinitions(client, [ferries()]);
  assert.equal((await world.call('GET', '/apis/example.org/v1/ferries')).status, 200);
  await ensureDefinitions(client, [ferries('ferries', ['fe'])]);
  const changed = await client.get(customresourcedefinitions, { name: 'ferries.example.org' });
  assert.deepEqual(changed.spec.names.shortNames, ['fe']);
  const own = ferries('boats', ['mine']);
  await client.create(customresourcedefinitions, own);
  await ensureDefinitions(client, [ferries('boats', ['theirs'])]);
  const kept = await client.get(customresourcedefinitions, { name: 'boats.example.org' });
  assert.deepEqual(kept.spec.names.shortNames, ['mine']);
});
