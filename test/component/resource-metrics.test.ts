/** metrics.k8s.io over the API server's own way, from a source whose numbers are known. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLog } from '../../src/core/log.ts';
import { nodeMetrics, podMetrics, type UsageSource } from '../../src/kube/resource-metrics.ts';
import { nodes, pods } from '../../src/kube/resources.gen.ts';
import { isReason } from '../../src/kube/status-error.ts';
import { startApi } from './node-api.ts';

const at = Date.parse('2026-05-01T10:00:00Z');
const usage = { at, windowMs: 15_020, nanocores: 1_234_567, memoryBytes: 3 * 1024 * 1024 };

async function world(t: TestContext, source: UsageSource) {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-usage-'));
  const api = await startApi(folder, silentLog);
  t.after(async () => {
    await api[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  const { client, server } = api;
  server.serveResourceMetrics(source);
  await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n', labels: { disk: 'ssd' } } });
  for (const name of ['measured', 'young'])
    await client.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'test', labels: { app: name } },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
  return client;
}

test('nodes and pods are shown with their labels and use, those without a window are left out', async (t) => {
  const client = await world(t, {
    isReady: true,
    node: (name) => (name === 'n' ? usage : undefined),
    pod: (namespace, name) =>
      `${namespace}/${name}` === 'test/measured'
        ? { at, windowMs: 75_500, containers: new Map([['c', { nanocores: 2_000_000_000, memoryBytes: 5000 }]]) }
        : undefined,
  });
  const node = await client.get(nodeMetrics, { name: 'n' });
  const { creationTimestamp, ...metadata } = node.metadata;
  assert.match(creationTimestamp ?? '', /^\d{4}-.*Z$/);
  assert.deepEqual(
    { ...node, metadata },
    {
      apiVersion: 'metrics.k8s.io/v1beta1',
      kind: 'NodeMetrics',
      metadata: { name: 'n', labels: { disk: 'ssd' } },
      timestamp: '2026-05-01T10:00:00Z',
      window: '15.02s',
      usage: { cpu: '1234567n', memory: '3Mi' },
    },
  );
  const { items } = await client.list(podMetrics, { namespace: 'test' });
  assert.deepEqual(
    items.map(({ metadata: { name, namespace }, window, containers }) => ({ name, namespace, window, containers })),
    [
      {
        name: 'measured',
        namespace: 'test',
        window: '1m15.5s',
        containers: [{ name: 'c', usage: { cpu: '2', memory: '5000' } }],
      },
    ],
  );
  assert.equal((await client.list(podMetrics, { labelSelector: 'app=measured' })).items.length, 1);
  assert.equal((await client.list(podMetrics, { labelSelector: 'app=young' })).items.length, 0);
  assert.equal((await client.list(podMetrics, { fieldSelector: 'metadata.name=young' })).items.length, 0);
  await assert.rejects(
    client.get(podMetrics, { namespace: 'test', name: 'young' }),
    (error: Error) =>
      isReason(error, 'NotFound') && error.message === 'podmetrics.metrics.k8s.io "test/young" not found',
  );
});

test('before there is a first window the API is unavailable', async (t) => {
  const client = await world(t, { isReady: false, node: () => undefined, pod: () => undefined });
  const unavailable = (error: unknown) => isReason(error, 'ServiceUnavailable');
  await assert.rejects(client.list(nodeMetrics), unavailable);
  await assert.rejects(client.get(podMetrics, { namespace: 'test', name: 'measured' }), unavailable);
});
