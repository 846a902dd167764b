import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, StatefulSet, StatefulSetSpec } from '../kube/types.gen.ts';
import { identityLabels } from './statefulset-identity.ts';
import { planStatefulSet, type SetStep } from './statefulset-plan.ts';

function set(replicas: number, spec: Partial<StatefulSetSpec> = {}): StatefulSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 's', namespace: 'n', uid: 's' },
    spec: {
      replicas,
      selector: {},
      template: {},
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      ...spec,
    },
  };
}

type State = 'ready' | 'starting' | 'failed' | 'going';

function pod(ordinal: number, state: State, revision = 'new'): Pod {
  const going = state === 'going' ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {};
  const phase = state === 'failed' ? 'Failed' : state === 'starting' ? 'Pending' : 'Running';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `s-${ordinal}`,
      labels: { ...identityLabels(set(0), ordinal), 'controller-revision-hash': revision },
      ...going,
    },
    status: { phase, conditions: [{ type: 'Ready', status: state === 'ready' ? 'True' : 'False' }] },
  };
}

function describe(step: SetStep): string {
  return step.action === 'create'
    ? `create ${step.ordinal} ${step.revision}`
    : `${step.action} ${step.pod.metadata.name}`;
}

function plan(target: StatefulSet, pods: readonly Pod[], currentRevision = 'new'): readonly string[] {
  const world = { pods, currentRevision, updateRevision: 'new', nowMs: 0 };
  return planStatefulSet(target, world).steps.map(describe);
}

test('pods come one after the other, each when the one before is ready', () => {
  assert.deepEqual(plan(set(3), []), ['create 0 update']);
  assert.deepEqual(plan(set(3), [pod(0, 'starting')]), []);
  assert.deepEqual(plan(set(3), [pod(0, 'ready')]), ['create 1 update']);
  assert.deepEqual(plan(set(3), [pod(0, 'failed'), pod(1, 'ready')]), ['replace s-0']);
  assert.deepEqual(plan(set(2, { ordinals: { start: 5 } }), [pod(5, 'ready')]), ['create 6 update']);
});

test('in parallel they come at once', () => {
  const parallel = set(3, { podManagementPolicy: 'Parallel' });
  assert.deepEqual(plan(parallel, [pod(1, 'starting')]), ['create 0 update', 'create 2 update']);
});

test('pods go from the last to the first, and wait for the others to be well', () => {
  const pods = [0, 1, 2, 3].map((ordinal) => pod(ordinal, 'ready'));
  assert.deepEqual(plan(set(2), pods), ['condemn s-3']);
  assert.deepEqual(plan(set(2), [...pods.slice(0, 3), pod(3, 'going')]), []);
  assert.deepEqual(plan(set(2), [pod(0, 'starting'), ...pods.slice(1)]), []);
  assert.deepEqual(plan(set(1), [pod(0, 'ready'), pod(1, 'starting')]), ['condemn s-1']);
});

test('an update goes from the last to the first and stops at the partition', () => {
  const old = [0, 1, 2].map((ordinal) => pod(ordinal, 'ready', 'old'));
  assert.deepEqual(plan(set(3), old, 'old'), ['update s-2']);
  const [first, second] = old;
  assert.ok(first && second);
  assert.deepEqual(plan(set(3), [first, second, pod(2, 'ready')], 'old'), ['update s-1']);
  const partitioned = set(3, { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } });
  assert.deepEqual(plan(partitioned, [first, second, pod(2, 'ready')], 'old'), []);
  assert.deepEqual(plan(partitioned, [first], 'old'), ['create 1 current']);
  const several = set(3, { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 2 } } });
  assert.deepEqual(plan(several, old, 'old'), ['update s-2', 'update s-1']);
  assert.deepEqual(plan(set(3, { updateStrategy: { type: 'OnDelete' } }), old, 'old'), []);
});
