import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEthernet } from './ethernet-links.ts';

const link = (ifname: string, more: object = {}) => ({
  ...{ ifindex: 2, ifname, flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'] },
  ...{ link_type: 'ether', address: '02:00:00:00:00:01', ...more },
});

test('what sends frames of its own counts: no ports of bridges, nothing that is down or no Ethernet', () => {
  const output = [
    link('eth0'),
    link('eth1', { flags: ['BROADCAST', 'MULTICAST'] }),
    link('eth2', { master: 'br0' }),
    link('lo', { link_type: 'loopback' }),
    link('tun0', { link_type: 'none', address: undefined }),
    link('eth3', { flags: ['UP', 'NOARP'] }),
  ];
  assert.deepEqual(parseEthernet(output), [{ name: 'eth0', index: 2, mac: '02:00:00:00:00:01' }]);
  assert.deepEqual(parseEthernet('garbage'), []);
});
