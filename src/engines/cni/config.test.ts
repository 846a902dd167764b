import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { compileBridgeNetwork } from './config.ts';
import { applyNetwork, findPluginFolder } from './network.ts';

const network = {
  name: 'wherry',
  bridge: 'wherry0',
  podCidrs: ['10.42.0.0/24', 'fd00:42::/64'],
  mtu: 1450,
  addressFolder: '/data/cni',
};

test('a range of each family gets its addresses and its default route', () => {
  assert.deepEqual(JSON.parse(compileBridgeNetwork(network)).plugins[0], {
    type: 'bridge',
    bridge: 'wherry0',
    isGateway: true,
    ipMasq: false,
    hairpinMode: true,
    forceAddress: true,
    mtu: 1450,
    ipam: {
      type: 'host-local',
      dataDir: '/data/cni',
      ranges: [[{ subnet: '10.42.0.0/24' }], [{ subnet: 'fd00:42::/64' }]],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
    },
  });
});

test('applying twice writes once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-cni-'));
  t.after(() => rm(folder, { recursive: true }));
  const here = { ...network, addressFolder: join(folder, 'addresses') };
  assert.equal(await applyNetwork(join(folder, 'net.d'), here), true);
  assert.equal(await applyNetwork(join(folder, 'net.d'), here), false);
  assert.deepEqual(await readdir(join(folder, 'net.d')), ['10-wherry.conflist']);
});

test('missing plugins are named with the package to install', async () => {
  await assert.rejects(findPluginFolder(['/nonexistent']), /bridge, host-local, loopback are in none of \/nonexistent/);
});
