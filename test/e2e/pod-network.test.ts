/** The pod network of three machines: through kills, a reboot, another address, a cut link; and somebody else's. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';
import { startLab } from '../testbed/lab/lab.ts';
import { startPods, startWorld, testBackend, untilMesh } from './pod-network-world.ts';

testBackend('vxlan');
testBackend('wireguard-native');

test('dual stack: pods reach each other under both of their addresses', async (t) => {
  const world = await startWorld(t, 'dual', { hosts: 2, dualStack: true });
  await untilMesh(world, await startPods(world), 'after the start');
});

test('with --flannel-backend=none the node says what it waits for, and an add-on’s own files are used', async (t) => {
  const lab = await startLab({ name: 'none' });
  t.after(() => lab[Symbol.asyncDispose]());
  const host = await lab.addHost({ name: 'none-1' });
  const server = await lab.startServer(host, {
    images: [await imageArchive('busybox')],
    flags: ['--flannel-backend', 'none'],
    wait: false,
  });
  const ready =
    '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}{.status.conditions[?(@.type=="Ready")].message}';
  await eventually('the node says what is missing', 60_000, async () => {
    const { stdout } = await server.kubectl(['get', 'node', host.name, ready]);
    return /^False.*no CNI configuration in \/etc\/cni\/net\.d or .*install a network add-on/.test(stdout)
      ? true
      : undefined;
  });
  const range = await server.must(['get', 'node', host.name, '-o', 'jsonpath={.spec.podCIDR}']);
  const bridge = {
    cniVersion: '0.4.0',
    name: 'theirs',
    plugins: [
      {
        type: 'bridge',
        bridge: 'theirs0',
        isGateway: true,
        ipMasq: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: range }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
    ],
  };
  await host.writeFile('/etc/cni/net.d/10-theirs.conflist', JSON.stringify(bridge));
  await server.must(['wait', '--for=condition=Ready', `node/${host.name}`, '--timeout=30s']);
  const world = { lab, server, nodes: [server] };
  await untilMesh(world, await startPods(world), 'with the add-on');
  assert.match(await host.must('ip', ['link', 'show', 'type', 'bridge']), /theirs0/);
  assert.doesNotMatch(await host.must('ip', ['link']), /flannel/);
  assert.match(await host.must('ls', [path.join(server.dataDir, 'agent/etc/cni/net.d')]), /10-theirs\.conflist/);
});
