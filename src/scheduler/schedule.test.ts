import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, PodSpec, StorageClass } from '../kube/types.gen.ts';
import type { NodeInfo, Snapshot } from './plugin.ts';
import { volumePlanFor } from './plugins/volumes.ts';
import { preempt } from './preemption.ts';
import { amounts, podRequests, sum } from './requests.ts';
import { schedule } from './schedule.ts';

interface World {
  readonly nodes: readonly { readonly node: Node; readonly pods?: readonly Pod[] }[];
  readonly claims?: readonly PersistentVolumeClaim[];
  readonly volumes?: readonly PersistentVolume[];
  readonly classes?: readonly StorageClass[];
}

function snapshot(world: World): Snapshot {
  const nodes = world.nodes.map(({ node, pods = [] }): NodeInfo => {
    const infos = pods.map((pod) => ({ pod, requests: podRequests(pod) }));
    return {
      node,
      name: node.metadata.name ?? '',
      pods: infos,
      requested: infos.reduce((total, p) => sum(total, p.requests), {}),
      allocatable: amounts(node.status?.allocatable),
    };
  });
  return {
    nodes,
    namespace: () => undefined,
    claim: (namespace, name) =>
      world.claims?.find((c) => c.metadata.namespace === namespace && c.metadata.name === name),
    volume: (name) => world.volumes?.find((v) => v.metadata.name === name),
    volumes: () => world.volumes ?? [],
    storageClass: (name) => world.classes?.find((c) => c.metadata.name === name),
    csiNode: () => undefined,
    storageCapacities: () => [],
    publishesCapacity: () => false,
    budgets: () => [],
    spreadSelector: () => undefined,
  };
}

function node(name: string, spec: Node['spec'] = {}, labels: Record<string, string> = {}, cpu = '2'): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec,
    status: { allocatable: { cpu, memory: '4Gi', pods: '3' } },
  };
}

function pod(name: string, spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: name, labels },
    spec: { containers: [{ name: 'c', image: 'nginx', resources: { requests: { cpu: '1' } } }], ...spec },
  };
}

const place = (p: Pod, world: World): string => {
  const result = schedule({ pod: p, requests: podRequests(p) }, snapshot(world));
  return 'node' in result ? result.node.name : result.message;
};

test('without nodes the message is Kubernetes own', () => {
  assert.equal(place(pod('a'), { nodes: [] }), 'no nodes available to schedule pods');
});

test('each node counts for the first reason that refuses it', () => {
  const nodes = [
    { node: node('a', { unschedulable: true }) },
    { node: node('b', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] }) },
    { node: node('c'), pods: [pod('1'), pod('2')] },
    { node: node('d', {}, {}, '500m') },
  ];
  assert.equal(
    place(pod('p'), { nodes }),
    '0/4 nodes are available: 1 node(s) had untolerated taint {k: v}, 1 node(s) were unschedulable, 2 Insufficient cpu.',
  );
});

test('the pod count of a node is a resource', () => {
  const small = { containers: [{ name: 'c', image: 'x' }] };
  const nodes = [{ node: node('a'), pods: [pod('1', small), pod('2', small), pod('3', small)] }];
  assert.equal(place(pod('p', small), { nodes }), '0/1 nodes are available: 1 Too many pods.');
});

test('the emptier node is chosen', () => {
  assert.equal(place(pod('p'), { nodes: [{ node: node('a'), pods: [pod('1')] }, { node: node('b') }] }), 'b');
});

test('selectors, required affinity and tolerations decide', () => {
  const nodes = [
    { node: node('a', {}, { disk: 'ssd' }) },
    { node: node('b', { taints: [{ key: 'k', effect: 'NoSchedule' }] }) },
  ];
  assert.equal(place(pod('p', { nodeSelector: { disk: 'ssd' } }), { nodes }), 'a');
  const onB = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }],
      },
    },
  };
  assert.match(
    place(pod('p', { affinity: onB }), { nodes }),
    /1 node\(s\) didn't match Pod's node affinity\/selector, 1 node\(s\) had untolerated taint/,
  );
  assert.equal(place(pod('p', { affinity: onB, tolerations: [{ operator: 'Exists' }] }), { nodes }), 'b');
});

test('a host port is taken once a node', () => {
  const web = {
    containers: [{ name: 'c', image: 'x', ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }] }],
  };
  const world = { nodes: [{ node: node('a'), pods: [pod('1', web)] }] };
  assert.equal(
    place(pod('p', web), world),
    "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
  );
});

