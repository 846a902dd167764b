import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfigMap } from '../kube/types.gen.ts';
import { type Configuration, type ConfigurationInput, configurationOf } from './configuration.ts';
import { readConfigMap } from './metallb/config-map.ts';
import type { BGPPeer, IPAddressPool } from './metallb/types.ts';
import { formatRange } from './pools/address-range.ts';

const nothing: ConfigurationInput = {
  ...{ pools: [], l2Advertisements: [], bgpAdvertisements: [], bgpPeers: [], bfdProfiles: [], communities: [] },
};
let age = 0;
/** Each is younger than the one before. */
const meta = (name: string, namespace = 'metallb-system') => {
  age += 1000;
  return { name, namespace, creationTimestamp: new Date(age).toISOString() };
};
const aPool = (
  name: string,
  addresses: readonly string[],
  more: Partial<IPAddressPool['spec']> = {},
): IPAddressPool => ({
  ...{ apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata: meta(name), spec: { addresses, ...more } },
});
const aPeer = (name: string, spec: Partial<BGPPeer['spec']>): BGPPeer => ({
  ...{ apiVersion: 'metallb.io/v1beta2', kind: 'BGPPeer', metadata: meta(name) },
  spec: { myASN: 64512, peerASN: 64513, peerAddress: '10.0.0.1', ...spec },
});
const told = ({ problems }: Configuration) =>
  problems.map(({ object, field, message }) => `${object.kind} ${object.metadata.name} ${field}: ${message}`);
const ranges = ({ pools }: Configuration) =>
  pools.map(({ name, ranges: all }) => `${name} ${all.map(formatRange).join(',')}`);

describe('the configuration of load balancers', () => {
  it('leaves a malformed range out by name, and all else in force', () => {
    const whole = configurationOf({
      ...nothing,
      pools: [
        aPool('good', ['173.30.1.0/28']),
        aPool('mixed', ['173.30.3.240.165-173.30.3.250', '173.30.3.1-173.30.3.9']),
      ],
    });
    assert.deepEqual(ranges(whole), ['good 173.30.1.0-173.30.1.15', 'mixed 173.30.3.1-173.30.3.9']);
    assert.deepEqual(told(whole), [
      'IPAddressPool mixed spec.addresses[0]: in the range 173.30.3.240.165-173.30.3.250, "173.30.3.240.165" is not an address',
    ]);
  });

  it('lets the older of two ranges that overlap be', () => {
    const older = aPool('older', ['10.0.0.0/24']);
    const newer = aPool('newer', ['10.0.0.128-10.0.1.5', '10.0.2.0/24', '10.0.2.7']);
    const whole = configurationOf({ ...nothing, pools: [newer, older] });
    assert.deepEqual(ranges(whole), ['older 10.0.0.0-10.0.0.255', 'newer 10.0.2.0-10.0.2.255']);
    assert.deepEqual(told(whole), [
      'IPAddressPool newer spec.addresses[0]: 10.0.0.128-10.0.1.5 overlaps 10.0.0.0-10.0.0.255 of the pool older',
      'IPAddressPool newer spec.addresses[2]: 10.0.2.7 overlaps 10.0.2.0-10.0.2.255 of the same pool',
    ]);
  });

  it('counts the objects of one namespace alone', () => {
    const elsewhere = { ...aPool('own', ['10.0.0.0/24']), metadata: meta('own', 'team') };
    const whole = configurationOf({ ...nothing, pools: [elsewhere] });
    assert.deepEqual(whole.pools, []);
    assert.match(told(whole)[0] ?? '', /only objects in the namespace metallb-system count/);
  });

  it('finds the pools of an advertisement by name, by label, or all', () => {
    const labelled = { ...aPool('c', ['10.0.3.0/24']), metadata: { ...meta('c'), labels: { zone: 'x' } } };
    const l2 = (name: string, spec: object) => ({
      ...{ apiVersion: 'metallb.io/v1beta1', kind: 'L2Advertisement', metadata: meta(name), spec },
    });
    const whole = configurationOf({
      ...nothing,
      pools: [aPool('a', ['10.0.1.0/24']), aPool('b', ['10.0.2.0/24']), labelled],
      l2Advertisements: [
        l2('all', {}),
        l2('some', { ipAddressPools: ['a', 'gone'], ipAddressPoolSelectors: [{ matchLabels: { zone: 'x' } }] }),
      ],
    });
    assert.deepEqual(
      whole.layer2.map(({ name, pools }) => `${name} ${[...pools].sort().join()}`),
      ['all a,b,c', 'some a,c'],
    );
    assert.deepEqual(told(whole), ['L2Advertisement some spec.ipAddressPools[1]: there is no pool "gone"']);
  });

  it('leaves out peers that would be another session than the one that was meant', () => {
    const peers = [
      aPeer('good', { holdTime: '1m30s', keepaliveTime: '30s', bfdProfile: 'fast', ebgpMultiHop: true }),
      aPeer('address', { peerAddress: '10.0.0.1.2' }),
      aPeer('both', { interface: 'eth0' }),
      aPeer('hold', { holdTime: '2s' }),
      aPeer('bfd', { bfdProfile: 'slow' }),
      aPeer('hops', { peerASN: 64512, ebgpMultiHop: true }),
    ];
    const fast = {
      apiVersion: 'metallb.io/v1beta1',
      kind: 'BFDProfile',
      metadata: meta('fast'),
      spec: { receiveInterval: 50 },
    };
    const { bgp, ...whole } = configurationOf({ ...nothing, bgpPeers: peers, bfdProfiles: [fast] });
    assert.deepEqual(
      bgp.peers.map(({ name, holdTime, keepaliveTime, multiHop, port }) => ({
        name,
        holdTime,
        keepaliveTime,
        multiHop,
        port,
      })),
      [{ name: 'good', holdTime: 90, keepaliveTime: 30, multiHop: true, port: 179 }],
    );
    assert.deepEqual(
      whole.problems.map(({ object, field }) => `${object.metadata.name} ${field}`),
      [
        'address spec.peerAddress',
        'both spec.peerAddress',
        'hold spec.holdTime',
        'bfd spec.bfdProfile',
        'hops spec.ebgpMultiHop',
      ],
    );
    assert.equal(bgp.bfdProfiles.get('fast')?.receiveInterval, 50);
  });

  it('reads communities by value and by name, and keeps routes within their pools', () => {
    const advertisement = (name: string, spec: object) => ({
      ...{ apiVersion: 'metallb.io/v1beta1', kind: 'BGPAdvertisement', metadata: meta(name), spec },
    });
    const community = {
      ...{ apiVersion: 'metallb.io/v1beta1', kind: 'Community', metadata: meta('names') },
      spec: {
        communities: [
          { name: 'vpn', value: '1234:1' },
          { name: 'bad', value: '1234:70000' },
        ],
      },
    };
    const whole = configurationOf({
      ...nothing,
      pools: [aPool('whole', ['198.51.100.0/24']), aPool('part', ['203.0.113.10-203.0.113.15'])],
      communities: [community],
      bgpAdvertisements: [
        advertisement('a', { communities: ['vpn', 'large:1:2:3', 'bad'], localPref: 100 }),
        advertisement('b', { aggregationLength: 24 }),
      ],
    });
    const [a, b] = whole.bgp.advertisements;
    assert.deepEqual(a?.communities, [
      [1234, 1],
      [1, 2, 3],
    ]);
    assert.deepEqual([...(b?.pools ?? [])], ['whole']);
    assert.deepEqual(told(whole), [
      'Community names spec.communities[1]: "1234:70000" is not a community such as 64512:100',
      'BGPAdvertisement a spec.communities[2]: "bad" is neither a community nor the name of one',
      'BGPAdvertisement b spec.aggregationLength: routes of /24 would reach beyond 203.0.113.10-203.0.113.15 of the pool part',
    ]);
  });
});

