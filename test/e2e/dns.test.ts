/** The cluster's DNS as pods and machines see it, also while the server is away. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startCluster, type TestAgent, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';

let cluster: TestCluster;
let agent: TestAgent;
const dnsAddress = '10.43.0.10';

const template = {
  metadata: { labels: { app: 'db' } },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'main',
        image: 'busybox',
        imagePullPolicy: 'IfNotPresent',
        command: ['sleep', '1000000'],
        ports: [{ name: 'sql', containerPort: 5432 }],
      },
    ],
  },
};
const objects = [
  {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db' },
    spec: {
      serviceName: 'db',
      replicas: 2,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { app: 'db' } },
      template,
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db' },
    spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ name: 'sql', port: 5432 }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'front' },
    spec: { clusterIP: '10.43.0.77', selector: { app: 'db' }, ports: [{ name: 'sql', port: 5432 }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'out' },
    spec: { type: 'ExternalName', externalName: 'www.outside.test' },
  },
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'coredns-custom', namespace: 'kube-system' },
    data: { 'outside.server': 'outside.test:53 {\n  errors\n  cache 30\n  forward . 127.0.0.1:5354\n}\n' },
  },
];

before(async () => {
  cluster = await startCluster({ name: 'dns', flags: ['--disable-agent'] });
  agent = await cluster.startAgent({ name: 'worker-1', images: [await imageArchive('busybox')] });
  const upstream = [
    '--no-daemon',
    '--conf-file=/dev/null',
    '--no-resolv',
    '--no-hosts',
    '--port=5354',
    '--listen-address=127.0.0.1',
  ];
  cluster.start('dnsmasq', [...upstream, '--bind-interfaces', '--address=/www.outside.test/192.0.2.7']);
  for (const object of objects) await cluster.must(['create', '-f', '-'], { input: JSON.stringify(object) });
  await cluster.must(['rollout', 'status', 'statefulset/db', '--timeout=60s']);
});
after(() => cluster?.[Symbol.asyncDispose]());

/** What dig prints in short when it asks the cluster's DNS from the machine's own network. */
async function dig(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await cluster.inside('dig', [
    `@${dnsAddress}`,
    '+short',
    '+tries=1',
    '+time=5',
    ...args,
  ]);
  assert.equal(status, 0, stdout + stderr);
  return stdout.trim().split('\n').sort().join(' ');
}

const inPod = (...command: readonly string[]) => cluster.kubectl(['exec', 'db-0', '--', ...command]);
const at = (name: string) => `${name}.default.svc.cluster.local`;
const addressOf = (pod: string) => cluster.must(['get', 'pod', pod, '-o', 'jsonpath={.status.podIP}']);

test('pods and machines find Services, pods of a StatefulSet, ports and names outside', async () => {
  const [first, second] = [await addressOf('db-0'), await addressOf('db-1')];
  await eventually('both pods have their names', 10_000, async () =>
    (await dig(at('db'))) === [first, second].sort().join(' ') ? true : undefined,
  );
  assert.equal(await dig(at('db-1.db')), second);
  assert.equal(await dig(at('front')), '10.43.0.77');
  assert.equal(await dig('-x', first), `${at('db-0.db')}.`);
  assert.equal(await dig('-x', '10.43.0.77'), `${at('front')}.`);
  assert.equal(await dig(`_sql._tcp.${at('db')}`, 'SRV'), `0 50 5432 ${at('db-0.db')}. 0 50 5432 ${at('db-1.db')}.`);
  assert.equal(await dig('+tcp', at('front')), '10.43.0.77');
  assert.equal(await dig(`${second.replaceAll('.', '-')}.default.pod.cluster.local`), second);
  assert.equal(await dig('www.outside.test'), '192.0.2.7');
  assert.equal(await dig(at('out')), '192.0.2.7 www.outside.test.');
  for (const [name, address] of [
    [at('front'), '10.43.0.77'],
    [at('db-1.db'), second],
    [at('out'), '192.0.2.7'],
  ] as const) {
    const { stdout, stderr } = await inPod('nslookup', name);
    assert.match(
      stdout,
      new RegExp(`Address(?: \\d+)?: ${address.replaceAll('.', '\\.')}`),
      `${name}: ${stdout}${stderr}`,
    );
    assert.match(stdout, /Server:\s+10\.43\.0\.10/);
  }
});

test('nodes are found by their names', async () => {
  await eventually('the name of the node', 10_000, async () =>
    (await dig('worker-1')) === cluster.nodeIp ? true : undefined,
  );
});

test('a directive that is not supported becomes an Event on the ConfigMap', async () => {
  const patch = { data: { 'wrong.server': 'wrong.test {\n  rewrite stop\n}\n' } };
  await cluster.must([
    '-n',
    'kube-system',
    'patch',
    'configmap',
    'coredns-custom',
    '--type=merge',
    '-p',
    JSON.stringify(patch),
  ]);
  const message = await eventually('the Event', 5_000, async () => {
    const text = await cluster.must([
      '-n',
      'kube-system',
      'get',
      'events',
      '--field-selector',
      'reason=InvalidCorefile',
      '-o',
      'jsonpath={.items[*].message}',
    ]);
    return text === '' ? undefined : text;
  });
  assert.match(message, /^wrong\.server, line 2: the directive "rewrite" is not supported/);
});

test('names are answered while the server is away, and by an agent that starts again as soon as it is back', async () => {
  await cluster.kill();
  assert.equal(await dig(at('front')), '10.43.0.77');
  assert.equal((await dig(at('db'))).split(' ').length, 2);
  assert.equal(await dig('www.outside.test'), '192.0.2.7');
  await cluster.restart();
  await agent.kill();
  await agent.restart();
  assert.equal(await dig(at('front')), '10.43.0.77');
});
