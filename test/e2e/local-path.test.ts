/** The Local Path walk-through: a claim, a pod that keeps its files on it, and what happens to them. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually, type KubectlVersion } from '../testbed/kubectl.ts';

const examples = path.join(import.meta.dirname, '../../examples/local-path');
let cluster: TestCluster;

before(async () => {
  cluster = await startCluster({ name: 'lp', images: [await imageArchive('nginx')] });
});
after(() => cluster?.[Symbol.asyncDispose]());

const field = (kind: string, name: string, jsonpath: string) =>
  cluster.must(['get', kind, name, '-o', `jsonpath={${jsonpath}}`]);
/** Waits until the Events about an object hold this reason, and resolves with the message. */
const eventOf = (kind: string, name: string, reason: string) =>
  eventually(`Event ${reason} on ${kind} ${name}`, 5_000, async () => {
    // Events of an object of the same name that was deleted before are still there.
    const uid = await field(kind, name, '.metadata.uid');
    const selector = `involvedObject.uid=${uid},reason=${reason}`;
    const output = await cluster.must([
      'get',
      'events',
      '--field-selector',
      selector,
      '-o',
      'jsonpath={.items[*].message}',
    ]);
    return output === '' ? undefined : output;
  });

for (const version of ['1.36', '1.30'] as const satisfies readonly KubectlVersion[]) {
  test(`kubectl ${version}: the claim waits for its pod, is bound, and keeps the pod's files`, async () => {
    const create = (file: string) => cluster.must(['create', '-f', path.join(examples, file)], { version });
    const ready = () =>
      cluster.must(['wait', '--for=condition=Ready', 'pod/volume-test', '--timeout=30s'], { version });
    assert.equal(await create('pvc.yaml'), 'persistentvolumeclaim/local-path-pvc created\n');
    assert.equal(
      await eventOf('PersistentVolumeClaim', 'local-path-pvc', 'WaitForFirstConsumer'),
      'waiting for first consumer to be created before binding',
    );
    assert.equal(await field('pvc', 'local-path-pvc', '.status.phase'), 'Pending');

    assert.equal(await create('pod.yaml'), 'pod/volume-test created\n');
    await ready();
    assert.equal(await field('pvc', 'local-path-pvc', '.status.phase'), 'Bound');
    assert.match(await cluster.must(['get', 'pods'], { version }), /^volume-test +1\/1 +Running +0 /m);
    const ip = await field('pod', 'volume-test', '.status.podIP');
    const page = await cluster.inside('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', `http://${ip}/`]);
    assert.match(page.stdout, /^[234]\d\d$/, page.stderr);

    await cluster.must(['exec', 'volume-test', '--', 'sh', '-c', 'echo kept > /data/test'], { version });
    await cluster.must(['delete', '-f', path.join(examples, 'pod.yaml'), '--grace-period=1'], { version });
    await create('pod.yaml');
    await ready();
    assert.equal(await cluster.must(['exec', 'volume-test', '--', 'cat', '/data/test'], { version }), 'kept\n');

    const volume = await field('pvc', 'local-path-pvc', '.spec.volumeName');
    const directory = await field('pv', volume, '.spec.hostPath.path');
    assert.ok(existsSync(path.join(directory, 'test')));
    await cluster.must(['delete', '-f', path.join(examples, 'pod.yaml'), '--grace-period=1'], { version });
    await cluster.must(['delete', 'pvc', 'local-path-pvc'], { version });
    await eventually('the volume and its directory are gone', 10_000, async () => {
      const volumes = await cluster.must(['get', 'pv', '-o', 'name']);
      return volumes === '' && !existsSync(directory) ? true : undefined;
    });
  });
}

test('a claim that is in use is deleted only when its pod has gone', async () => {
  await cluster.must(['create', '-f', examples]);
  await cluster.must(['wait', '--for=condition=Ready', 'pod/volume-test', '--timeout=30s']);
  await cluster.must(['delete', 'pvc', 'local-path-pvc', '--wait=false']);
  assert.notEqual(await field('pvc', 'local-path-pvc', '.metadata.deletionTimestamp'), '');
  await cluster.must(['delete', 'pod', 'volume-test', '--grace-period=1']);
  await cluster.must(['wait', '--for=delete', 'pvc/local-path-pvc', '--timeout=10s']);
});

test('a ReadWriteMany claim is told why it stays Pending', async () => {
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'many' },
    spec: {
      accessModes: ['ReadWriteMany'],
      storageClassName: 'local-path',
      resources: { requests: { storage: '1Gi' } },
    },
  };
  await cluster.must(['create', '-f', '-'], { input: JSON.stringify(claim) });
  assert.match(
    await eventOf('PersistentVolumeClaim', 'many', 'ProvisioningFailed'),
    /only supports ReadWriteOnce.*ReadWriteMany/,
  );
  await cluster.must(['delete', 'pvc', 'many']);
});

test('with reclaim policy Retain the directory stays', async () => {
  const objects = [
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'keep' },
      provisioner: 'rancher.io/local-path',
      reclaimPolicy: 'Retain',
      volumeBindingMode: 'WaitForFirstConsumer',
      parameters: { pathPattern: '{{ .PVC.Namespace }}/{{ .PVC.Name }}' },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'kept' },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'keep', resources: { requests: { storage: '1Gi' } } },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'keeper' },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'c', image: 'nginx:stable-alpine', volumeMounts: [{ name: 'v', mountPath: '/data' }] }],
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'kept' } }],
      },
    },
  ];
  for (const object of objects) await cluster.must(['create', '-f', '-'], { input: JSON.stringify(object) });
  await cluster.must(['wait', '--for=condition=Ready', 'pod/keeper', '--timeout=30s']);
  const volume = await field('pvc', 'kept', '.spec.volumeName');
  const directory = await field('pv', volume, '.spec.hostPath.path');
  assert.equal(directory, path.join(cluster.dataDir, 'storage/default/kept'));
  await cluster.must(['delete', 'pod', 'keeper']);
  await cluster.must(['delete', 'pvc', 'kept']);
  await cluster.must(['wait', '--for=jsonpath={.status.phase}=Released', `pv/${volume}`, '--timeout=10s']);
  assert.deepEqual(readdirSync(path.dirname(directory)), ['kept']);
  await cluster.must(['delete', 'pv', volume]);
});
