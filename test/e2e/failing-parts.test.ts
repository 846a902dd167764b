/** What happens when a part below the cluster fails: its container runtime, its disk. Pods stay, the cluster says so. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';
import { makeSmallDisk, type SmallDisk } from '../testbed/small-disk.ts';

let disk: SmallDisk;
let cluster: TestCluster;
before(async () => {
  disk = await makeSmallDisk('failing', 256);
  const dataDir = path.join(disk.path, 'data');
  cluster = await startCluster({
    name: 'failing',
    dataDir,
    images: [await imageArchive('busybox')],
    flags: ['--disable', 'metrics-server'],
  });
  // Critical, for others are evicted from a full disk.
  await cluster.must(['create', '-f', '-'], { input: pod('steady', { priorityClassName: 'system-node-critical' }) });
  await cluster.must(['wait', '--for=condition=Ready', 'pod/steady', '--timeout=60s']);
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await disk?.[Symbol.asyncDispose]();
});

const pod = (name: string, more: object = {}) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '1000000'] }],
      ...more,
    },
  });

const identity = () =>
  cluster.must([
    'get',
    'pod',
    'steady',
    '-o',
    'jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}',
  ]);

const containerdPid = () => Number(readFileSync(path.join(cluster.dataDir, 'agent/containerd/containerd.pid'), 'utf8'));

const condition = (type: string) =>
  cluster.must(['get', 'node', 'node-1', '-o', `jsonpath={.status.conditions[?(@.type=="${type}")].status}`]);

/** Waits until `wherry status` is content, or until it names the failed part with these words. */
const statusSays = (words: RegExp | null) =>
  eventually(`status says ${words ?? 'that all is well'}`, 60_000, async () => {
    const { status, stdout } = await cluster.wherry(['status']);
    return (words === null ? status === 0 : status === 1 && words.test(stdout)) || undefined;
  });

test('after kill -9 of containerd it is started again, and pods run on', async () => {
  const before = await identity();
  const pid = containerdPid();
  process.kill(pid, 'SIGKILL');
  await eventually('it runs again', 30_000, async () => (containerdPid() === pid ? undefined : true));
  await eventually('commands run again', 60_000, async () =>
    (await cluster.kubectl(['exec', 'steady', '--', 'true'])).status === 0 ? true : undefined,
  );
  await cluster.must(['create', '-f', '-'], { input: pod('later') });
  await cluster.must(['wait', '--for=condition=Ready', 'pod/later', '--timeout=60s']);
  assert.equal(await identity(), before);
  await cluster.must(['delete', 'pod', 'later', '--wait']);
});

test('while containerd hangs, the node is not Ready and status says why; then all is well again', async () => {
  const before = await identity();
  const pid = containerdPid();
  process.kill(pid, 'SIGSTOP');
  try {
    await statusSays(/^FAILED +Node +.*node-1 is not Ready: .*container runtime is down/m);
    assert.equal(await condition('Ready'), 'False');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await statusSays(null);
  assert.equal(await condition('Ready'), 'True');
  assert.equal(await identity(), before);
});

test('a full disk is told on the Node and in status, keeps new pods away, loses nothing, and is over when there is space', async () => {
  const before = await identity();
  const written: string[] = [];
  const write = async (name: string) => {
    const result = await cluster.kubectl(['create', 'configmap', name, '--from-literal=a=b']);
    if (result.status === 0) written.push(name);
    return result;
  };
  await write('before');
  await disk.fill();
  await statusSays(/^FAILED +Datastore +.*is full; free space there[\s\S]*^FAILED +Node +.*DiskPressure/m);
  assert.equal(await condition('DiskPressure'), 'True');
  const events = await cluster.must(['get', 'events', '-A', '--field-selector=involvedObject.kind=Node']);
  assert.match(events, /NodeHasDiskPressure/);
  // The reserve lets what matters be written.
  assert.equal((await write('meanwhile')).status, 0);
  await cluster.must(['create', '-f', '-'], { input: pod('waiting') });
  await eventually('it is told why it waits', 30_000, async () =>
    /untolerated taint.*disk-pressure/.test(await cluster.must(['describe', 'pod', 'waiting'])) ? true : undefined,
  );
  await cluster.must(['create', '-f', '-'], { input: pod('forced', { nodeName: 'node-1' }) });
  await cluster.must(['wait', '--for=jsonpath={.status.phase}=Failed', 'pod/forced', '--timeout=30s']);
  assert.equal(
    await cluster.must(['get', 'pod', 'forced', '-o', 'jsonpath={.status.reason}: {.status.message}']),
    'Evicted: Pod was rejected: The node had condition: [DiskPressure]. ',
  );
  // Whoever takes the reserve too gets a clear refusal for every write, and reads go on.
  await disk.fill();
  const refused = await eventually('a write is refused', 30_000, async () => {
    const result = await write(`more-${written.length}`);
    return result.status === 0 ? undefined : result;
  });
  assert.match(refused.stderr, /no space is left for the datastore/);
  assert.equal(await identity(), before);
  disk.free();
  await statusSays(null);
  assert.equal(await condition('DiskPressure'), 'False');
  await cluster.must(['wait', '--for=condition=Ready', 'pod/waiting', '--timeout=60s']);
  assert.equal((await write('after')).status, 0);
  for (const name of written) await cluster.must(['get', 'configmap', name]);
  assert.equal(await identity(), before);
});

test('a cluster without metrics-server has no metrics API', async () => {
  const { status, stderr } = await cluster.kubectl(['top', 'nodes']);
  assert.equal(status, 1);
  assert.match(stderr, /Metrics API not available/);
});
