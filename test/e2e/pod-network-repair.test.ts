/** What somebody takes away comes back, what is somebody else's stays, packets have the right size, and none goes in clear. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import type { LabAgent, LabServer } from '../testbed/lab/nodes.ts';

/** How long a piece that was taken away may be gone. */
const repairMs = 2000;

/** What pods answer to HTTP requests. */
const secret = 'plainly-readable-payload';

let lab: Lab;
let server: LabServer;
let agent: LabAgent;
let host: Host;

before(async () => {
  lab = await startLab({ name: 'repair' });
  const [first, second] = [await lab.addHost({ name: 'repair-1' }), await lab.addHost({ name: 'repair-2' })];
  const images = [await imageArchive('busybox')];
  server = await lab.startServer(first, { images });
  agent = await lab.startAgent(second, { server, images });
  host = second;
  await startPod('near', first.name);
  await startPod('far', second.name);
  await eventually('the pods reach each other', 30_000, async () => ((await pings('near', 'far')) ? true : undefined));
});
after(() => lab?.[Symbol.asyncDispose]());

async function startPod(name: string, node: string): Promise<void> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'c',
          image: 'busybox',
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', `echo ${secret} >/tmp/index.html; exec httpd -f -p 8080 -h /tmp`],
        },
      ],
    },
  };
  await server.must(['create', '-f', '-'], { input: JSON.stringify(pod) });
  await server.must(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s']);
}

const addressOf = async (pod: string) => await server.must(['get', 'pod', pod, '-o', 'jsonpath={.status.podIP}']);

/** Whether one pod reaches another with packets of so many bytes in all (RFC 792: 28 of them are headers). */
async function pings(from: string, to: string, bytes = 84): Promise<boolean> {
  const args = ['ping', '-c', '1', '-W', '2', '-s', String(bytes - 28), await addressOf(to)];
  return (await server.kubectl(['exec', from, '--', ...args])).status === 0;
}

const network = () =>
  host.must('sh', [
    '-c',
    'ip -d -o link show flannel.1 | cut -d: -f3-; ip -o address show dev flannel.1 scope global | cut -d: -f2-; ip route show proto 87; ip neigh show dev flannel.1 nud permanent; bridge fdb show dev flannel.1',
  ]);

test('a device, an address, a route, a neighbour or a forwarding entry that is deleted is back within two seconds', async () => {
  const standing = await network();
  const peer = /^(\S+) via (\S+) dev flannel\.1/m.exec(standing);
  const [, range = '', gateway = ''] = peer ?? [];
  const [, mac = '', outside = ''] = /^(\S+) dst (\S+) /m.exec(standing.slice(standing.indexOf('PERMANENT'))) ?? [];
  const own = /inet (\S+) scope global flannel\.1/.exec(standing)?.[1] ?? '';
  for (const line of [
    ['ip', 'link', 'delete', 'flannel.1'],
    ['ip', 'link', 'set', 'flannel.1', 'down'],
    ['ip', 'link', 'set', 'flannel.1', 'mtu', '1300'],
    ['ip', 'address', 'delete', own, 'dev', 'flannel.1'],
    ['ip', 'route', 'delete', range],
    [
      'ip',
      'route',
      'delete',
      'unreachable',
      await server.must(['get', 'node', host.name, '-o', 'jsonpath={.spec.podCIDR}']),
      'proto',
      '87',
      'metric',
      '1000000',
    ],
    ['ip', 'neigh', 'delete', gateway, 'dev', 'flannel.1'],
    ['bridge', 'fdb', 'delete', mac, 'dev', 'flannel.1', 'dst', outside],
  ]) {
    const [command = '', ...args] = line;
    await host.must(command, args);
    await eventually(`all is as it was after: ${line.join(' ')}`, repairMs, async () =>
      (await network()) === standing ? true : undefined,
    ).catch(async (error: unknown) => {
      throw new Error(`${await network()}\ninstead of\n${standing}`, { cause: error });
    });
  }
  assert.ok(await pings('near', 'far'));
});

test('routes and devices of others stay, also those that look like ours', async () => {
  await host.must('ip', ['link', 'add', 'vxlan9', 'type', 'vxlan', 'id', '9', 'dstport', '4789', 'dev', 'eth0']);
  await host.must('ip', ['link', 'set', 'vxlan9', 'up']);
  await host.must('ip', ['route', 'add', '10.42.200.0/24', 'dev', 'eth0']);
  await host.must('ip', ['link', 'delete', 'flannel.1']);
  await eventually('the network was repaired', repairMs, async () =>
    (await network()).includes('via') ? true : undefined,
  );
  assert.match(await host.must('ip', ['link', 'show', 'vxlan9']), /vxlan9/);
  assert.match(await host.must('ip', ['route']), /^10\.42\.200\.0\/24 dev eth0/m);
});

