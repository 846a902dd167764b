import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contains, familyOf, nthAddress, overlaps } from './address-ranges.ts';
import { decodeSettings, encodeSettings } from './join/cluster-settings.ts';
import { defaultInterface4, defaultInterface6, type Machine } from './machine.ts';
import { networkConflicts } from './network-options.ts';
import type { RawOptions } from './option-values.ts';
import { resolveOptions } from './options.ts';

const machine: Machine = {
  hostname: 'Node-1',
  addresses: [
    { address: '192.168.1.10', interface: 'eth0', cidr: '192.168.1.10/24' },
    { address: '10.20.0.5', interface: 'eth1', cidr: '10.20.0.5/16' },
    { address: '2001:db8::10', interface: 'eth0', cidr: '2001:db8::10/64' },
  ],
};
const of = (raw: RawOptions) => resolveOptions(raw, machine);
const dual = { 'cluster-cidr': '10.42.0.0/16,fd00:42::/56', 'service-cidr': '10.43.0.0/16,fd00:43::/112' };

test('without flags a cluster has the ranges of k3s and the first address of the default interface', () => {
  const options = of({});
  assert.deepEqual(options.clusterCidrs, ['10.42.0.0/16']);
  assert.deepEqual(options.serviceCidrs, ['10.43.0.0/16']);
  assert.deepEqual(options.clusterDns, ['10.43.0.10']);
  assert.deepEqual(options.nodeIps, ['192.168.1.10']);
  assert.deepEqual([options.nodeCidrMaskSizeIpv4, options.nodeCidrMaskSizeIpv6], [24, 64]);
  assert.equal(options.flannelBackend, 'vxlan');
  assert.equal(options.bindAddress, '0.0.0.0');
});

test('with two families each list has one entry a family, the primary one first', () => {
  const options = of(dual);
  assert.deepEqual(options.nodeIps, ['192.168.1.10', '2001:db8::10']);
  assert.deepEqual(options.clusterDns, ['10.43.0.10', 'fd00:43::a']);
  assert.equal(options.bindAddress, '::');
  const turned = of({
    'cluster-cidr': ['fd00:42::/56', '10.42.0.0/16'],
    'service-cidr': ['fd00:43::/112', '10.43.0.0/16'],
    'node-ip': '192.168.1.10,2001:db8::10',
  });
  assert.deepEqual(turned.nodeIps, ['2001:db8::10', '192.168.1.10']);
  assert.equal(turned.clusterDns[0], 'fd00:43::a');
  assert.deepEqual(of({ 'cluster-cidr': 'fd00:42::/56', 'service-cidr': 'fd00:43::/112' }).nodeIps, ['2001:db8::10']);
});

