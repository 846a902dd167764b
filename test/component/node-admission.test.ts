import assert from 'node:assert/strict';
import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { nodes, pods } from '../../src/kube/resources.gen.ts';
import type { Container, Pod } from '../../src/kube/types.gen.ts';
import { standardParts } from '../../src/node/standard-parts.ts';
import { type NodeHarness, nodeName, startNode } from './node-harness.ts';

let node: NodeHarness;
before(async () => {
  node = await startNode(standardParts, { logLinks: true });
});
after(async () => {
  await node?.[Symbol.asyncDispose]();
});

const forever = 'trap "exit 0" TERM; while :; do sleep 0.1; done';
const main = (more: Partial<Container> = {}): Container => ({
  name: 'main',
  image: 'busybox',
  imagePullPolicy: 'IfNotPresent',
  command: ['sh', '-c', forever],
  ...more,
});
const isRunning = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0]?.state?.running !== undefined;
const isFailed = (pod: Pod | undefined) => pod?.status?.phase === 'Failed';

async function remove(name: string): Promise<void> {
  await node.api.client.delete(pods, { namespace: node.namespace, name });
  await node.until(name, 'the pod is gone', (pod) => pod === undefined);
}

async function refusalOf(name: string, spec: Partial<Pod['spec']> & object): Promise<Pod['status']> {
  await node.create(name, spec);
  const pod = await node.until(name, 'it is refused', isFailed);
  const [event] = await node.eventsOf(name);
  assert.equal(event?.type, 'Warning');
  assert.equal(event?.reason, pod?.status?.reason);
  assert.equal(`Pod was rejected: ${event?.message}`, pod?.status?.message);
  assert.equal(pod?.status?.containerStatuses, undefined);
  await remove(name);
  return pod?.status;
}

test('a pod that the node has no room for is Failed, with kubelet’s reason, and what it left is given to the next', async () => {
  const big = { containers: [main({ resources: { requests: { memory: '100Ti' } } })] };
  const status = await refusalOf('big', big);
  assert.equal(status?.reason, 'OutOfmemory');
  assert.match(
    status?.message ?? '',
    /^Pod was rejected: Node didn't have enough resource: memory, requested: 109951162777600, used: 0, capacity: \d+$/,
  );
  const { status: nodeStatus } = await node.api.client.get(nodes, { name: nodeName });
  const all = nodeStatus?.allocatable?.['cpu'] ?? '';
  const whole = { containers: [main({ resources: { requests: { cpu: all } } })] };
  await node.create('first', whole);
  await node.until('first', 'it runs', isRunning);
  const second = await refusalOf('second', { containers: [main({ resources: { requests: { cpu: '1m' } } })] });
  assert.equal(second?.reason, 'OutOfcpu');
  await remove('first');
  await node.create('third', whole);
  await node.until('third', 'it runs', isRunning);
  await remove('third');
});

test('host ports, labels and taints are looked at before anything runs', async () => {
  const port = { containers: [main({ ports: [{ containerPort: 80, hostPort: 20_080 }] })] };
  await node.create('port', port);
  await node.until('port', 'it runs', isRunning);
  assert.equal((await refusalOf('same-port', port))?.reason, 'NodePorts');
  await remove('port');
  assert.match(
    (await refusalOf('elsewhere', { nodeSelector: { disk: 'none' }, containers: [main()] }))?.message ?? '',
    /^Pod was rejected: Predicate NodeAffinity failed: node\(s\) didn't match Pod's node affinity\/selector$/,
  );
});

test('a pod that has begun stays, whatever the node has become when the agent starts anew', async () => {
  const { client } = node.api;
  const label = (disk: string | null) =>
    client.patch(nodes, { name: nodeName }, { type: 'merge', body: { metadata: { labels: { disk } } } });
  await label('ssd');
  // The label and the pod that needs it come at the same time.
  await node.create('choosy', { nodeSelector: { disk: 'ssd' }, containers: [main()] });
  const before = await node.until('choosy', 'it runs', isRunning);
  await label(null);
  await node.restartAgent();
  await node.create('witness', { restartPolicy: 'Never', containers: [main({ command: ['true'] })] });
  await node.until('witness', 'it has ended', (pod) => pod?.status?.phase === 'Succeeded');
  const pod = await client.get(pods, { namespace: node.namespace, name: 'choosy' });
  assert.equal(pod.status?.phase, 'Running');
  assert.equal(pod.status?.containerStatuses?.[0]?.containerID, before?.status?.containerStatuses?.[0]?.containerID);
  await remove('choosy');
  await remove('witness');
});

test('logs are linked by names that say whose they are', async () => {
  await node.create('linked', { restartPolicy: 'Never', containers: [main({ command: ['echo', 'hello'] })] });
  const pod = await node.until('linked', 'it has ended', (p) => p?.status?.phase === 'Succeeded');
  const id = pod?.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '');
  const link = join(node.folder, 'links', `linked_test_main-${id}.log`);
  await eventually('the link is there', () => exists(link));
  assert.equal(await readlink(link), join(node.folder, 'logs', `test_linked_${pod?.metadata.uid}`, 'main', '0.log'));
  assert.match(await readFile(link, 'utf8'), / stdout F hello\n/);
  await remove('linked');
  await eventually('the log is gone', async () => !(await exists(link)));
  // The search for what is left goes on at the agent's start.
  await node.restartAgent();
  await eventually('the link is gone, too', () =>
    lstat(link).then(
      () => false,
      () => true,
    ),
  );
});

test('when all pods are ended nothing stays mounted, and their files are there at the next start', async () => {
  const volumes = [
    { name: 'disk', emptyDir: {} },
    { name: 'memory', emptyDir: { medium: 'Memory' } },
  ];
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
  const command = ['sh', '-c', `[ -e /disk/file ] && touch /disk/again; echo kept > /disk/file; ${forever}`];
  await node.create('mounted', { containers: [main({ volumeMounts, command })], volumes });
  const pod = await node.until('mounted', 'it runs', isRunning);
  const folder = join(node.folder, 'agent', 'pods', pod?.metadata.uid ?? '');
  const mounts = async () => (await readFile('/proc/self/mounts', 'utf8')).includes(folder);
  const disk = join(folder, 'volumes', 'kubernetes.io~empty-dir', 'disk');
  await eventually('the file is written', () => exists(join(disk, 'file')));
  assert.equal(await mounts(), true);
  await node.agent.endPods(AbortSignal.timeout(30_000));
  assert.equal(await mounts(), false);
  assert.deepEqual(await readdir(disk), ['file']);
  await node.restartAgent();
  await eventually('its files are found again', () => exists(join(disk, 'again')));
  assert.equal(await mounts(), true);
  await remove('mounted');
});

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonic() + 30_000;
  while (!(await condition())) {
    assert(systemClock.monotonic() < deadline, `not within 30 s: ${what}`);
    await systemClock.sleep(50);
  }
}
