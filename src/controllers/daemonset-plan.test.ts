import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DaemonSet, DaemonSetSpec, Node, Pod, Taint } from '../kube/types.gen.ts';
import { planDaemons, planRollingUpdate, targetNode, templateForNode } from './daemonset-plan.ts';

function daemonSet(spec: Partial<DaemonSetSpec> = {}): DaemonSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'd', namespace: 'n', uid: 'd' },
    spec: { selector: {}, template: { spec: { containers: [] } }, ...spec },
  };
}

function node(name: string, taints: readonly Taint[] = [], labels: Record<string, string> = {}): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: { taints } };
}

function pod(name: string, on: string, hash = 'new', isReady = true): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { 'controller-revision-hash': hash },
      creationTimestamp: `2026-01-01T00:00:0${name.length}Z`,
    },
    spec: { containers: [], nodeName: on },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }] },
  };
}

const names = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name);

test('daemons run on nodes that select and tolerate them, and only there', () => {
  const selecting = daemonSet({ template: { spec: { containers: [], nodeSelector: { role: 'edge' } } } });
  const nodes = [
    node('edge', [], { role: 'edge' }),
    node('core'),
    node('closed', [{ key: 'x', effect: 'NoSchedule' }], { role: 'edge' }),
    node('cordoned', [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }], { role: 'edge' }),
  ];
  const pods = [pod('stray', 'core'), pod('stays', 'closed')];
  const plan = planDaemons(selecting, { nodes, pods, hash: 'new', nowMs: 0 });
  assert.deepEqual(plan.create, ['edge', 'cordoned']);
  assert.deepEqual(names(plan.remove), ['stray']);
});

test('of two daemons on a node the older stays, and one that waits for a lost node goes', () => {
  const waiting = templateForNode(daemonSet(), 'lost', 'new');
  const unscheduled: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'waits' },
    ...(waiting.spec ? { spec: waiting.spec } : {}),
  };
  assert.equal(targetNode(unscheduled), 'lost');
  const pods = [pod('bb', 'one'), pod('a', 'one'), unscheduled];
  const plan = planDaemons(daemonSet(), { nodes: [node('one')], pods, hash: 'new', nowMs: 0 });
  assert.deepEqual(names(plan.remove), ['bb', 'waits']);
});

test('a rolling update replaces as many as may be unavailable, and broken ones at once', () => {
  const nodes = ['1', '2', '3', '4'].map((name) => node(name));
  const rolling = daemonSet({
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
  });
  const old = nodes.map(({ metadata }) => pod(`p${metadata.name}`, metadata.name ?? '', 'old'));
  assert.deepEqual(names(planRollingUpdate(rolling, { nodes, pods: old, hash: 'new', nowMs: 0 }).remove), ['p1']);
  const broken = [pod('p1', '1', 'old', false), ...old.slice(1)];
  assert.deepEqual(names(planRollingUpdate(rolling, { nodes, pods: broken, hash: 'new', nowMs: 0 }).remove), [
    'p1',
    'p2',
  ]);
  const starting = [pod('p1', '1', 'new', false), ...old.slice(1)];
  assert.deepEqual(names(planRollingUpdate(rolling, { nodes, pods: starting, hash: 'new', nowMs: 0 }).remove), []);
});

test('with surge the new daemon comes before the old one goes', () => {
  const nodes = ['1', '2'].map((name) => node(name));
  const surging = daemonSet({
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
  });
  const old = nodes.map(({ metadata }) => pod(`o${metadata.name}`, metadata.name ?? '', 'old'));
  const world = (pods: readonly Pod[]) => ({ nodes, pods, hash: 'new', nowMs: 0 });
  assert.deepEqual(planRollingUpdate(surging, world(old)).create, ['1']);
  const both = [...old, pod('fresh', '1', 'new')];
  assert.deepEqual(names(planDaemons(surging, world(both)).remove), ['o1']);
  const waiting = [...old, pod('fresh', '1', 'new', false)];
  assert.deepEqual(names(planDaemons(surging, world(waiting)).remove), []);
  assert.deepEqual(planRollingUpdate(surging, world(waiting)).create, []);
});
