/** Pods that an earlier version plugged into its bridge go on when pods get veth pairs of their own. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import type { Host } from '../testbed/lab/host.ts';
import { startLab } from '../testbed/lab/lab.ts';

const child = path.join(import.meta.dirname, 'former-bridge-child.ts');

/** Calls the first plugin of a configuration list, as the runtime does. */
async function callPlugin(host: Host, command: 'ADD' | 'DEL', configFolder: string, pod: string): Promise<void> {
  const list = JSON.parse(await host.readFile(path.join(configFolder, '10-wherry.conflist')));
  const { cniVersion, name, plugins } = list;
  const environment = [`CNI_COMMAND=${command}`, `CNI_CONTAINERID=${pod}`, `CNI_NETNS=/run/netns/${pod}`];
  const more = ['CNI_IFNAME=eth0', 'CNI_PATH=/usr/lib/cni', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'];
  await host.must('env', [...environment, ...more, `/usr/lib/cni/${plugins[0].type}`], {
    input: JSON.stringify({ cniVersion, name, ...plugins[0] }),
  });
}

test('pods on the bridge of an earlier version and new ones reach each other, and the bridge goes with its last pod', async (t) => {
  const lab = await startLab({ name: 'former' });
  t.after(() => lab[Symbol.asyncDispose]());
  const host = await lab.addHost({ name: 'former-1' });
  const [configFolder, addressFolder] = [path.join(host.folder, 'net.d'), path.join(host.folder, 'cni')];
  const network = async (action: string) =>
    (await host.must(process.execPath, [child, configFolder, addressFolder, action])).trim();
  const addressOf = async (pod: string) =>
    /inet (10\.42\.0\.\d+)/.exec(await host.must('ip', ['-n', pod, 'address', 'show', 'eth0']))?.[1] ?? '';
  const pings = async (from: string, to: string) =>
    (await host.run('ip', ['netns', 'exec', from, 'ping', '-c', '1', '-W', '2', to])).status === 0;

  const ipam = {
    type: 'host-local',
    dataDir: addressFolder,
    ranges: [[{ subnet: '10.42.0.0/24' }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: false, hairpinMode: true, mtu: 1500, ipam };
  const former = { cniVersion: '0.4.0', name: 'wherry', plugins: [bridge] };
  await host.writeFile(path.join(configFolder, '10-wherry.conflist'), `${JSON.stringify(former, null, 2)}\n`);
  await host.must('sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
  for (const pod of ['old-1', 'old-2', 'new-1', 'new-2'])
    await host.must('sh', ['-c', `ip netns add ${pod} && ip -n ${pod} link set lo up`]);
  for (const pod of ['old-1', 'old-2']) await callPlugin(host, 'ADD', configFolder, pod);

  assert.equal(await network('apply'), 'cni0');
  for (const pod of ['new-1', 'new-2']) await callPlugin(host, 'ADD', configFolder, pod);
  const pods = ['old-1', 'old-2', 'new-1', 'new-2'];
  const addresses = await Promise.all(pods.map(addressOf));
  assert.equal(new Set(addresses).size, 4);
  for (const from of pods)
    for (const to of addresses) assert.ok(await pings(from, to), `${from} reaches ${pods[addresses.indexOf(to)]}`);

  await callPlugin(host, 'DEL', configFolder, 'old-1');
  assert.equal(await network('tend'), 'cni0');
  assert.ok(await pings('old-2', await addressOf('new-1')));
  await callPlugin(host, 'DEL', configFolder, 'old-2');
  assert.equal(await network('tend'), 'null');
  assert.equal((await host.run('ip', ['link', 'show', 'cni0'])).status, 1);
  assert.ok(await pings('new-1', await addressOf('new-2')));
});