test('a route of somebody else that stands in the way is named on the Node, and in status', async () => {
  const nodes = JSON.parse(await server.must(['get', 'nodes', '-o', 'json'])).items;
  const range = nodes.find((node: { metadata: { name: string } }) => node.metadata.name !== host.name).spec.podCIDR;
  await host.must('sh', ['-c', `ip route delete ${range} && ip route add ${range} dev eth0`]);
  const events = [
    'get',
    'events',
    '--field-selector',
    `involvedObject.name=${host.name},reason=PodNetworkFailed`,
    '-o',
    'jsonpath={.items[*].message}',
  ];
  await eventually('an Event names the route', 5000, async () =>
    (await server.must(events)).includes(`route add ${range}`) ? true : undefined,
  );
  const { stdout } = await agent.wherry(['status']);
  assert.match(stdout, /FAILED +Pod network .*File exists/);
  await host.must('ip', ['route', 'delete', range, 'dev', 'eth0']);
  await eventually('ours takes its place', 5000, async () => ((await pings('near', 'far')) ? true : undefined));
});

test('pods have the MTU that the tunnel leaves: the largest packet passes whole, also after the underlay’s MTU changed', async () => {
  const mtuOf = async (pod: string) => Number(await server.must(['exec', pod, '--', 'cat', '/sys/class/net/eth0/mtu']));
  assert.equal(await mtuOf('far'), 1450);
  await using capture = await host.capture();
  assert.ok(await pings('near', 'far', 1450));
  assert.deepEqual(await capture.packets('ip[6:2] & 0x3fff != 0'), []);
  for (const each of lab.hosts) await each.link.setMtu(9000);
  await eventually('the device follows', 10_000, async () =>
    (await host.must('ip', ['link', 'show', 'flannel.1'])).includes('mtu 8950') ? true : undefined,
  );
  await eventually('new pods have the new MTU', 20_000, async () => {
    await startPod('large', host.name);
    const mtu = await mtuOf('large');
    await server.must(['delete', 'pod', 'large', '--wait']);
    return mtu === 8950 ? true : undefined;
  });
  assert.ok(await pings('near', 'far', 1450));
});

const encrypted = [
  { backend: 'wireguard-native', device: 'flannel-wg', mtu: 1440, program: undefined },
  { backend: 'ipsec', device: 'ipsec0', mtu: 1400, program: 'agent/podnet/ipsec/charon.pid' },
] as const;

for (const { backend, device, mtu, program } of encrypted)
  test(`with ${backend} the wire shows no plain packet of pods, and none leaves while the tunnel is gone`, async (t) => {
    const second = await startLab({ name: 'secret' });
    t.after(() => second[Symbol.asyncDispose]());
    const [one, two] = [await second.addHost({ name: 'secret-1' }), await second.addHost({ name: 'secret-2' })];
    const images = [await imageArchive('busybox')];
    server = await second.startServer(one, { images, flags: ['--flannel-backend', backend] });
    agent = await second.startAgent(two, { server, images });
    await startPod('near', one.name);
    await startPod('far', two.name);
    await eventually('the pods reach each other', 30_000, async () =>
      (await pings('near', 'far')) ? true : undefined,
    );
    await using capture = await two.capture();
    const got = await server.must(['exec', 'near', '--', 'wget', '-qO-', `http://${await addressOf('far')}:8080/`]);
    assert.equal(got.trim(), secret);
    assert.equal(capture.contains(secret), false);
    assert.equal(await pings('near', 'far', mtu), true);

    // The agent is dead and the tunnel with it: pods' packets find no way out.
    await agent.kill();
    if (program !== undefined)
      await two.must('kill', ['-9', (await two.readFile(path.join(agent.dataDir, program))).trim()]);
    await two.run('ip', ['link', 'delete', device]);
    assert.equal(await pings('near', 'far'), false);
    const near = await addressOf('near');
    await two.run('ping', ['-c', '1', '-W', '1', near]);
    const inClear = await capture.packets(`ip and (net 10.42.0.0/16)`);
    assert.deepEqual(inClear, []);
  });
