import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Pod } from '../../src/kube/types.gen.ts';
import { World } from './api-world.ts';

let world: World;
before(async () => {
  world = await World.start();
});
after(async () => await world[Symbol.asyncDispose]());

test('the parts of the control plane are listed, and shown as a table', async () => {
  const path = '/api/v1/componentstatuses';
  const health = [{ type: 'Healthy', status: 'True', message: 'ok' }];
  const list = await world.call('GET', path);
  assert.deepEqual(list.body, {
    kind: 'ComponentStatusList',
    apiVersion: 'v1',
    metadata: {},
    items: [{ metadata: { name: 'etcd-0' }, conditions: health }],
  });
  const one = await world.call('GET', `${path}/etcd-0`);
  assert.deepEqual(one.body, {
    kind: 'ComponentStatus',
    apiVersion: 'v1',
    metadata: { name: 'etcd-0' },
    conditions: health,
  });
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const table = await world.call('GET', path, undefined, { authorization: 'Bearer good', accept });
  const { columnDefinitions, rows } = JSON.parse(table.text) as {
    readonly columnDefinitions: readonly { readonly name: string }[];
    readonly rows: readonly { readonly cells: readonly unknown[] }[];
  };
  assert.deepEqual(
    columnDefinitions.map(({ name }) => name),
    ['Name', 'Status', 'Message', 'Error'],
  );
  assert.deepEqual(
    rows.map(({ cells }) => cells),
    [['etcd-0', 'Healthy', 'ok', '']],
  );
});

test('a bound pod is no longer nominated for a node', async () => {
  const pods = '/api/v1/namespaces/default/pods';
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'bound' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  };
  assert.equal((await world.call('POST', pods, pod)).status, 201);
  const status = { nominatedNodeName: 'node-1' };
  const patch = { authorization: 'Bearer good', 'content-type': 'application/merge-patch+json' };
  const nominated = await world.call('PATCH', `${pods}/bound/status`, { status }, patch);
  assert.match(nominated.text, /"nominatedNodeName":"node-1"/);
  const binding = { metadata: { name: 'bound' }, target: { kind: 'Node', name: 'node-2' } };
  assert.equal((await world.call('POST', `${pods}/bound/binding`, binding)).status, 201);
  const { body } = await world.call('GET', `${pods}/bound`);
  const { spec, status: now } = body as Pod;
  assert.equal(spec?.nodeName, 'node-2');
  assert.equal(now?.nominatedNodeName, undefined);
});
