import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  Endpoint,
  EndpointSlice,
  ObjectMeta,
  Pod,
  Service,
  ServiceSpec,
  ServiceStatus,
} from '../../kube/types.gen.ts';
import { chooseEndpoints, countLocalReady } from './endpoints.ts';
import { type NodeView, planHostPorts, planService } from './plan.ts';

const view: NodeView = {
  place: { name: 'here', zone: 'a' },
  families: ['IPv4', 'IPv6'],
  addresses: ['192.0.2.1', '2001:db8::1'],
  ownAddresses: new Set(['10.43.0.10']),
};

function serviceOf(spec: ServiceSpec, metadata: ObjectMeta = {}, status: ServiceStatus = {}): Service {
  const ports = [{ port: 80, protocol: 'TCP' }];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default', ...metadata },
    spec: { type: 'ClusterIP', clusterIP: '10.43.0.5', clusterIPs: ['10.43.0.5'], ports, ...spec },
    status,
  };
}

function sliceOf(endpoints: readonly Endpoint[], addressType = 'IPv4'): EndpointSlice {
  const ports = [{ name: '', port: 8080, protocol: 'TCP' }];
  return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: {}, addressType, ports, endpoints };
}

const at = (address: string, nodeName: string, more: Partial<Endpoint> = {}): Endpoint => ({
  addresses: [address],
  nodeName,
  ...more,
});

const port = { name: '', protocol: 'TCP' };
const choose = (endpoints: readonly Endpoint[], zone: string | undefined = 'a') => {
  const { cluster, local, exist } = chooseEndpoints([sliceOf(endpoints)], port, 'IPv4', { name: 'here', zone });
  return { cluster: cluster.map((e) => e.address), local: local.map((e) => e.address), exist };
};
const zones = (...names: readonly string[]) => ({ hints: { forZones: names.map((name) => ({ name })) } });
const nodes = (...names: readonly string[]) => ({ hints: { forNodes: names.map((name) => ({ name })) } });
const leaving = { conditions: { ready: false, serving: true, terminating: true } };
const unready = { conditions: { ready: false, serving: false } };

test('ready endpoints are chosen, and none that is not', () => {
  assert.deepEqual(choose([at('10.42.0.2', 'here'), at('10.42.1.2', 'there'), at('10.42.1.3', 'there', unready)]), {
    cluster: ['10.42.0.2', '10.42.1.2'],
    local: ['10.42.0.2'],
    exist: true,
  });
  assert.deepEqual(choose([at('10.42.1.3', 'there', unready)]), { cluster: [], local: [], exist: false });
});

test('terminating endpoints that serve are chosen only where there is no ready one', () => {
  assert.deepEqual(choose([at('10.42.0.2', 'here', leaving), at('10.42.1.2', 'there')]), {
    cluster: ['10.42.1.2'],
    local: ['10.42.0.2'],
    exist: true,
  });
  assert.deepEqual(choose([at('10.42.0.2', 'here', leaving)]).cluster, ['10.42.0.2']);
});

test('hints count when every ready endpoint has them and one is meant for this place', () => {
  const both = [at('10.42.0.2', 'here', zones('a')), at('10.42.1.2', 'there', zones('b'))];
  assert.deepEqual(choose(both).cluster, ['10.42.0.2']);
  assert.deepEqual(choose(both, 'b').cluster, ['10.42.1.2']);
  assert.equal(choose(both, 'c').cluster.length, 2);
  assert.equal(choose(both, '').cluster.length, 2);
  assert.equal(choose([...both, at('10.42.1.3', 'there')]).cluster.length, 3);
  // What is not ready need not have hints.
  assert.deepEqual(choose([...both, at('10.42.1.3', 'there', unready)]).cluster, ['10.42.0.2']);
});

test('hints for nodes come before hints for zones, which take over where no endpoint is on the node', () => {
  const hint = (node: string, zone: string) => ({ hints: { ...nodes(node).hints, ...zones(zone).hints } });
  const all = [at('10.42.0.2', 'here', hint('here', 'a')), at('10.42.1.2', 'there', hint('there', 'a'))];
  assert.deepEqual(choose(all).cluster, ['10.42.0.2']);
  assert.deepEqual(
    choose([at('10.42.1.2', 'there', hint('there', 'a')), at('10.42.2.2', 'far', hint('far', 'b'))]).cluster,
    ['10.42.1.2'],
  );
});

test('an endpoint that stands in two slices counts once, as the ready one', () => {
  const slices = [sliceOf([at('10.42.0.2', 'here', unready)]), sliceOf([at('10.42.0.2', 'here')])];
  assert.equal(chooseEndpoints(slices, port, 'IPv4', view.place).cluster.length, 1);
});

test('pods of two families weigh a node once', () => {
  const slices = [
    sliceOf([at('10.42.0.2', 'here'), at('10.42.0.3', 'here')]),
    sliceOf([at('fd00::2', 'here'), at('fd00::3', 'there')], 'IPv6'),
  ];
  assert.equal(countLocalReady(slices, 'here'), 2);
});