for (const [raw, message] of [
  [{ 'cluster-cidr': '10.43.128.0/17' }, /--service-cidr: 10\.43\.0\.0\/16 overlaps --cluster-cidr 10\.43\.128\.0\/17/],
  [{ 'service-cidr': '10.0.0.0/8' }, /--service-cidr: 10\.0\.0\.0\/8 overlaps --cluster-cidr/],
  [
    { 'cluster-cidr': '10.42.0.0/16,10.44.0.0/16' },
    /--cluster-cidr: 10\.42\.0\.0\/16 and 10\.44\.0\.0\/16 are both of IPv4/,
  ],
  [{ 'cluster-cidr': dual['cluster-cidr'] }, /--service-cidr: .* are not of the same IP families/],
  [{ ...dual, 'service-cidr': 'fd00:43::/112,10.43.0.0/16' }, /--service-cidr: .* are not of the same IP families/],
  [{ ...dual, 'node-ip': '192.168.1.10' }, /--node-ip: 192\.168\.1\.10 lacks an address of IPv6/],
  [{ 'node-ip': '2001:db8::10' }, /--node-ip: 2001:db8::10 lacks an address of IPv4/],
  [{ 'node-ip': '10.42.0.7' }, /--cluster-cidr: this node's address 10\.42\.0\.7 lies in 10\.42\.0\.0\/16/],
  [{ 'service-cidr': '192.168.0.0/16' }, /--service-cidr: this node's address 192\.168\.1\.10 lies in/],
  [{ 'service-cidr': '10.43.0.0/30' }, /--service-cidr: 10\.43\.0\.0\/30 has fewer than 8 addresses/],
  [{ 'service-cidr': '10.43.0.0/29' }, /--cluster-dns: 10\.43\.0\.10 is not in/],
  [{ ...dual, 'service-cidr': '10.43.0.0/16,fd00:43::/48' }, /--service-cidr: fd00:43::\/48 is larger than a \/64/],
  [{ 'cluster-cidr': '10.42.0.0/25' }, /--cluster-cidr: 10\.42\.0\.0\/25 holds no \/24/],
  [{ 'node-cidr-mask-size-ipv4': 15 }, /--node-cidr-mask-size-ipv4: --cluster-cidr 10\.42\.0\.0\/16 holds no \/15/],
  [{ 'node-cidr-mask-size-ipv4': 33 }, /--node-cidr-mask-size-ipv4: "33" is out of bounds/],
  [{ 'cluster-dns': '10.44.0.10' }, /--cluster-dns: 10\.44\.0\.10 is not in --service-cidr/],
  [{ 'cluster-cidr': '10.42.0.0' }, /--cluster-cidr: "10\.42\.0\.0" is not a range/],
  [{ 'node-ip': '192.168.1' }, /--node-ip: "192\.168\.1" is not an IP address/],
  [{ 'flannel-backend': 'udp' }, /--flannel-backend: "udp" is not known/],
  [{ 'flannel-backend': 'wireguard' }, /--flannel-backend: "wireguard" is no longer its name/],
] as const satisfies readonly (readonly [RawOptions, RegExp])[]) {
  test(`${JSON.stringify(raw)} is refused`, () => {
    assert.throws(() => of(raw), { code: 'INVALID_OPTION', message });
  });
}

test('a network of the machine that shares addresses with the cluster is told', () => {
  const options = of({ 'cluster-cidr': '10.20.128.0/17' });
  const conflicts = networkConflicts(options, machine);
  assert.equal(conflicts.length, 1);
  assert.match(conflicts[0] ?? '', /10\.20\.0\.5\/16 of interface eth1 overlaps 10\.20\.128\.0\/17/);
  assert.deepEqual(networkConflicts(of(dual), machine), []);
});

test('what a server writes into the cluster settings is what a node reads', () => {
  const { clusterCidrs, serviceCidrs, flannelBackend, disableKubeProxy } = decodeSettings(
    encodeSettings(of({ ...dual, 'flannel-backend': 'host-gw', 'disable-kube-proxy': true })),
  );
  assert.deepEqual([clusterCidrs, serviceCidrs], [of(dual).clusterCidrs, of(dual).serviceCidrs]);
  assert.equal(flannelBackend, 'host-gw');
  assert.equal(disableKubeProxy, true);
  assert.throws(() => decodeSettings({ 'cluster-cidr': '10.42.0.0/16' }), { code: 'CLUSTER_SETTINGS' });
});

test('--disable network-policy is --disable-network-policy', () => {
  assert.equal(of({ disable: 'network-policy' }).disableNetworkPolicy, true);
  assert.equal(of({ 'disable-network-policy': true }).disableNetworkPolicy, true);
  assert.equal(of({}).disableNetworkPolicy, false);
});

test('ranges are compared in their own family', () => {
  assert.equal(overlaps('10.0.0.0/8', '10.42.0.0/16'), true);
  assert.equal(overlaps('10.43.0.0/16', '10.42.0.0/16'), false);
  assert.equal(contains('fd00::/8', 'fd00:43::1'), true);
  assert.equal(contains('10.0.0.0/8', 'fd00:43::1'), false);
  assert.equal(nthAddress('10.43.255.0/24', 300), '10.44.0.44');
  assert.equal(familyOf('fd00::/8'), 'IPv6');
});

test('the default route of the least metric names the interface', () => {
  const header = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
  const table = [
    header,
    'wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
    'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
    'eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
  ].join('\n');
  assert.equal(defaultInterface4(table), 'eth0');
  assert.equal(defaultInterface4(header), undefined);
  const zeros = '0'.repeat(32);
  const table6 = [
    `${zeros} 00 ${zeros} 00 fe80000000000000021122fffe334455 00000400 00000001 00000000 00000003     eth1`,
    `${zeros} 00 ${zeros} 00 ${zeros} ffffffff 00000001 00000000 00200200       lo`,
  ].join('\n');
  assert.equal(defaultInterface6(table6), 'eth1');
});
