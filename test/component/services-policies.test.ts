import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LoadBalancerIngress, Node, Service } from '../../src/kube/types.gen.ts';
import { addresses, clusterIpsOf, externalIps, families, World } from './services/world.ts';

let world: World;
before(async () => {
  world = await World.start();
});
after(() => world[Symbol.asyncDispose]());

const ready = { ready: true, serving: true, terminating: false };
const leaving = { ready: false, serving: true, terminating: true };
const gone = { ready: false, serving: false, terminating: true };

/** Gives a Service the addresses of a load balancer. */
function balance(name: string, ingress: readonly LoadBalancerIngress[]): Promise<Service> {
  return world.change<Service>('Service', name, (s) => ({ ...s, status: { loadBalancer: { ingress } } }), 'status');
}

test('internalTrafficPolicy Local keeps to the endpoints of the node, and drops where there are none', async () => {
  const ips = clusterIpsOf(await world.service('inside', { internalTrafficPolicy: 'Local' }));
  await world.endpoints('inside', ['p2', 'far']);
  for (const family of families) {
    await world.expect('p1', { address: ips[family], port: 80 }, /^p2 /);
    assert.deepEqual([...(await world.answering('p1', { address: ips[family], port: 80 }))], ['p2']);
  }
  await world.endpoints('inside', ['far']);
  await world.expect('p1', { address: ips.IPv4, port: 80 }, 'silent');
  await world.endpoints('inside', []);
  await world.expect('p1', { address: ips.IPv4, port: 80 }, 'refused');
});

test('externalTrafficPolicy Local keeps the source address and drops what no endpoint here can answer', async () => {
  const service = await world.service('outside', {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
    externalIPs: [externalIps.IPv4, externalIps.IPv6],
  });
  const port = service.spec?.ports?.[0]?.nodePort ?? 0;
  await world.endpoints('outside', ['p1', 'far']);
  for (const family of families) {
    for (const target of [
      { address: addresses[family].node, port },
      { address: externalIps[family], port: 80 },
    ]) {
      await world.expect('out', target, `p1 ${addresses[family].out}`);
      assert.deepEqual([...(await world.answering('out', target))], ['p1']);
    }
  }
  await world.endpoints('outside', ['far']);
  for (const family of families) {
    await world.expect('out', { address: addresses[family].node, port }, 'silent');
    await world.expect('out', { address: externalIps[family], port: 80 }, 'silent');
    // Pods and the node itself are inside: they may use every endpoint.
    await world.expect('p1', { address: externalIps[family], port: 80 }, `far ${addresses[family].p1}`);
    await world.expect('p1', { address: addresses[family].node, port }, /^far /);
    await world.expect('node', { address: addresses[family].node, port }, /^far /);
    await world.expect('node', { address: externalIps[family], port: 80 }, /^far /);
  }
  await world.remove('Service', 'outside');
});

test('session affinity holds where external traffic stays local too', async () => {
  const service = await world.service('outside-sticky', {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
    sessionAffinity: 'ClientIP',
  });
  const port = service.spec?.ports?.[0]?.nodePort ?? 0;
  await world.endpoints('outside-sticky', ['p1', 'p2', 'far']);
  const target = { address: addresses.IPv4.node, port };
  const [first] = (await world.expect('out', target, new RegExp(`^p[12] ${addresses.IPv4.out}$`))).split(' ');
  assert.deepEqual([...(await world.answering('out', target))], [first]);
});

test('endpoints that terminate get connections only when there is no other, as long as they serve', async () => {
  const ips = clusterIpsOf(await world.service('ending'));
  const target = { address: ips.IPv4, port: 80 };
  await world.endpoints('ending', [
    { place: 'p2', conditions: leaving },
    { place: 'far', conditions: ready },
  ]);
  await world.expect('p1', target, /^far /);
  assert.deepEqual([...(await world.answering('p1', target))], ['far']);
  await world.endpoints('ending', [
    { place: 'p2', conditions: leaving },
    { place: 'far', conditions: gone },
  ]);
  await world.expect('p1', target, /^p2 /);
  await world.endpoints('ending', [{ place: 'p2', conditions: gone }]);
  await world.expect('p1', target, 'refused');
});

test('with externalTrafficPolicy Local a terminating endpoint of the node goes on answering', async () => {
  const service = await world.service('ending-local', { type: 'NodePort', externalTrafficPolicy: 'Local' });
  const port = service.spec?.ports?.[0]?.nodePort ?? 0;
  await world.endpoints('ending-local', [{ place: 'p2', conditions: leaving }, 'far']);
  await world.expect('out', { address: addresses.IPv4.node, port }, `p2 ${addresses.IPv4.out}`);
});

test('the address of a load balancer answers as an external IP does, unless its mode is Proxy', async () => {
  const service = await world.service('balanced', { type: 'LoadBalancer' });
  await world.endpoints('balanced', ['p1']);
  assert.ok((service.spec?.ports?.[0]?.nodePort ?? 0) > 0);
  const ingress = families.map((family) => ({ ip: externalIps[family], ipMode: 'VIP' }));
  await balance('balanced', ingress);
  for (const family of families) {
    await world.expect('out', { address: externalIps[family], port: 80 }, /^p1 /);
    await world.expect('p2', { address: externalIps[family], port: 80 }, /^p1 /);
  }
  await balance(
    'balanced',
    ingress.map((one) => ({ ...one, ipMode: 'Proxy' })),
  );
  await world.expect('p2', { address: externalIps.IPv4, port: 80 }, /silent|EHOSTUNREACH|refused/);
  await balance('balanced', []);
});

