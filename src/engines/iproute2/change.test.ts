import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRefusals } from './batch.ts';
import { compileChange } from './change.ts';
import { deviceAlias, type NetworkState, type ObservedLink, type ObservedState } from './model.ts';
import { parseLink, parseRoute } from './observe.ts';

const desired: NetworkState = {
  devices: [
    {
      kind: 'vxlan',
      name: 'flannel.1',
      id: 1,
      port: 8472,
      gbp: false,
      mac: '02:00:00:00:00:01',
      local: '192.0.2.1',
      underlay: 'eth0',
      mtu: 1450,
      addresses: ['10.42.1.0/32'],
    },
  ],
  routes: [
    { type: 'unicast', destination: '10.42.2.0/24', via: '10.42.2.0', device: 'flannel.1', onlink: true },
    { type: 'unreachable', destination: 'fd00:42::/56', metric: 1_000_000 },
  ],
  neighbours: [{ device: 'flannel.1', address: '10.42.2.0', mac: '02:00:00:00:00:02' }],
  forwarding: [{ device: 'flannel.1', mac: '02:00:00:00:00:02', destination: '192.0.2.2' }],
};
const empty: ObservedState = { links: new Map(), routes: [], neighbours: [], forwarding: [] };
const link: ObservedLink = {
  name: 'flannel.1',
  mtu: 1450,
  mac: '02:00:00:00:00:01',
  isUp: true,
  kind: 'vxlan',
  alias: deviceAlias,
  addresses: ['10.42.1.0/32'],
  vxlan: { id: 1, port: 8472, local: '192.0.2.1', underlay: 'eth0', learning: false, gbp: false },
};
const standing: ObservedState = { ...desired, links: new Map([[link.name, link]]) };

test('from nothing, all is made', () => {
  assert.deepEqual(compileChange(desired, empty), {
    devices: [
      'link add flannel.1 address 02:00:00:00:00:01 type vxlan id 1 dev eth0 local 192.0.2.1 dstport 8472 nolearning',
      'link set dev flannel.1 mtu 1450',
      'link set dev flannel.1 alias "wherry pod network"',
      'address add 10.42.1.0/32 dev flannel.1',
      'link set dev flannel.1 up',
    ],
    forwarding: ['fdb append 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent'],
    entries: [
      'neighbour replace 10.42.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent',
      'route add 10.42.2.0/24 via 10.42.2.0 dev flannel.1 proto 87 onlink',
      'route add unreachable fd00:42::/56 proto 87 metric 1000000',
    ],
  });
});

test('a device with other attributes is made anew, with what hung on it; one with another MTU or MAC address is not', () => {
  const other = { ...link, vxlan: { ...link.vxlan, id: 2 } as NonNullable<ObservedLink['vxlan']> };
  const anew = compileChange(desired, { ...standing, links: new Map([[link.name, other]]) });
  assert.equal(anew.devices[0], 'link delete dev flannel.1');
  assert.equal(anew.forwarding.length, 1);
  assert.equal(anew.entries.length, 2);
  const changed = { ...link, mtu: 1400, mac: '02:00:00:00:00:09', isUp: false };
  assert.deepEqual(compileChange(desired, { ...standing, links: new Map([[link.name, changed]]) }).devices, [
    'link set dev flannel.1 address 02:00:00:00:00:01',
    'link set dev flannel.1 mtu 1450',
    'link set dev flannel.1 up',
  ]);
});

test('devices of ours that are wanted no more go, others stay', () => {
  const links = new Map([
    [link.name, link],
    ['flannel.7', { ...link, name: 'flannel.7' }],
    ['vxlan7', { ...link, name: 'vxlan7', alias: '' }],
  ]);
  assert.deepEqual(compileChange(desired, { ...standing, links }).devices, ['link delete dev flannel.7']);
});

test('a route that changes is replaced in one step, a stale one is deleted', () => {
  const routes = [
    { type: 'unicast', destination: '10.42.2.0/24', via: '192.0.2.2', device: 'eth0' },
    { type: 'unicast', destination: '10.42.3.0/24', via: '192.0.2.3', device: 'eth0' },
    { type: 'unreachable', destination: 'fd00:42::/56', metric: 1_000_000 },
  ] as const;
  assert.deepEqual(compileChange(desired, { ...standing, routes }).entries, [
    'route replace 10.42.2.0/24 via 10.42.2.0 dev flannel.1 proto 87 onlink',
    'route delete 10.42.3.0/24 via 192.0.2.3 dev eth0 proto 87',
  ]);
});

test('what ip prints is read', () => {
  const route = { dst: 'fd00:42::5', dev: 'lo', type: 'unreachable', metric: 1024, flags: [] };
  assert.deepEqual(parseRoute(route), { type: 'unreachable', destination: 'fd00:42::5/128', metric: 1024 });
  const info_data = { id: 1, local6: 'fd01::1', link: 'e0', port: 8472, learning: false };
  const seen = parseLink(
    { ifname: 'flannel-v6.1', flags: ['UP'], mtu: 1430, address: '02:0', linkinfo: { info_kind: 'vxlan', info_data } },
    [],
  );
  assert.deepEqual(seen.vxlan, { id: 1, port: 8472, local: 'fd01::1', underlay: 'e0', learning: false, gbp: false });
});

test('lines that the kernel refused are told with what it said', () => {
  const stderr =
    'Error: Nexthop has invalid gateway.\nCommand failed -:2\nRTNETLINK answers: File exists\nCommand failed -:3\n';
  assert.deepEqual(parseRefusals(['a', 'b', 'c'], stderr), [
    { line: 'b', reason: 'Nexthop has invalid gateway.' },
    { line: 'c', reason: 'File exists' },
  ]);
});
