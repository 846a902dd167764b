import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Node, Service } from '../../kube/types.gen.ts';
import { configurationOf } from '../configuration.ts';
import type { AdvertisementSpec } from '../metallb/types.ts';
import { silentServices } from './silence.ts';

const metadata = (name: string) => ({ name, namespace: 'metallb-system' });
const metallb = (kind: string, name: string) => ({ apiVersion: 'metallb.io/v1beta1', kind, metadata: metadata(name) });
const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { type: 'LoadBalancer' },
  status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
};
const slice: EndpointSlice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  endpoints: [{ addresses: ['10.42.0.5'], nodeName: 'a' }],
};
const node: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'a', labels: {} } };

function silent(layer2: readonly AdvertisementSpec[], bgp: readonly AdvertisementSpec[] = []): string | undefined {
  const configuration = configurationOf({
    pools: [{ ...metallb('IPAddressPool', 'home'), spec: { addresses: ['192.0.2.0/28'] } }],
    l2Advertisements: layer2.map((spec, index) => ({ ...metallb('L2Advertisement', `l2-${index}`), spec })),
    bgpAdvertisements: bgp.map((spec, index) => ({ ...metallb('BGPAdvertisement', `bgp-${index}`), spec })),
    ...{ bgpPeers: [], bfdProfiles: [], communities: [] },
  });
  return silentServices({ configuration, services: [service], slices: [slice], nodes: [node] }).get('default/web');
}

test('a pool that nobody advertises is told of, with what is missing', () => {
  assert.match(silent([]) ?? '', /no L2Advertisement and no BGPAdvertisement is of the pool home; create one/);
});

test('node selectors that choose no node are told of', () => {
  assert.match(
    silent([{ nodeSelectors: [{ matchLabels: { zone: 'moon' } }] }]) ?? '',
    /no node may answer for 192\.0\.2\.1/,
  );
});

test('what is announced by layer 2 or BGP is no matter', () => {
  assert.equal(silent([{}]), undefined);
  assert.equal(silent([], [{}]), undefined);
});
