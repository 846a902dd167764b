import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../../test/testbed/kubectl.ts';
import { startSecuredServer } from '../../../test/testbed/secured-server.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLog } from '../../core/log.ts';
import { configmaps, nodes, pods, tokenreviews } from '../../kube/resources.gen.ts';
import { createVolumeSet } from './volumes.ts';

test('with the rights of a node alone: a bound token that the API server knows, beside a ConfigMap that is followed', async (t) => {
  await using server = await startSecuredServer();
  const folder = await mkdtemp(join(tmpdir(), 'wherry-token-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await server.namespace('shop');
  const { client } = server;
  await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  const metadata = { name: 'cfg', namespace: 'shop' };
  const map = await client.create(configmaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { key: 'one' } });
  const volumeMounts = [{ name: 'all', mountPath: '/all' }];
  const pod = await client.create(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'shop' },
    spec: {
      nodeName: 'n1',
      automountServiceAccountToken: false,
      securityContext: { runAsUser: 1000 },
      containers: [{ name: 'c', image: 'x', volumeMounts }],
      volumes: [
        {
          name: 'all',
          projected: {
            sources: [
              { serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds: 600 } },
              { configMap: { name: 'cfg', items: [{ key: 'key', path: 'sub/key' }] } },
              { downwardAPI: { items: [{ path: 'ns', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
            ],
          },
        },
      ],
    },
  });
  const asNode = server.as({ name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] });
  await using volumes = createVolumeSet({
    podsFolder: join(folder, 'pods'),
    client: asNode,
    clock: systemClock,
    log: silentLog,
    events: { pod: () => {}, container: () => {} },
    allocatable: () => ({ memory: '1Gi' }),
  });
  const signal = AbortSignal.timeout(20_000);
  await volumes.prepare(pod, signal);
  const [mount] = await volumes.mounts(pod, pod.spec?.containers[0] ?? { name: 'c' }, [], signal);
  const root = mount?.hostPath ?? '';
  const token = await readFile(join(root, 'token'), 'utf8');
  const { uid, mode } = await stat(join(root, 'token'));
  assert.deepEqual([uid, mode & 0o777, mount?.readOnly], [1000, 0o600, true]);
  const review = await client.create(tokenreviews, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    metadata: {},
    spec: { token, audiences: ['vault'] },
  });
  assert.equal(review.status?.user?.username, 'system:serviceaccount:shop:default');
  assert.deepEqual(review.status?.user?.extra?.['authentication.kubernetes.io/pod-name'], ['p']);
  await client.update(configmaps, { ...map, data: { key: 'two' } });
  await eventually(
    'the new content',
    5000,
    async () => (await readFile(join(root, 'sub/key'), 'utf8')) === 'two' || undefined,
  );
  assert.equal(await readFile(join(root, 'token'), 'utf8'), token);
  assert.equal(await readFile(join(root, 'ns'), 'utf8'), 'shop');
  await volumes.cleanup(pod.metadata.uid ?? '');
});
