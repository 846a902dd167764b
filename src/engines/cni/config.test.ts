import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { compilePodInterfaces } from './config.ts';
import { applyNetwork, findPluginFolder } from './network.ts';

const network = { name: 'wherry', podCidrs: ['10.42.0.0/24'], mtu: 1450, addressFolder: '/data/cni' };

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-cni-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('pods get a routed veth pair with an address of the node’s range', () => {
  assert.deepEqual(JSON.parse(compilePodInterfaces(network)).plugins, [
    {
      type: 'ptp',
      ipMasq: false,
      mtu: 1450,
      ipam: {
        type: 'host-local',
        dataDir: '/data/cni',
        ranges: [[{ subnet: '10.42.0.0/24' }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
  ]);
});

test('a range of each family gets its addresses and its default route, without a search for doubles', () => {
  const both = { ...network, podCidrs: ['10.42.0.0/24', 'fd00:42::/64'] };
  const { plugins } = JSON.parse(compilePodInterfaces(both));
  assert.deepEqual(
    plugins.map(({ type }: { type: string }) => type),
    ['loopback', 'tuning', 'ptp'],
  );
  assert.deepEqual(plugins[1].sysctl, { 'net.ipv6.conf.default.accept_dad': '0' });
  assert.deepEqual(plugins[2].ipam.ranges, [[{ subnet: '10.42.0.0/24' }], [{ subnet: 'fd00:42::/64' }]]);
  assert.deepEqual(plugins[2].ipam.routes, [{ dst: '0.0.0.0/0' }, { dst: '::/0' }]);
});

test('applying twice writes once', async (t) => {
  const folder = await folderOf(t);
  const here = { ...network, addressFolder: join(folder, 'addresses') };
  assert.equal(await applyNetwork(join(folder, 'net.d'), here), true);
  assert.equal(await applyNetwork(join(folder, 'net.d'), here), false);
  assert.deepEqual(await readdir(join(folder, 'net.d')), ['10-wherry.conflist']);
});

test('the bridge of an earlier version is remembered when its configuration is replaced', async (t) => {
  const folder = await folderOf(t);
  const here = { ...network, addressFolder: join(folder, 'addresses') };
  const former = {
    cniVersion: '0.4.0',
    name: 'wherry',
    plugins: [{ type: 'bridge', bridge: 'cni0', isGateway: true }],
  };
  await mkdir(join(folder, 'net.d'));
  await writeFile(join(folder, 'net.d', '10-wherry.conflist'), `${JSON.stringify(former, null, 2)}\n`);
  assert.equal(await applyNetwork(join(folder, 'net.d'), here), true);
  assert.equal(await readFile(join(here.addressFolder, 'former-bridge'), 'utf8'), 'cni0');
});

test('missing plugins are named with the package to install', async () => {
  await assert.rejects(
    findPluginFolder(['/nonexistent']),
    /ptp, host-local, loopback, tuning are in none of \/nonexistent/,
  );
});
