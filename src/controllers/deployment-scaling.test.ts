import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import type { Deployment, ReplicaSet } from '../kube/types.gen.ts';
import {
  maxReplicasAnnotation,
  maxSurge,
  maxUnavailable,
  planNewReplicaSet,
  planOldReplicaSets,
  planScale,
} from './deployment-scaling.ts';

type Limit = number | string;

function deployment(replicas: number, surge: Limit, unavailable: Limit): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', namespace: 'n' },
    spec: {
      replicas,
      selector: { matchLabels: { a: 'b' } },
      template: {},
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } },
    },
  };
}

function replicaSet(name: string, replicas: number, available = replicas, max?: number): ReplicaSet {
  const annotations = max === undefined ? {} : { [maxReplicasAnnotation]: String(max) };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, uid: name, namespace: 'n', annotations, creationTimestamp: `2026-01-01T00:00:0${name.length}Z` },
    spec: { replicas, selector: {} },
    status: { replicas, availableReplicas: available },
  };
}

test('surge is rounded up, unavailability down, and never both are zero', () => {
  const cases: readonly (readonly [
    replicas: number,
    surge: Limit,
    unavailable: Limit,
    expected: readonly [number, number],
  ])[] = [
    [10, '25%', '25%', [3, 2]],
    [2, '25%', '25%', [1, 0]],
    [1, 0, 0, [0, 1]],
    [3, 0, '10%', [0, 1]],
    [4, 2, 9, [2, 4]],
    [0, 1, 1, [1, 0]],
  ];
  for (const [replicas, surge, unavailable, expected] of cases) {
    const one = deployment(replicas, surge, unavailable);
    assert.deepEqual([maxSurge(one), maxUnavailable(one)], expected);
  }
});

test('a rollout reaches its end from any state, and keeps its limits at every step', () => {
  const sizes = fc.integer({ min: 0, max: 8 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      sizes,
      sizes,
      fc.array(sizes, { maxLength: 3 }),
      (wanted, surge, unavailable, old) => {
        const target = deployment(wanted, surge, unavailable);
        const state = new Map([['new', 0], ...old.map((size, at): [string, number] => ['o'.repeat(at + 1), size])]);
        const ceiling = Math.max(
          wanted + maxSurge(target),
          [...state.values()].reduce((sum, size) => sum + size, 0),
        );
        const floor = Math.min(
          wanted - maxUnavailable(target),
          [...state.values()].reduce((sum, size) => sum + size, 0),
        );
        // All pods become available between two steps, as in a cluster that is well.
        for (let step = 0; step < 200; step++) {
          const sets = [...state].map(([name, size]) => replicaSet(name, size));
          const newOne = sets.find(({ metadata }) => metadata.name === 'new');
          assert.ok(newOne);
          const up = planNewReplicaSet(target, newOne, sets);
          const steps = up
            ? [up]
            : planOldReplicaSets(
                target,
                newOne,
                sets.filter((set) => set !== newOne),
              );
          if (steps.length === 0) break;
          for (const {
            replicaSet: { metadata },
            replicas,
          } of steps)
            state.set(metadata.name ?? '', replicas);
          const total = [...state.values()].reduce((sum, size) => sum + size, 0);
          assert.ok(total <= ceiling, `${total} pods, at most ${ceiling}`);
          assert.ok(total >= floor, `${total} pods, at least ${floor}`);
        }
        assert.equal(state.get('new'), wanted);
        assert.equal(
          [...state.values()].reduce((sum, size) => sum + size, 0),
          wanted,
        );
      },
    ),
  );
});

test('unhealthy old pods go first, beyond what availability would allow', () => {
  const target = deployment(10, 3, 2);
  // 13 pods, of which 8 must stay and 5 new ones are not there yet: no room.
  assert.deepEqual(planOldReplicaSets(target, replicaSet('new', 5, 0), [replicaSet('oo', 8, 6)]), []);
  const broken = planOldReplicaSets(target, replicaSet('new', 5, 5), [replicaSet('oo', 8, 2)]);
  assert.deepEqual(
    broken.map(({ replicas }) => replicas),
    [3],
  );
});

test('in the middle of a rollout a new size is shared in proportion, and the shares add up', () => {
  const target = deployment(20, 0, 1);
  const plan = planScale(target, replicaSet('new', 5, 5, 10), [replicaSet('o', 5, 5, 10)]);
  assert.deepEqual(plan.map(({ replicas }) => replicas).sort(), [10, 10]);
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 40 }),
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 4 }),
      (wanted, sizes) => {
        const total = sizes.reduce((sum, size) => sum + size, 0);
        const sets = sizes.map((size, at) => replicaSet('o'.repeat(at + 1), size, size, total));
        const scaled = planScale(deployment(wanted, 0, 1), null, sets);
        assert.equal(
          scaled.reduce((sum, { replicas }) => sum + replicas, 0),
          wanted,
        );
        assert.ok(scaled.every(({ replicas }) => replicas >= 0));
      },
    ),
  );
});
