import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setDeploymentDefaults, setStatefulSetDefaults } from '../../defaults/apps.ts';
import { draft } from '../../draft.ts';
import { renderFieldError } from '../../field-error.ts';
import type { Deployment, DeploymentSpec, StatefulSet, StatefulSetSpec } from '../../types.gen.ts';
import { validateDeployment, validateDeploymentUpdate } from './deployment.ts';
import { validateStatefulSet, validateStatefulSetUpdate } from './stateful-set.ts';

const metadata = { name: 'x', namespace: 'n', uid: 'u', resourceVersion: '1' };
const common = {
  selector: { matchLabels: { a: 'b' } },
  template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
};

function deployment(spec: Partial<DeploymentSpec> = {}): Deployment {
  const made = draft<Deployment>({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { ...common, ...spec } });
  setDeploymentDefaults(made);
  return made;
}

function statefulSet(spec: Partial<StatefulSetSpec> = {}): StatefulSet {
  const made = draft<StatefulSet>({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata,
    spec: { ...common, serviceName: 's', ...spec },
  });
  setStatefulSetDefaults(made);
  return made;
}

const cases: readonly (readonly [Partial<DeploymentSpec>, readonly string[]])[] = [
  [{}, []],
  [{ replicas: -1 }, ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
  [
    { selector: { matchLabels: { a: 'c' } } },
    ['spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'],
  ],
  [
    { strategy: { type: 'x' } },
    [
      'spec.strategy: Unsupported value: {"Type":"x","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"',
    ],
  ],
  [
    { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } },
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
  ],
  [
    { minReadySeconds: 10, progressDeadlineSeconds: 5 },
    ['spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds'],
  ],
];

test('Deployments', () => {
  for (const [spec, messages] of cases) {
    assert.deepEqual(validateDeployment(deployment(spec)).map(renderFieldError), messages, JSON.stringify(spec));
  }
});

test('a selector stays', () => {
  const labels = { a: 'b', c: 'd' };
  const changed = deployment({
    selector: { matchLabels: labels },
    template: { ...common.template, metadata: { labels } },
  });
  assert.deepEqual(validateDeploymentUpdate(changed, deployment()).map(renderFieldError), [
    'spec.selector: Invalid value: {"matchLabels":{"a":"b","c":"d"}}: field is immutable',
  ]);
});

test('StatefulSets', () => {
  assert.deepEqual(validateStatefulSet(statefulSet()), []);
  assert.deepEqual(validateStatefulSet(statefulSet({ podManagementPolicy: 'x' })).map(renderFieldError), [
    "spec.podManagementPolicy: Invalid value: \"x\": must be 'OrderedReady' or 'Parallel'",
  ]);
  assert.deepEqual(validateStatefulSetUpdate(statefulSet({ replicas: 3 }), statefulSet()), []);
  const [error] = validateStatefulSetUpdate(statefulSet({ serviceName: 'other' }), statefulSet());
  assert.match(error?.message ?? '', /^Forbidden: updates to statefulset spec for fields other than 'replicas'/);
});
