/** A node apart from its control plane: how it joins, what runs on it, and what outlives whose end. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { startCluster, type TestAgent, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';

const wherry = path.join(import.meta.dirname, '../../wherry');
let cluster: TestCluster;
let agent: TestAgent;

before(async () => {
  cluster = await startCluster({ name: 'agent', flags: ['--disable-agent'] });
  agent = await cluster.startAgent({ name: 'worker-1', images: [await imageArchive('busybox')] });
});
after(() => cluster?.[Symbol.asyncDispose]());

const serverUrl = () => `https://${cluster.nodeIp}:${cluster.port}`;
const tokenFile = () => path.join(cluster.dataDir, 'server/token');
const token = () => readFileSync(tokenFile(), 'utf8').trim();

/** An agent that is expected to be refused. */
function attempt(t: TestContext, args: readonly string[]) {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'wherry-agent-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  return cluster.inside(wherry, ['agent', '--no-install', '--data-dir', dataDir, '--node-name', 'intruder', ...args]);
}

const identity = () =>
  cluster.must([
    'get',
    'pod',
    'volume-test',
    '-o',
    'jsonpath={.metadata.uid} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}',
  ]);

test('the node is Ready, and its keys are its own', async () => {
  assert.match(await cluster.must(['get', 'nodes', '--no-headers']), /^worker-1 +Ready +<none> /);
  assert.match(token(), /^K10[0-9a-f]{64}::[a-z0-9]{6}\.[a-z0-9]{16}$/);
  assert.equal(statSync(tokenFile()).mode & 0o777, 0o600);
  for (const file of ['client-kubelet.key', 'client-kubelet.crt', 'serving-kubelet.key', 'serving-kubelet.crt']) {
    assert.equal(statSync(path.join(agent.dataDir, 'agent', file)).mode & 0o777, 0o600, file);
  }
  const requests = await cluster.must(['get', 'csr', '--no-headers']);
  assert.match(requests, /kube-apiserver-client-kubelet +system:bootstrap:\S+ .*Approved,Issued/);
  assert.match(requests, /kubelet-serving +system:node:worker-1 .*Approved,Issued/);
  const status = await agent.wherry(['status']);
  assert.equal(status.status, 0, status.stdout);
  for (const part of ['Cluster', 'Node', 'Cluster DNS', 'Services', 'Local storage'])
    assert.match(status.stdout, new RegExp(`^ok +${part} `, 'm'));
});

test('a pod with a local-path claim runs there; exec and logs go through the node', async () => {
  await cluster.must(['create', '-f', '-'], {
    input: JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'volume-test' },
          spec: {
            terminationGracePeriodSeconds: 1,
            volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
            containers: [
              {
                name: 'c',
                image: 'busybox',
                imagePullPolicy: 'IfNotPresent',
                command: ['sh', '-c', 'echo begun; sleep 1000000'],
                volumeMounts: [{ name: 'data', mountPath: '/data' }],
              },
            ],
          },
        },
      ],
    }),
  });
  await cluster.must(['wait', '--for=condition=Ready', 'pod/volume-test', '--timeout=60s']);
  await cluster.must(['exec', 'volume-test', '--', 'sh', '-c', 'echo kept > /data/note']);
  assert.equal(await cluster.must(['exec', 'volume-test', '--', 'cat', '/data/note']), 'kept\n');
  assert.equal(await cluster.must(['logs', 'volume-test']), 'begun\n');
  const names = await cluster.must(['exec', 'volume-test', '--', 'nslookup', 'kubernetes.default.svc.cluster.local']);
  assert.match(names, /10\.43\.0\.1\b/);
});

test('the pod outlives the server, and the node comes back', async () => {
  const before = await identity();
  await cluster.kill();
  await cluster.restart();
  await cluster.must(['wait', '--for=condition=Ready', 'node/worker-1', '--timeout=60s']);
  assert.equal(await identity(), before);
  // The agent sees what happens after the restart.
  await cluster.must(['run', 'late', '--image=busybox', '--image-pull-policy=IfNotPresent', '--', 'sleep', '1000']);
  await cluster.must(['wait', '--for=condition=Ready', 'pod/late', '--timeout=60s']);
  assert.equal(await cluster.must(['exec', 'volume-test', '--', 'cat', '/data/note']), 'kept\n');
  await cluster.must(['delete', 'pod', 'late', '--grace-period=1']);
});

