import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fc } from '../../../tools/property.ts';
import type { Node, Service } from '../../kube/types.gen.ts';
import { type ConfigurationInput, configurationOf } from '../configuration.ts';
import type { BFDProfile, BGPAdvertisement, BGPPeer, IPAddressPool } from '../metallb/types.ts';
import { type BgpPlan, type BgpPlanInput, planBgp } from './plan.ts';

const meta = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  ...{ name, namespace: 'metallb-system', labels },
});
const pool = (name: string, addresses: readonly string[], labels = {}): IPAddressPool => ({
  ...{ apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata: meta(name, labels), spec: { addresses } },
});
const advertisement = (name: string, spec: BGPAdvertisement['spec'] = {}): BGPAdvertisement => ({
  ...{ apiVersion: 'metallb.io/v1beta1', kind: 'BGPAdvertisement', metadata: meta(name), spec },
});
const peer = (name: string, spec: Partial<BGPPeer['spec']> = {}): BGPPeer => ({
  ...{ apiVersion: 'metallb.io/v1beta2', kind: 'BGPPeer', metadata: meta(name) },
  spec: { myASN: 64_500, peerASN: 64_501, peerAddress: '192.0.2.254', ...spec },
});
const profile = (name: string, spec: BFDProfile['spec'] = {}): BFDProfile => ({
  ...{ apiVersion: 'metallb.io/v1beta1', kind: 'BFDProfile', metadata: meta(name), spec },
});
const service = (name: string, addresses: readonly string[], spec: Service['spec'] = {}): Service => ({
  ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' } },
  spec: { type: 'LoadBalancer', ...spec },
  status: { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } },
});
const node = (labels: Readonly<Record<string, string>> = {}, more: Partial<Node['metadata']> = {}): Node => ({
  ...{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'one', labels, ...more } },
  status: {
    addresses: [
      { type: 'InternalIP', address: '192.0.2.1' },
      { type: 'InternalIP', address: '2001:db8::1' },
    ],
  },
});

interface World extends Partial<ConfigurationInput>, Partial<Pick<BgpPlanInput, 'endpoints' | 'node' | 'password'>> {
  readonly services?: readonly Service[];
}
function plan(world: World): BgpPlan {
  const none = {
    pools: [],
    l2Advertisements: [],
    bgpAdvertisements: [],
    bgpPeers: [],
    bfdProfiles: [],
    communities: [],
  };
  return planBgp({
    ...{ services: [], node: node(), endpoints: () => ({ here: true, anywhere: true }), password: () => undefined },
    isConnected: (address) => address.startsWith('192.0.2.') || address.startsWith('2001:db8:'),
    ...world,
    configuration: configurationOf({ ...none, ...world }),
  });
}
const usual: World = {
  pools: [pool('web', ['198.51.100.0/24', '2001:db8:1::/64'])],
  bgpAdvertisements: [advertisement('all')],
  bgpPeers: [peer('rack')],
  services: [service('shop', ['198.51.100.7'])],
};
/** What each peer is told, in a line. */
const told = ({ bird }: BgpPlan) =>
  bird.peers.map(({ name, routes }) =>
    [
      name,
      ...routes.map(({ prefix, localPref, communities }) =>
        [prefix, localPref, ...communities.map((c) => c.join(':'))].filter((x) => x !== undefined).join(' '),
      ),
    ].join(', '),
  );
const onlyPeer = (world: World) => {
  const { bird } = plan(world);
  assert.equal(bird.peers.length, 1);
  const [first] = bird.peers;
  assert.ok(first);
  return first;
};

