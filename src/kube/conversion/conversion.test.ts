import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../object.ts';
import { eventFromEventsV1, eventToEventsV1 } from './event.ts';
import { autoscalerFromV1, autoscalerToV1 } from './horizontal-pod-autoscaler.ts';

test('an Event of events.k8s.io is stored as one of the core group, and comes back as it was', () => {
  const event = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'n' },
    eventTime: '2020-01-01T00:00:00.000000Z',
    regarding: { kind: 'Pod', name: 'p' },
    note: 'hello',
    reportingController: 'a.b/c',
    reportingInstance: 'i',
    deprecatedSource: {},
    deprecatedFirstTimestamp: null,
    deprecatedLastTimestamp: null,
  };
  const stored = eventFromEventsV1(event);
  assert.deepEqual(stored, {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: event.metadata,
    eventTime: event.eventTime,
    involvedObject: { kind: 'Pod', name: 'p' },
    message: 'hello',
    reportingComponent: 'a.b/c',
    reportingInstance: 'i',
    source: {},
    firstTimestamp: null,
    lastTimestamp: null,
  });
  assert.deepEqual(eventToEventsV1(stored), event);
});

test('what version 1 of an autoscaler can not say travels in annotations', () => {
  const policies = [{ type: 'Percent', value: 100, periodSeconds: 15 }];
  const scaleDown = { selectPolicy: 'Max', policies, stabilizationWindowSeconds: 5 };
  const scaleUp = { selectPolicy: 'Max', policies, stabilizationWindowSeconds: 0 };
  const behavior = { scaleDown, scaleUp };
  const memory = {
    type: 'Resource',
    resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 5 } },
  };
  const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } };
  const v2 = {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'h', annotations: { keep: 'me' } },
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'd' },
      maxReplicas: 3,
      minReplicas: 1,
      metrics: [memory, cpu],
      behavior,
    },
    status: { desiredReplicas: 0, currentMetrics: null },
  };
  const v1 = autoscalerToV1(v2 as KubeObject);
  assert.deepEqual(Object.keys(v1.metadata.annotations ?? {}), [
    'keep',
    'autoscaling.alpha.kubernetes.io/metrics',
    'autoscaling.alpha.kubernetes.io/behavior',
  ]);
  assert.equal(Reflect.get(Reflect.get(v1, 'spec'), 'targetCPUUtilizationPercentage'), 80);
  assert.equal(
    v1.metadata.annotations?.['autoscaling.alpha.kubernetes.io/metrics'],
    '[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":5}}]',
  );
  assert.equal(
    v1.metadata.annotations?.['autoscaling.alpha.kubernetes.io/behavior'],
    '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":{"StabilizationWindowSeconds":5,"SelectPolicy":"Max","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null}}',
  );
  assert.deepEqual(autoscalerFromV1(v1), v2);
});

test('annotations of an autoscaler that are no JSON are left out', () => {
  const v1 = {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'h', annotations: { 'autoscaling.alpha.kubernetes.io/behavior': '{' } },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'd' }, maxReplicas: 3, targetCPUUtilizationPercentage: 10 },
  };
  const stored = autoscalerFromV1(v1 as KubeObject);
  assert.equal(stored.metadata.annotations, undefined);
  assert.equal(Reflect.get(Reflect.get(stored, 'spec'), 'behavior'), undefined);
});