test('loadBalancerSourceRanges let only these sources in', async () => {
  await world.service('ranged', {
    type: 'LoadBalancer',
    loadBalancerSourceRanges: ['198.51.100.0/24', '2001:db8:ffff::/48', '198.51.100.128/25'],
  });
  await world.endpoints('ranged', ['p1']);
  await balance(
    'ranged',
    families.map((family) => ({ ip: externalIps[family], ipMode: 'VIP' })),
  );
  await world.written('ip', `${externalIps.IPv4} . tcp . 80 : goto from-`);
  for (const family of families) {
    assert.equal(await world.ask('out', { address: externalIps[family], port: 80 }), 'silent');
    assert.equal(await world.ask('node', { address: externalIps[family], port: 80 }), 'silent');
  }
  const ranges = ['192.0.2.0/24', '2001:db8::/64'];
  await world.change<Service>('Service', 'ranged', (s) => ({
    ...s,
    spec: { ...s.spec, loadBalancerSourceRanges: ranges },
  }));
  for (const family of families) {
    await world.expect('out', { address: externalIps[family], port: 80 }, /^p1 /);
    await world.expect('node', { address: externalIps[family], port: 80 }, /^p1 /);
  }
  assert.equal(await world.ask('p2', { address: externalIps.IPv4, port: 80 }), 'silent');
  await balance('ranged', []);
});

test('hints keep traffic in the zone or on the node, where all endpoints have them and one fits', async () => {
  const ips = clusterIpsOf(await world.service('near'));
  const target = { address: ips.IPv4, port: 80 };
  const hint = (zone: string, node: string) => ({ hints: { forZones: [{ name: zone }], forNodes: [{ name: node }] } });
  const zoneOnly = (zone: string) => ({ hints: { forZones: [{ name: zone }] } });
  await world.endpoints('near', [
    { place: 'p2', ...zoneOnly('a') },
    { place: 'far', ...zoneOnly('b') },
  ]);
  await world.expect('p1', target, /^(p2|far) /);
  assert.equal((await world.answering('p1', target)).size, 2, 'the node has no zone yet');
  const setZone = (zone: string) =>
    world.node.call('label', { name: 'here', labels: { 'topology.kubernetes.io/zone': zone } }) as Promise<Node>;
  await setZone('b');
  await world.written('ip', `${ips.IPv4} . tcp . 80 : goto tcp-cluster-1`);
  assert.deepEqual([...(await world.answering('p1', target))], ['far']);
  await setZone('c');
  await world.written('ip', `${ips.IPv4} . tcp . 80 : goto tcp-cluster-2`);
  await setZone('b');
  await world.endpoints('near', [
    { place: 'p2', ...hint('b', 'here') },
    { place: 'far', ...hint('b', 'there') },
  ]);
  await world.written('ip', `${ips.IPv4} . 80 . 0 : ${addresses.IPv4.p2} . 8080`);
  await world.expect('p1', target, /^p2 /);
  assert.deepEqual([...(await world.answering('p1', target))], ['p2']);
  await world.endpoints('near', [{ place: 'p2', ...hint('b', 'here') }, 'far']);
  await world.written('ip', `${ips.IPv4} . tcp . 80 : goto tcp-cluster-2`);
  assert.equal((await world.answering('p1', target)).size, 2, 'one without hints means: all');
});

test('the health check node port tells how many endpoints are here, and /healthz of the proxy', async () => {
  const service = await world.service('asked', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' });
  const port = service.spec?.healthCheckNodePort ?? 0;
  assert.ok(port > 0);
  await world.endpoints('asked', ['p1', 'p2', 'far']);
  const url = `http://${addresses.IPv4.node}:${port}/`;
  await world.expectAnswer('out', url, 200, { service: { namespace: 'default', name: 'asked' }, localEndpoints: 2 });
  const { headers } = await world.fetch('out', url);
  assert.equal(headers['x-load-balancing-endpoint-weight'], '2');
  await world.expectAnswer('out', `http://[${addresses.IPv6.node}]:${port}/`, 200, { localEndpoints: 2 });
  await world.endpoints('asked', ['far']);
  await world.expectAnswer('out', url, 503, { localEndpoints: 0, serviceProxyHealthy: true });
  await world.change<Service>('Service', 'asked', (s) => ({
    ...s,
    spec: { ...s.spec, externalTrafficPolicy: 'Cluster' },
  }));
  await world.expectAnswer('out', url, 0, undefined);
  await world.expectAnswer('out', `http://${addresses.IPv4.node}:10256/healthz`, 200, { nodeEligible: true });
});

test('a node that is to go tells load balancers so, and that it lives', async () => {
  await world.node.call('taint', { name: 'here', key: 'ToBeDeletedByClusterAutoscaler' });
  await world.expectAnswer('out', `http://${addresses.IPv4.node}:10256/healthz`, 503, { nodeEligible: false });
  await world.expectAnswer('out', `http://${addresses.IPv4.node}:10256/livez`, 200, {});
});
