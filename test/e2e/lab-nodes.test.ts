/** Wherry on the machines of a lab: several nodes, a node's power cut, and a node on a kernel of its own with cgroup v2. */
import assert from 'node:assert/strict';
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
