import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../../kube/types.gen.ts';
import { refusalOf } from './admission.ts';

const node: Node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n', labels: { disk: 'ssd' } },
  status: { allocatable: { cpu: '2', memory: '1Gi', pods: '3', 'ephemeral-storage': '10Gi', 'example.com/gpu': '1' } },
};
const pod = (spec: Partial<NonNullable<Pod['spec']>>): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default', uid: 'p' },
  spec: { nodeName: 'n', containers: [{ name: 'c' }], ...spec },
});
const asking = (requests: Record<string, string>) => pod({ containers: [{ name: 'c', resources: { requests } }] });
const onPort = (hostPort: number, hostIP?: string) =>
  pod({
    containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort, ...(hostIP === undefined ? {} : { hostIP }) }] }],
  });
const withPressure = (...types: string[]): Node => ({
  ...node,
  status: { ...node.status, conditions: types.map((type) => ({ type, status: 'True' })) },
});
const refusal = (wanted: Pod, of: Node = node, taken: readonly Pod[] = []) => {
  const found = refusalOf(wanted, of, taken);
  return found === null ? null : `${found.reason}: ${found.message}`;
};

test('a pod that fits is taken', () => {
  assert.equal(refusal(asking({ cpu: '1500m', memory: '1Gi', 'example.com/gpu': '1' })), null);
  assert.equal(refusal(asking({ cpu: '500m' }), node, [asking({ cpu: '1500m' })]), null);
  assert.equal(refusal(pod({ nodeSelector: { disk: 'ssd' } })), null);
});

test('what does not fit is refused in kubelet’s words, pods before resources', () => {
  const cases: readonly (readonly [Pod, readonly Pod[], string])[] = [
    [asking({ cpu: '4' }), [], 'cpu, requested: 4000, used: 0, capacity: 2000'],
    [asking({ cpu: '600m' }), [asking({ cpu: '1500m' })], 'cpu, requested: 600, used: 1500, capacity: 2000'],
    [asking({ memory: '2Gi' }), [], 'memory, requested: 2147483648, used: 0, capacity: 1073741824'],
    [asking({ 'example.com/gpu': '2' }), [], 'example.com/gpu, requested: 2, used: 0, capacity: 1'],
    [asking({ cpu: '9' }), [pod({}), pod({}), pod({})], 'pods, requested: 1, used: 3, capacity: 3'],
  ];
  for (const [wanted, taken, text] of cases) {
    const [resource] = text.split(',');
    assert.equal(refusal(wanted, node, taken), `OutOf${resource}: Node didn't have enough resource: ${text}`);
  }
  assert.equal(refusal(asking({ 'example.com/unheard-of': '1' })), null);
});

test('labels, names, ports and taints are looked at', () => {
  assert.equal(
    refusal(pod({ nodeSelector: { disk: 'hdd' } })),
    "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
  );
  assert.match(refusal(pod({ nodeName: 'other' })) ?? '', /^NodeName: Predicate NodeName failed: /);
  assert.equal(
    refusal(onPort(80), node, [onPort(80, '10.0.0.1')]),
    "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  );
  assert.equal(refusal(onPort(80, '10.0.0.2'), node, [onPort(80, '10.0.0.1')]), null);
  const tainted = (effect: string): Node => ({ ...node, spec: { taints: [{ key: 'k', effect }] } });
  assert.match(refusal(pod({}), tainted('NoExecute')) ?? '', /^TaintToleration: /);
  assert.equal(refusal(pod({}), tainted('NoSchedule')), null);
  assert.match(refusal(pod({ os: { name: 'windows' } })) ?? '', /^PodOSNotSupported: /);
});

test('a node under pressure takes what it must and what asked for memory', () => {
  assert.equal(refusal(pod({}), withPressure('MemoryPressure')), 'Evicted: The node had condition: [MemoryPressure]. ');
  assert.equal(refusal(asking({ memory: '1Mi' }), withPressure('MemoryPressure')), null);
  const tolerations = [{ key: 'node.kubernetes.io/memory-pressure', operator: 'Exists' }];
  assert.equal(refusal(pod({ tolerations }), withPressure('MemoryPressure')), null);
  assert.equal(
    refusal(asking({ memory: '1Mi' }), withPressure('DiskPressure', 'MemoryPressure')),
    'Evicted: The node had condition: [DiskPressure MemoryPressure]. ',
  );
  assert.equal(refusal(pod({ priority: 2_000_000_000 }), withPressure('DiskPressure')), null);
});