test('after kill -9 of the agent its containers are adopted, with the certificates it kept', async () => {
  const before = await identity();
  const certificate = () => readFileSync(path.join(agent.dataDir, 'agent/client-kubelet.crt'), 'utf8');
  const kept = certificate();
  await agent.kill();
  await agent.restart();
  await cluster.must(['wait', '--for=condition=Ready', 'pod/volume-test', '--timeout=60s']);
  assert.equal(await identity(), before);
  assert.match(before, / 0$/);
  assert.equal(certificate(), kept);
  assert.equal(await cluster.must(['exec', 'volume-test', '--', 'cat', '/data/note']), 'kept\n');
});

test('a node may not act on what is not its own', async () => {
  const as = ['--as', 'system:node:worker-1', '--as-group', 'system:nodes'];
  const may = async (...args: string[]) => (await cluster.kubectl(['auth', 'can-i', ...args, ...as])).stdout.trim();
  assert.equal(await may('list', 'endpointslices.discovery.k8s.io', '-A'), 'yes');
  assert.match(await may('list', 'persistentvolumeclaims', '-A'), /^no/);
  assert.match(await may('delete', 'persistentvolumes'), /^no/);
  assert.match(await may('list', 'secrets', '-A'), /^no/);
  assert.match(await may('get', 'nodes/another'), /^no/);
});

test('a wrong token, half a token and the token of another cluster are refused', async (t) => {
  const wrong = await attempt(t, ['--server', serverUrl(), '--token', token().replace(/.{16}$/, 'a'.repeat(16))]);
  assert.equal(wrong.status, 1);
  assert.match(
    wrong.stderr,
    /wherry: the server refuses the token[\s\S]*\nTry: copy the line of DATA-DIR\/server\/token/,
  );
  const other = await attempt(t, [
    '--server',
    serverUrl(),
    '--token',
    token().replace(/^K10[0-9a-f]{64}/, `K10${'0'.repeat(64)}`),
  ]);
  assert.equal(other.status, 1);
  assert.match(other.stderr, /is not of the cluster that the token is for[\s\S]*Try: compare --server/);
  const half = await attempt(t, ['--server', serverUrl(), '--token', token().slice(0, 40)]);
  assert.match(half.stderr, /the token is not whole[\s\S]*Try: copy the whole line/);
  assert.match((await attempt(t, ['--server', serverUrl()])).stderr, /--token: without it[\s\S]*Try: /);
  assert.match((await attempt(t, ['--token', 'x'])).stderr, /--server: which cluster[\s\S]*Try: give --server https/);
  assert.equal((await cluster.kubectl(['get', 'node', 'intruder'])).status, 1);
});

test('the name of another node that is Ready is refused, and nothing of it is kept', async (t) => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'wherry-agent-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const join = ['--server', serverUrl(), '--token', token(), '--node-name', 'worker-1', '--node-ip', '198.18.255.7'];
  const { status, stderr } = await cluster.inside(wherry, ['agent', '--no-install', '--data-dir', dataDir, ...join]);
  assert.equal(status, 1);
  assert.match(stderr, /a node named worker-1 is in the cluster and Ready, at 198\.18\.[\s\S]*Try: .*--node-name/);
  assert.ok(!existsSync(path.join(dataDir, 'agent/client-kubelet.crt')));
});

test('a server that cannot be reached is told with what to do', async (t) => {
  const { status, stderr } = await attempt(t, ['--server', 'https://127.0.0.1:1', '--token', token()]);
  assert.equal(status, 1);
  assert.match(stderr, /the API server at https:\/\/127\.0\.0\.1:1 can't be reached[\s\S]*Try: see on the server/);
});

test('the data directory of a server, and one that is in use, are refused', async () => {
  const args = ['agent', '--server', serverUrl(), '--token', token()];
  assert.match((await cluster.wherry(args)).stderr, /already runs with this data directory[\s\S]*Try: /);
  assert.match((await agent.wherry(args)).stderr, /already runs with this data directory[\s\S]*Try: /);
});

test('down stops the node and its pods, also while its server is away; at the next start they run again', async () => {
  await cluster.kill();
  const down = await agent.wherry(['down']);
  assert.equal(down.status, 0, down.stderr);
  assert.equal((await agent.wherry(['status'])).status, 1);
  // A node that is known waits for its server.
  const again = agent.restart();
  await eventually('the agent runs', 30_000, async () =>
    /\.\.\. +Cluster /.test((await agent.wherry(['status'])).stdout) ? true : undefined,
  );
  await cluster.restart();
  await again;
  await eventually('the pod runs again', 60_000, async () =>
    (await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/volume-test', '--timeout=5s'])).status === 0
      ? true
      : undefined,
  );
  assert.equal(await cluster.must(['exec', 'volume-test', '--', 'cat', '/data/note']), 'kept\n');
});
