import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFieldError } from '../../field-error.ts';
import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec } from '../../types.gen.ts';
import { validateAutoscaler, validateAutoscalerUpdate } from './horizontal-pod-autoscaler.ts';

function autoscaler(spec: Partial<HorizontalPodAutoscalerSpec>): HorizontalPodAutoscaler {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'h', namespace: 'n', uid: 'u', resourceVersion: '1' },
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' },
      minReplicas: 1,
      maxReplicas: 3,
      ...spec,
    },
  };
}

const cases: readonly (readonly [Partial<HorizontalPodAutoscalerSpec>, readonly string[]])[] = [
  [{}, []],
  [
    { minReplicas: 0 },
    [
      'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
      'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
    ],
  ],
  [
    { scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'a/b/c' } },
    ['spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'],
  ],
  [{ scaleTargetRef: { kind: 'ReplicationController', name: 'd', apiVersion: 'v1' } }, []],
  [
    {
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 5 } },
          pods: { metric: { name: 'm' }, target: { type: 'AverageValue', averageValue: '1' } },
        },
      ],
    },
    ['spec.metrics[0].pods: Forbidden: must populate the given metric source only'],
  ],
  [
    { behavior: { scaleUp: { policies: [{ type: 'Pods', value: 1, periodSeconds: 1801 }], selectPolicy: 'Max' } } },
    ['spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800'],
  ],
];

test('what an autoscaler may say', () => {
  for (const [spec, expected] of cases) {
    assert.deepEqual(validateAutoscaler(autoscaler(spec)).map(renderFieldError), expected);
  }
});

test('an autoscaler that stands keeps its target without a group', () => {
  const old = autoscaler({ scaleTargetRef: { kind: 'Deployment', name: 'd' } });
  assert.equal(validateAutoscaler(old).length, 1);
  assert.deepEqual(validateAutoscalerUpdate(old, old), []);
});
