/** Wherry on the machines of a lab: several nodes, a node's power cut, and a node on a kernel of its own with cgroup v2. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import type { LabAgent, LabServer } from '../testbed/lab/nodes.ts';

let lab: Lab;
let server: LabServer;
let agents: readonly LabAgent[];

before(async () => {
  lab = await startLab({ name: 'nodes' });
  const [one, two, three] = await Promise.all(['one', 'two', 'three'].map((name) => lab.addHost({ name })));
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  const images = [await imageArchive('busybox')];
  server = await lab.startServer(one, { disableAgent: true });
  agents = await Promise.all([two, three].map((host) => lab.startAgent(host, { server, images })));
});
after(() => lab?.[Symbol.asyncDispose]());

const pod = (name: string, nodeName: string, resources = {}) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: 'c', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '1000000'], resources },
      ],
    },
  });

test('nodes of several hosts are Ready, at the addresses of their hosts', async () => {
  const text = await server.must(['get', 'nodes', '--no-headers', '-o', 'wide']);
  const rows = text.trim().split('\n');
  assert.equal(rows.length, agents.length);
  for (const [index, { name, host }] of agents.entries()) {
    const [shown, state, , , , address] = rows.map((row) => row.split(/\s+/)).find(([first]) => first === name) ?? [];
    assert.deepEqual([shown, state, address], [name, 'Ready', host.address], `node ${index}`);
  }
});

test('after a power cut a node comes back, and its pod runs again', async () => {
  const [agent] = agents;
  assert.ok(agent !== undefined);
  await server.must(['create', '-f', '-'], { input: pod('survivor', agent.name) });
  await server.must(['wait', '--for=condition=Ready', 'pod/survivor', '--timeout=60s']);
  await agent.host.reboot();
  assert.equal((await agent.wherry(['status'])).status, 1);
  assert.ok(!/containerd/.test(await agent.host.must('ps', ['-A', '-o', 'args'])));
  await agent.restart();
  await eventually('the pod runs in a second container', 60_000, async () => {
    const state = '{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}';
    return (await server.must(['get', 'pod', 'survivor', '-o', `jsonpath=${state}`])) === '1 true' ? true : undefined;
  });
  assert.equal(await server.must(['exec', 'survivor', '--', 'echo', 'alive']), 'alive\n');
});

test('a node with a kernel of its own runs pods within the bounds of cgroup v2', async () => {
  // That kernel's nftables has no IP families, so what needs them stays off.
  const flags = ['--flannel-backend=none', '--disable-kube-proxy', '--disable-network-policy'];
  await using own = await startLab({ name: 'kernel' });
  const [first, second] = await Promise.all([
    own.addHost({ name: 'first' }),
    own.addHost({ name: 'second', kind: 'uml', memoryMiB: 2048 }),
  ]);
  const [main] = await Promise.all([
    own.startServer(first, { disableAgent: true, flags }),
    second.writeFile(path.join(second.folder, 'agent/agent/etc/cni/net.d/10-bridge.conflist'), bridgeNetwork),
  ]);
  const agent = await own.startAgent(second, { server: main, images: [await imageArchive('busybox')] });
  assert.match(await second.must('uname', ['-r']), /^6\.1\./);

  const limits = { memory: '64Mi', cpu: '500m' };
  await main.must(['create', '-f', '-'], { input: pod('bounded', agent.name, { limits }) });
  await main.must(['wait', '--for=condition=Ready', 'pod/bounded', '--timeout=60s']);
  const shown = await main.must(['exec', 'bounded', '--', 'sh', '-c', 'cd /sys/fs/cgroup && cat memory.max cpu.max']);
  assert.equal(shown, '67108864\n50000 100000\n');
  const bounds = async () => (await second.must('sh', ['-c', 'cat /sys/fs/cgroup/kubepods*/pod*/memory.max'])).trim();
  assert.equal(await bounds(), '67108864');

  await agent.kill();
  await agent.restart();
  assert.equal(
    await main.must(['get', 'pod', 'bounded', '-o', 'jsonpath={.status.containerStatuses[0].restartCount}']),
    '0',
  );
  await main.must(['delete', 'pod', 'bounded']);
  await eventually('the cgroup of the pod is gone', 30_000, async () =>
    (await second.run('sh', ['-c', 'ls -d /sys/fs/cgroup/kubepods*/pod*'])).status === 0 ? undefined : true,
  );
});

const bridgeNetwork = JSON.stringify({
  cniVersion: '1.0.0',
  name: 'bridge',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '10.42.0.0/24' }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
  ],
});