describe('the older ConfigMap', () => {
  const configMap = (config: string): ConfigMap => ({
    ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: meta('config'), data: { config } },
  });

  it('says the same as objects do, and is told what is wrong with it', () => {
    const older = readConfigMap(
      configMap(`
address-pools:
- name: first
  protocol: layer2
  addresses: [173.30.1.240-173.30.1.250]
- name: second
  protocol: bgp
  auto-assign: false
  avoid-buggy-ips: true
  addresses: [198.51.100.0/24, 173.30.3.240.165-173.30.3.250]
  bgp-advertisements:
  - aggregation-length: 32
    localpref: 100
    communities: [no-advertise]
- name: third
  protocol: ospf
peers:
- peer-address: 10.0.0.1
  peer-asn: 64501
  my-asn: 64500
  node-selectors:
  - match-labels: {rack: frontend}
bgp-communities:
  no-advertise: 65535:65282
`),
    );
    const whole = older.told(configurationOf(older.input));
    assert.deepEqual(ranges(whole), ['first 173.30.1.240-173.30.1.250', 'second 198.51.100.0-198.51.100.255']);
    assert.deepEqual([...(whole.layer2[0]?.pools ?? [])], ['first']);
    const [advertisement] = whole.bgp.advertisements;
    assert.deepEqual([...(advertisement?.pools ?? [])], ['second']);
    assert.deepEqual(advertisement?.communities, [[65535, 65282]]);
    assert.equal(whole.bgp.peers[0]?.peerASN, 64501);
    assert.deepEqual(whole.bgp.peers[0]?.nodeSelectors, [{ matchLabels: { rack: 'frontend' } }]);
    assert.deepEqual(told(whole), [
      'ConfigMap config data.config: address-pools[2].protocol: the protocol of the pool third is layer2 or bgp, not "ospf"',
      'ConfigMap config data.config: address-pools[1]: spec.addresses[1]: in the range 173.30.3.240.165-173.30.3.250, "173.30.3.240.165" is not an address',
    ]);
  });

  it('that is no YAML at all is told so', () => {
    assert.match(readConfigMap(configMap('a: [')).problems[0]?.message ?? '', /no YAML/);
    assert.match(readConfigMap(configMap('text')).problems[0]?.message ?? '', /no map/);
    assert.match(readConfigMap({ ...configMap(''), data: {} }).problems[0]?.message ?? '', /no key "config"/);
  });
});
