import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Node, Service } from '../../kube/types.gen.ts';
import { configurationOf } from '../configuration.ts';
import type { L2Advertisement } from '../metallb/types.ts';
import { isOutside, type PlannedAddress, peersOf, planLayer2 } from './plan.ts';

const node = (name: string, more: Partial<Node> = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  ...more,
  metadata: { name, labels: { name }, ...more.metadata },
});
const nodes = ['a', 'b', 'c'].map((name) => node(name));

const service = (addresses: readonly string[], spec: Service['spec'] = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { type: 'LoadBalancer', ...spec },
  status: { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } },
});

const slice = (endpoints: NonNullable<EndpointSlice['endpoints']>): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  endpoints,
});
const onA = slice([{ addresses: ['10.42.0.5'], conditions: { ready: true }, nodeName: 'a' }]);

const pool = (name: string, addresses: readonly string[]) => ({
  apiVersion: 'metallb.io/v1beta1',
  kind: 'IPAddressPool',
  metadata: { name, namespace: 'metallb-system' },
  spec: { addresses },
});
const advertisement = (name: string, spec: L2Advertisement['spec'] = {}): L2Advertisement => ({
  apiVersion: 'metallb.io/v1beta1',
  kind: 'L2Advertisement',
  metadata: { name, namespace: 'metallb-system' },
  spec,
});

interface World {
  readonly advertisements?: readonly L2Advertisement[];
  readonly services?: readonly Service[];
  readonly slices?: readonly EndpointSlice[];
  readonly nodes?: readonly Node[];
}

function plan(world: World): readonly PlannedAddress[] {
  const configuration = configurationOf({
    pools: [pool('home', ['192.0.2.0/28', '2001:db8::/120']), pool('other', ['192.0.2.128/28'])],
    l2Advertisements: world.advertisements ?? [advertisement('all', { ipAddressPools: ['home'] })],
    ...{ bgpAdvertisements: [], bgpPeers: [], bfdProfiles: [], communities: [] },
  });
  return planLayer2({
    ...{ configuration, nodeName: 'a' },
    services: world.services ?? [service(['192.0.2.1'])],
    slices: world.slices ?? [onA],
    nodes: world.nodes ?? nodes,
  });
}
const whoMay = (world: World) => plan(world).map(({ ranked }) => [...ranked].sort().join());

test('all nodes may announce an address of a pool that is advertised', () => {
  const [one, ...more] = plan({});
  assert.deepEqual(more, []);
  assert.deepEqual(
    { ...one, ranked: [...(one?.ranked ?? [])].sort() },
    {
      ...{ address: '192.0.2.1', ranked: ['a', 'b', 'c'], preferred: 3, interfaces: [], services: ['default/web'] },
    },
  );
  assert.deepEqual(plan({ advertisements: [] }), []);
  assert.deepEqual(plan({ services: [service(['192.0.2.130'])] }), [], 'of a pool that is not advertised');
  assert.deepEqual(plan({ services: [service(['198.51.100.1'])] }), [], 'of no pool');
});

test('both families of a Service are announced, in canonical form', () => {
  const planned = plan({ services: [service(['192.0.2.1', '2001:DB8:0::1'])] });
  assert.deepEqual(
    planned.map(({ address }) => address),
    ['192.0.2.1', '2001:db8::1'],
  );
});

test('a Service that nobody serves is not announced; one whose pods are ending is', () => {
  const conditions = (ready: boolean, serving: boolean) => [
    slice([{ addresses: ['10.42.0.5'], conditions: { ready, serving, terminating: true }, nodeName: 'a' }]),
  ];
  assert.deepEqual(plan({ slices: [] }), []);
  assert.deepEqual(plan({ slices: conditions(false, false) }), []);
  assert.equal(plan({ slices: conditions(false, true) }).length, 1);
});

test('with externalTrafficPolicy Local the nodes with an endpoint may announce', () => {
  assert.deepEqual(whoMay({ services: [service(['192.0.2.1'], { externalTrafficPolicy: 'Local' })] }), ['a']);
});

test('nodes that are excluded, going or without network may not announce', () => {
  const excluded = node('a', {
    metadata: { labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } },
  });
  const going = node('b', { metadata: { name: 'b', deletionTimestamp: '2026-01-01T00:00:00Z' } });
  const conditions = [{ type: 'NetworkUnavailable', status: 'True' }];
  const unready = node('d', { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } });
  assert.deepEqual(whoMay({ nodes: [excluded, going, node('c', { status: { conditions } }), unready] }), ['d']);
});

test('a cordoned node comes last', () => {
  for (const name of ['a', 'b', 'c']) {
    const [one] = plan({
      nodes: nodes.map((it) => (it.metadata.name === name ? { ...it, spec: { unschedulable: true } } : it)),
    });
    assert.deepEqual([one?.preferred, one?.ranked.at(-1)], [2, name]);
  }
});

test('node selectors and interfaces of several advertisements add up', () => {
  const on = (names: readonly string[]) => [
    { matchExpressions: [{ key: 'name', operator: 'In', values: [...names] }] },
  ];
  const eth = advertisement('eth', { nodeSelectors: on(['a']), interfaces: ['eth0'] });
  const wlan = advertisement('wlan', { nodeSelectors: on(['a', 'b']), interfaces: ['wlan0'] });
  assert.deepEqual(whoMay({ advertisements: [eth, wlan] }), ['a,b']);
  assert.deepEqual(plan({ advertisements: [eth, wlan] })[0]?.interfaces, ['eth0', 'wlan0']);
  assert.deepEqual(plan({ advertisements: [eth, advertisement('any')] })[0]?.interfaces, []);
});

test('Services that share an address are one', () => {
  const other: Service = { ...service(['192.0.2.1']), metadata: { name: 'dns', namespace: 'default' } };
  const labels = { 'kubernetes.io/service-name': 'dns' };
  const planned = plan({
    services: [service(['192.0.2.1']), other],
    slices: [onA, { ...onA, metadata: { ...onA.metadata, labels } }],
  });
  assert.deepEqual(
    planned.map(({ services }) => services),
    [['default/dns', 'default/web']],
  );
});

test("peers are found at their first address of this node's family", () => {
  const addresses = [
    { type: 'Hostname', address: 'b' },
    { type: 'InternalIP', address: '192.0.2.66' },
    { type: 'InternalIP', address: '2001:db8::66' },
  ];
  const all = [node('a', { status: { addresses } }), node('b', { status: { addresses } })];
  assert.deepEqual([...peersOf(all, 'a', 'IPv4')], [['b', '192.0.2.66']]);
  assert.deepEqual([...peersOf(all, 'a', 'IPv6')], [['b', '2001:db8::66']]);
});

test('interfaces of containers are not outside', () => {
  assert.deepEqual(['eth0', 'enp3s0', 'bond0', 'veth12ab', 'cni0', 'flannel.1', 'docker0', 'wlan0'].filter(isOutside), [
    'eth0',
    'enp3s0',
    'bond0',
    'wlan0',
  ]);
});
