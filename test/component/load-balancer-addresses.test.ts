/** Addresses of Services, against a control plane in this process: pools, nodes, and what users are told. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { keyOf, parseKey } from '../../src/kube/resource.ts';
import { configmaps, endpointslices, events, nodes, services } from '../../src/kube/resources.gen.ts';
import type { Service } from '../../src/kube/types.gen.ts';
import { ipAddressPools, metallbNamespace } from '../../src/loadbalancer/metallb/kinds.ts';
import type { IPAddressPool } from '../../src/loadbalancer/metallb/types.ts';
import { startLoadBalancers } from '../../src/server/load-balancers.ts';
import { type ControlPlane, startControlPlane, waitFor } from './control-plane.ts';

let plane: ControlPlane;
before(async () => {
  plane = await startControlPlane();
  await startLoadBalancers({
    ...{ client: plane.client, manager: plane.manager, clock: systemClock, hostPorts: true },
    ownPorts: new Map([['TCP/6443', 'the API server']]),
  });
});
after(async () => await plane?.[Symbol.asyncDispose]());

async function balancer(namespace: string, name: string, more: Partial<Service['metadata']> = {}, spec: object = {}) {
  await plane.client.create(services, {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace, ...more } },
    spec: { type: 'LoadBalancer', selector: { app: name }, ports: [{ port: 80 }], ...spec },
  });
}

async function pool(
  name: string,
  addresses: readonly string[],
  more: Partial<IPAddressPool['spec']> = {},
): Promise<void> {
  await plane.client.create(ipAddressPools, {
    ...{ apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata: { name, namespace: metallbNamespace } },
    spec: { addresses, ...more },
  });
}

async function node(name: string, address: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } };
  await plane.client.create(nodes, body);
  const status = {
    addresses: [{ type: 'InternalIP', address }],
    conditions: [{ type: 'Ready', status: 'True', reason: 'Test', message: '' }],
  };
  await plane.client.patch(nodes, { name }, { type: 'merge', body: { status } }, { subresource: 'status' });
}

const shown = (service: Service | undefined) =>
  service?.status?.loadBalancer?.ingress?.map(({ ip }) => ip).join() ?? '';
const untilShown = (namespace: string, name: string, addresses: string) =>
  waitFor(
    plane,
    services,
    namespace,
    `${name} shows ${addresses}`,
    (all) => shown(all.find(({ metadata }) => metadata.name === name)) === addresses,
  );
const untilTold = (namespace: string, name: string, words: RegExp) =>
  waitFor(plane, events, namespace, `${name} is told ${words}`, (all) =>
    all.some(({ involvedObject, message }) => involvedObject.name === name && words.test(message ?? '')),
  );
const remove = async (key: string) => {
  await plane.client.delete(services, parseKey(key));
};

test('without pools the nodes serve, and a port has one holder', async () => {
  await node('a', '192.0.2.1');
  await node('b', '192.0.2.2');
  const namespace = await plane.namespace();
  await balancer(namespace, 'web');
  await untilShown(namespace, 'web', '192.0.2.1,192.0.2.2');
  await balancer(namespace, 'other');
  await untilTold(namespace, 'other', new RegExp(`port TCP/80 of the node a belongs to the Service ${namespace}/web`));
  await balancer(namespace, 'api', {}, { ports: [{ port: 6443 }] });
  await untilTold(namespace, 'api', /TCP\/6443 of the nodes belongs to the API server/);
  await remove(`${namespace}/web`);
  await untilShown(namespace, 'other', '192.0.2.1,192.0.2.2');
  await plane.client.patch(
    nodes,
    { name: 'b' },
    { type: 'merge', body: { metadata: { labels: { 'svccontroller.k3s.cattle.io/enablelb': 'true' } } } },
  );
  await untilShown(namespace, 'other', '192.0.2.2');
  await remove(`${namespace}/other`);
  await remove(`${namespace}/api`);
});

test('pools give addresses, tell when they can not, and count', async () => {
  const namespace = await plane.namespace();
  await pool('small', ['173.30.1.240-173.30.1.241', '173.30.3.240.165-173.30.3.250']);
  await waitFor(plane, ipAddressPools, metallbNamespace, 'the malformed range is told', ([object]) =>
    /173\.30\.3\.240\.165/.test(object?.status?.conditions?.[0]?.message ?? ''),
  );
  await balancer(namespace, 'fixed', { annotations: { 'metallb.universe.tf/loadBalancerIPs': '173.30.1.241' } });
  await untilShown(namespace, 'fixed', '173.30.1.241');
  await balancer(namespace, 'next');
  await untilShown(namespace, 'next', '173.30.1.240');
  await balancer(namespace, 'late');
  await untilTold(namespace, 'late', /no address is free in small \(173\.30\.1\.240-173\.30\.1\.241\)/);
  await balancer(namespace, 'outside', {}, { loadBalancerIP: '173.30.1.168' });
  await untilTold(namespace, 'outside', /173\.30\.1\.168 that it asks for is in no pool/);
  await untilTold(
    namespace,
    'next',
    /nothing answers at 173\.30\.1\.240: no ready pod in its namespace has the labels app=next/,
  );
  await waitFor(
    plane,
    ipAddressPools,
    metallbNamespace,
    'the pool counts',
    ([object]) => object?.status?.assignedIPv4 === 2 && object.status.availableIPv4 === 0,
  );
  await remove(`${namespace}/fixed`);
  await untilShown(namespace, 'late', '173.30.1.241');
  await plane.client.patch(
    services,
    { namespace, name: 'late' },
    { type: 'merge', body: { spec: { type: 'ClusterIP' } } },
  );
  await untilShown(namespace, 'late', '');
  await plane.client.delete(ipAddressPools, { namespace: metallbNamespace, name: 'small' });
  for (const service of plane.manager.of(services).list(namespace)) await remove(keyOf(service));
});

test('externalTrafficPolicy Local shows the nodes with endpoints alone', async () => {
  const namespace = await plane.namespace();
  await plane.client.patch(
    nodes,
    { name: 'b' },
    { type: 'merge', body: { metadata: { labels: { 'svccontroller.k3s.cattle.io/enablelb': null } } } },
  );
  await balancer(namespace, 'local', {}, { externalTrafficPolicy: 'Local', selector: {} });
  await untilTold(namespace, 'local', /no node has a ready endpoint/);
  await plane.client.create(endpointslices, {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
    metadata: { name: 'local-1', namespace, labels: { 'kubernetes.io/service-name': 'local' } },
    endpoints: [{ addresses: ['10.42.0.9'], conditions: { ready: true }, nodeName: 'a' }],
    ports: [{ port: 80, protocol: 'TCP', name: '' }],
  });
  await untilShown(namespace, 'local', '192.0.2.1');
  await remove(`${namespace}/local`);
});

test('the older ConfigMap serves too', async () => {
  const namespace = await plane.namespace();
  await plane.client.create(configmaps, {
    ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'config', namespace: metallbNamespace } },
    data: { config: 'address-pools:\n- name: old\n  protocol: layer2\n  addresses: [198.51.100.7-198.51.100.7]\n' },
  });
  await balancer(namespace, 'web');
  await untilShown(namespace, 'web', '198.51.100.7');
  const [service] = plane.manager.of(services).list(namespace);
  assert.equal(service?.metadata.annotations?.['metallb.io/ip-allocated-from-pool'], 'old');
});