test('anti-affinity holds in both directions, and affinity lets the first of its kind in', () => {
  const term = { labelSelector: { matchLabels: { app: 'a' } }, topologyKey: 'kubernetes.io/hostname' };
  const apart = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } };
  const together = { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } };
  const labels = { app: 'a' };
  assert.equal(
    place(pod('p', apart, labels), { nodes: [{ node: node('a'), pods: [pod('1', {}, labels)] }, { node: node('b') }] }),
    'b',
  );
  assert.equal(
    place(pod('p', {}, labels), { nodes: [{ node: node('a'), pods: [pod('1', apart)] }, { node: node('b') }] }),
    'b',
  );
  assert.equal(place(pod('p', together, labels), { nodes: [{ node: node('a') }] }), 'a');
  assert.equal(
    place(pod('p', together), { nodes: [{ node: node('a') }] }),
    "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
  );
});

test('hard topology spread keeps the skew', () => {
  const labels = { app: 'a' };
  const spread = {
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: labels } },
    ],
  };
  const nodes = [
    { node: node('a', {}, { zone: '1' }, '64'), pods: [pod('1', {}, labels)] },
    { node: node('b', {}, { zone: '2' }) },
  ];
  assert.equal(place(pod('p', spread, labels), { nodes }), 'b');
  assert.match(
    place(pod('p', { ...spread, nodeSelector: { zone: '1' } }, labels), { nodes: nodes.slice(0, 1) }),
    /^a$/,
  );
});

const claim = (
  name: string,
  more: Partial<PersistentVolumeClaim['spec']> = {},
  phase = 'Pending',
): PersistentVolumeClaim => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: {
    name,
    namespace: 'default',
    ...(phase === 'Bound' ? { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } } : {}),
  },
  spec: {
    accessModes: ['ReadWriteOnce'],
    storageClassName: 'local',
    resources: { requests: { storage: '1Gi' } },
    ...more,
  },
  status: { phase },
});
const volume = (name: string, size: string, on?: string): PersistentVolume => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name },
  spec: {
    accessModes: ['ReadWriteOnce'],
    capacity: { storage: size },
    storageClassName: 'local',
    ...(on === undefined
      ? {}
      : {
          nodeAffinity: {
            required: {
              nodeSelectorTerms: [
                { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [on] }] },
              ],
            },
          },
        }),
  },
  status: { phase: 'Available' },
});
const local = (provisioner: string, volumeBindingMode = 'WaitForFirstConsumer'): StorageClass => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'local' },
  provisioner,
  volumeBindingMode,
});
const withClaim = { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] };

test('a pod follows its bound volume, and waits for an immediate claim', () => {
  const nodes = [{ node: node('a') }, { node: node('b') }];
  const bound = { nodes, claims: [claim('data', { volumeName: 'pv' }, 'Bound')], volumes: [volume('pv', '1Gi', 'b')] };
  assert.equal(place(pod('p', withClaim), bound), 'b');
  const immediate = { nodes, claims: [claim('data')], classes: [local('x', 'Immediate')] };
  assert.equal(
    place(pod('p', withClaim), immediate),
    '0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.',
  );
  assert.equal(
    place(pod('p', withClaim), { nodes }),
    '0/2 nodes are available: persistentvolumeclaim "data" not found.',
  );
});

test('a waiting claim takes the smallest volume that fits on the node, else it is provisioned', () => {
  const nodes = [{ node: node('a') }];
  const p = pod('p', withClaim);
  const world = { nodes, claims: [claim('data')], classes: [local('kubernetes.io/no-provisioner')] };
  assert.equal(place(p, world), "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.");
  const volumes = [volume('big', '5Gi', 'a'), volume('fit', '2Gi', 'a'), volume('else', '1Gi', 'b')];
  const shot = snapshot({ ...world, volumes });
  const first = shot.nodes[0];
  assert.ok(first);
  const plan = volumePlanFor(p, first, shot);
  assert.ok('bind' in plan);
  assert.deepEqual(
    plan.bind.map((b) => b.volume.metadata.name),
    ['fit'],
  );
  assert.equal(place(p, { nodes, claims: [claim('data')], classes: [local('rancher.io/local-path')] }), 'a');
});

test('preemption removes as few and as unimportant pods as possible, and says so when none help', () => {
  const important = pod('p', {
    priority: 100,
    containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '1' } } }],
  });
  const info = { pod: important, requests: podRequests(important) };
  const world = {
    nodes: [
      { node: node('a'), pods: [pod('low', { priority: 1 }), pod('lower', { priority: 0 })] },
      { node: node('b'), pods: [pod('high', { priority: 200 }), pod('same', { priority: 100 })] },
    ],
  };
  const failed = schedule(info, snapshot(world));
  assert.ok('message' in failed);
  const result = preempt(info, failed, snapshot(world));
  assert.ok(result.node !== null);
  assert.equal(result.node.name, 'a');
  assert.deepEqual(
    result.victims.map((v) => v.metadata.name),
    ['lower'],
  );

  const full = { nodes: world.nodes.slice(1) };
  const stuck = schedule(info, snapshot(full));
  assert.ok('message' in stuck);
  const none = preempt(info, stuck, snapshot(full));
  assert.ok(none.node === null);
  assert.equal(none.message, 'preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.');
});