describe('what a node tells its BGP peers', () => {
  it('is each address of its Services in a pool that is advertised', () => {
    const whole = plan({ ...usual, services: [service('shop', ['198.51.100.7', '203.0.113.1']), service('bare', [])] });
    assert.deepEqual(told(whole), ['peer_rack, 198.51.100.7/32']);
    assert.deepEqual([...whole.announced], [['default/shop', ['rack']]]);
  });

  it('is nothing of a Service without ready endpoints, and with local traffic nothing without one here', () => {
    const local = service('shop', ['198.51.100.7'], { externalTrafficPolicy: 'Local' });
    for (const [services, endpoints, count] of [
      [usual.services, { here: false, anywhere: true }, 1],
      [usual.services, { here: false, anywhere: false }, 0],
      [[local], { here: true, anywhere: true }, 1],
      [[local], { here: false, anywhere: true }, 0],
    ] as const) {
      assert.equal(plan({ ...usual, services: services ?? [], endpoints: () => endpoints }).announced.size, count);
    }
  });

  it('is nothing where the node is excluded, has no network, or goes; the sessions stay', () => {
    const without = { type: 'NetworkUnavailable', status: 'True', reason: 'NoRoute' };
    for (const one of [
      node({ 'node.kubernetes.io/exclude-from-external-load-balancers': '' }),
      node({}, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
      { ...node(), status: { ...node().status, conditions: [without] } },
    ]) {
      assert.deepEqual(told(plan({ ...usual, node: one })), ['peer_rack']);
    }
  });

  it('goes by the selectors of peers and advertisements, any of which chooses', () => {
    const here = [{ matchLabels: { rack: 'a' } }, { matchLabels: { rack: 'b' } }];
    const elsewhere = [{ matchLabels: { rack: 'c' } }];
    const one = node({ rack: 'b' });
    assert.deepEqual(told(plan({ ...usual, node: one, bgpPeers: [peer('rack', { nodeSelectors: elsewhere })] })), []);
    const chosen = { nodeSelectors: here };
    const all = { ...usual, node: one, bgpPeers: [peer('rack', chosen)] };
    assert.deepEqual(told(plan({ ...all, bgpAdvertisements: [advertisement('x', chosen)] })), [
      'peer_rack, 198.51.100.7/32',
    ]);
    assert.deepEqual(told(plan({ ...all, bgpAdvertisements: [advertisement('x', { nodeSelectors: elsewhere })] })), [
      'peer_rack',
    ]);
  });

  it('goes to the peers that an advertisement names, and of the pools that it chooses', () => {
    const whole = plan({
      ...usual,
      pools: [pool('web', ['198.51.100.0/24'], { tier: 'front' }), pool('inner', ['203.0.113.0/24'])],
      bgpPeers: [peer('a'), peer('b', { peerAddress: '192.0.2.253' })],
      bgpAdvertisements: [
        advertisement('front', { ipAddressPoolSelectors: [{ matchLabels: { tier: 'front' } }], peers: ['a'] }),
        advertisement('inner', { ipAddressPools: ['inner'] }),
      ],
      services: [service('shop', ['198.51.100.7']), service('base', ['203.0.113.9'])],
    });
    assert.deepEqual(told(whole), ['peer_a, 198.51.100.7/32, 203.0.113.9/32', 'peer_b, 203.0.113.9/32']);
    assert.deepEqual([...whole.announced].sort(), [
      ['default/base', ['a', 'b']],
      ['default/shop', ['a']],
    ]);
  });

  it('is aggregated as an advertisement says, beside others that are not', () => {
    const whole = plan({
      ...usual,
      services: [service('shop', ['198.51.100.7', '2001:db8:1::7']), service('more', ['198.51.100.8'])],
      bgpPeers: [peer('rack', { dualStackAddressFamily: true })],
      bgpAdvertisements: [
        advertisement('wide', { aggregationLength: 24, aggregationLengthV6: 64, localPref: 100 }),
        advertisement('exact', { communities: ['64500:1'] }),
      ],
    });
    assert.deepEqual(told(whole), [
      'peer_rack, 198.51.100.7/32 64500:1, 198.51.100.0/24 100, 2001:db8:1::7/128 64500:1, 2001:db8:1::/64 100, 198.51.100.8/32 64500:1',
    ]);
  });

  it('is of the families that a session carries', () => {
    const both = plan({ ...usual, services: [service('six', ['2001:db8:1::7']), service('four', ['198.51.100.7'])] });
    assert.deepEqual(told(both), ['peer_rack, 198.51.100.7/32']);
    assert.deepEqual([...both.announced.keys()], ['default/four']);
  });

  it('joins what several advertisements say of one prefix', () => {
    const communities = (...values: readonly string[]) => ({ communities: values });
    const whole = plan({
      ...usual,
      bgpAdvertisements: [
        advertisement('a', { ...communities('64500:2', '64500:1'), localPref: 100 }),
        advertisement('b', { ...communities('64500:1', 'large:1:2:3'), localPref: 300 }),
        advertisement('c'),
      ],
    });
    assert.deepEqual(told(whole), ['peer_rack, 198.51.100.7/32 300 1:2:3 64500:1 64500:2']);
  });

  it('does not depend on the order of what it is made of', () => {
    const advertisements = [advertisement('a', { communities: ['64500:2'] }), advertisement('b', { localPref: 7 })];
    const peers = [peer('a'), peer('b', { peerAddress: '192.0.2.9' })];
    const services = ['198.51.100.7', '198.51.100.8', '198.51.100.9'].map((ip, index) => service(`s${index}`, [ip]));
    const lines = (whole: BgpPlan) =>
      told(whole)
        .map((line) => line.split(', ').sort().join(', '))
        .sort();
    const standing = lines(plan({ ...usual, bgpAdvertisements: advertisements, bgpPeers: peers, services }));
    const shuffled = <T>(all: readonly T[]) => fc.shuffledSubarray([...all], { minLength: all.length });
    fc.assert(
      fc.property(shuffled(advertisements), shuffled(peers), shuffled(services), (a, p, s) => {
        assert.deepEqual(lines(plan({ ...usual, bgpAdvertisements: a, bgpPeers: p, services: s })), standing);
      }),
    );
  });
});

describe('a session with a peer', () => {
  it('has the password of the peer or of a Secret, and is not made without it', () => {
    assert.equal(onlyPeer({ ...usual, bgpPeers: [peer('rack', { password: 'secret' })] }).password, 'secret');
    const bgpPeers = [peer('rack', { passwordSecret: { name: 'pass' } })];
    const password: BgpPlanInput['password'] = ({ namespace, name }) => `of ${namespace}/${name}`;
    assert.equal(onlyPeer({ ...usual, bgpPeers, password }).password, 'of metallb-system/pass');
    const whole = plan({ ...usual, bgpPeers });
    assert.deepEqual(whole.bird.peers, []);
    assert.match(
      whole.problems.get('rack') ?? '',
      /there is no Secret metallb-system\/pass of type kubernetes.io\/basic-auth/,
    );
    for (const [text, words] of [
      ['a"b', /quotation mark/],
      ['x'.repeat(81), /longer than 80 bytes/],
    ] as const) {
      const refused = plan({ ...usual, bgpPeers: [peer('rack', { password: text })] });
      assert.match(refused.problems.get('rack') ?? '', words);
    }
  });

  it('is not made where it can not work, and that is said', () => {
    for (const [spec, words] of [
      [{ peerAddress: '203.0.113.1' }, /203.0.113.1 is on no network of this node: set ebgpMultiHop/],
      [{ peerAddress: undefined, interface: 'eth0' }, /interface without an address are not supported/],
      [{ peerAddress: 'fe80::1' }, /link-local/],
    ] as const) {
      const { peerAddress, ...more } = { ...peer('rack').spec, ...spec };
      const own: BGPPeer = {
        ...peer('rack'),
        spec: { ...more, ...(peerAddress === undefined ? {} : { peerAddress }) },
      };
      assert.match(plan({ ...usual, bgpPeers: [own] }).problems.get('rack') ?? '', words);
    }
    const twice = plan({ ...usual, bgpPeers: [peer('a'), peer('b', { peerAddress: '192.0.2.254' })] });
    assert.deepEqual(told(twice), ['peer_a, 198.51.100.7/32']);
    assert.match(twice.problems.get('b') ?? '', /the peer a has the same address/);
  });

  it('reaches as far as it must, and BFD knows how far', () => {
    const far = '203.0.113.1';
    for (const [spec, reach, localAddress] of [
      [{}, undefined, undefined],
      [{ ebgpMultiHop: true }, 'multihop', '192.0.2.1'],
      [{ ebgpMultiHop: true, peerAddress: far }, 'multihop', '192.0.2.1'],
      [{ peerASN: 64_500 }, 'direct', undefined],
      [{ peerASN: 64_500, peerAddress: far }, undefined, '192.0.2.1'],
      [{ peerASN: 64_500, peerAddress: far, sourceAddress: '192.0.2.7' }, undefined, '192.0.2.7'],
    ] as const) {
      const bgpPeers = [peer('rack', { ...spec, bfdProfile: 'quick' })];
      const compiled = onlyPeer({ ...usual, bgpPeers, bfdProfiles: [profile('quick', { receiveInterval: 50 })] });
      assert.deepEqual([compiled.reach, compiled.localAddress], [reach, localAddress], JSON.stringify(spec));
      assert.deepEqual(compiled.bfd, { receiveInterval: 50, transmitInterval: 300, multiplier: 3, passive: false });
    }
    assert.equal(onlyPeer({ ...usual, bgpPeers: [peer('rack', { peerASN: 64_500 })] }).reach, undefined);
  });

  it('carries its own family, or both with the next hop of the other', () => {
    const channels = (spec: Partial<BGPPeer['spec']>, own = node()) =>
      onlyPeer({ ...usual, node: own, bgpPeers: [peer('rack', spec)] }).channels;
    assert.deepEqual(channels({}), [{ family: 'ipv4', nextHop: undefined }]);
    assert.deepEqual(channels({ dualStackAddressFamily: true }), [
      { family: 'ipv4', nextHop: undefined },
      { family: 'ipv6', nextHop: '2001:db8::1' },
    ]);
    assert.deepEqual(channels({ dualStackAddressFamily: true, peerAddress: '2001:DB8:0::FE' }), [
      { family: 'ipv4', nextHop: '192.0.2.1' },
      { family: 'ipv6', nextHop: undefined },
    ]);
  });

  it('has the identity of the node: its IPv4 address, or one made of its name', () => {
    assert.equal(plan(usual).bird.routerId, '192.0.2.1');
    const only6 = { ...node(), status: { addresses: [{ type: 'InternalIP', address: '2001:db8::1' }] } };
    const other = { ...only6, metadata: { name: 'two' } };
    const ids = [only6, other].map((own) => plan({ ...usual, node: own }).bird.routerId);
    for (const id of ids) assert.match(id, /^10\.\d+\.\d+\.\d+$/);
    assert.notEqual(ids[0], ids[1]);
  });
});