test('Services without an address of their own, and those of other proxies, get no rules', () => {
  for (const service of [
    serviceOf({ clusterIP: 'None', clusterIPs: ['None'] }),
    serviceOf({ type: 'ExternalName', externalName: 'example.com' }),
    serviceOf({ clusterIP: '', clusterIPs: [] }),
    serviceOf({}, { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } }),
  ]) {
    assert.equal(planService(service, [], view).ports.size, 0);
  }
});

test('each family has the addresses of its own, in canonical form', () => {
  const plan = planService(
    serviceOf({
      clusterIPs: ['10.43.0.5', 'FD00:43:0:0::5'],
      externalIPs: ['203.0.113.007', '2001:DB8::7'],
    }),
    [sliceOf([at('10.42.0.2', 'here')]), sliceOf([at('FD00::2', 'here')], 'IPv6')],
    view,
  );
  const [v4] = plan.ports.get('IPv4') ?? [];
  const [v6] = plan.ports.get('IPv6') ?? [];
  assert.deepEqual(
    [v4?.clusterIp, v4?.externalIps, v4?.clusterEndpoints[0]?.address],
    ['10.43.0.5', ['203.0.113.7'], '10.42.0.2'],
  );
  assert.deepEqual(
    [v6?.clusterIp, v6?.externalIps, v6?.clusterEndpoints[0]?.address],
    ['fd00:43::5', ['2001:db8::7'], 'fd00::2'],
  );
});

test('a Service of one family has no rules in the other', () => {
  assert.deepEqual([...planService(serviceOf({}), [], view).ports.keys()], ['IPv4']);
});

test('an address that the node answers itself gets no rule', () => {
  const plan = planService(serviceOf({ clusterIP: '10.43.0.10', clusterIPs: ['10.43.0.10'] }), [], view);
  assert.equal(plan.ports.get('IPv4')?.[0]?.clusterIp, undefined);
});

test('source ranges come from the spec, else from the annotation, and let the node use the address itself', () => {
  const balanced = (spec: ServiceSpec, annotations: Record<string, string> = {}) =>
    planService(
      serviceOf(
        { type: 'LoadBalancer', ...spec },
        { annotations },
        {
          loadBalancer: {
            ingress: [
              { ip: '203.0.113.7', ipMode: 'VIP' },
              { ip: '203.0.113.8', ipMode: 'Proxy' },
            ],
          },
        },
      ),
      [],
      view,
    ).ports.get('IPv4')?.[0];
  assert.deepEqual(balanced({})?.loadBalancerIps, ['203.0.113.7']);
  assert.deepEqual(balanced({ loadBalancerSourceRanges: [' 198.51.100.0/24', '2001:db8::/32'] })?.sourceRanges, [
    '198.51.100.0/24',
  ]);
  assert.deepEqual(balanced({ loadBalancerSourceRanges: ['192.0.2.0/24'] })?.sourceRanges, [
    '192.0.2.0/24',
    '203.0.113.7/32',
  ]);
  const annotation = { 'service.beta.kubernetes.io/load-balancer-source-ranges': '198.51.100.0/24, 10.0.0.0/8' };
  assert.deepEqual(balanced({}, annotation)?.sourceRanges, ['198.51.100.0/24', '10.0.0.0/8']);
});

test('a load balancer that keeps traffic local is asked for its endpoints on a port', () => {
  const spec: ServiceSpec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32000 };
  const plan = planService(serviceOf(spec), [sliceOf([at('10.42.0.2', 'here')])], view);
  assert.deepEqual(plan.healthCheck, { port: 32000, localEndpoints: 1 });
  assert.equal(planService(serviceOf({ ...spec, externalTrafficPolicy: 'Cluster' }), [], view).healthCheck, undefined);
});

test('host ports are those of a pod with an address of its own that has not ended', () => {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default' },
    spec: {
      containers: [
        {
          name: 'c',
          ports: [
            { containerPort: 80, hostPort: 8080 },
            { containerPort: 53, hostPort: 53, protocol: 'UDP', hostIP: '192.0.2.1' },
            { containerPort: 81 },
          ],
        },
      ],
    },
    status: { phase: 'Running', podIP: '10.42.0.2', podIPs: [{ ip: '10.42.0.2' }, { ip: 'fd00::2' }] },
  };
  assert.deepEqual(planHostPorts(pod, 'IPv4'), [
    { protocol: 'tcp', hostIp: undefined, hostPort: 8080, address: '10.42.0.2', port: 80 },
    { protocol: 'udp', hostIp: '192.0.2.1', hostPort: 53, address: '10.42.0.2', port: 53 },
  ]);
  assert.deepEqual(planHostPorts(pod, 'IPv6'), [
    { protocol: 'tcp', hostIp: undefined, hostPort: 8080, address: 'fd00::2', port: 80 },
  ]);
  assert.deepEqual(planHostPorts({ ...pod, status: { ...pod.status, phase: 'Succeeded' } }, 'IPv4'), []);
  assert.deepEqual(
    planHostPorts({ ...pod, spec: { ...pod.spec, containers: pod.spec?.containers ?? [], hostNetwork: true } }, 'IPv4'),
    [],
  );
});
