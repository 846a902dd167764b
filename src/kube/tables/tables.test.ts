import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, Service } from '../types.gen.ts';
import { selectorText } from './columns.ts';
import { eventTable, persistentVolumeClaimTable, serviceTable } from './core.ts';
import { podTable } from './pod.ts';

const now = Date.parse('2026-01-01T00:10:00Z');
const created = '2026-01-01T00:00:00Z';

function pod(status: Pod['status'], spec: Partial<Pod['spec']> = {}, metadata: Partial<Pod['metadata']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', creationTimestamp: created, ...metadata },
    spec: { containers: [{ name: 'a' }, { name: 'b' }], ...spec },
    status: status ?? {},
  };
}
const row = (p: Pod) => podTable.row(p, now).slice(1, 4);
const running = (name: string, more = {}) => ({
  name,
  ready: true,
  restartCount: 0,
  image: 'i',
  imageID: '',
  state: { running: { startedAt: created } },
  ...more,
});

test('a running pod counts its ready containers', () => {
  assert.deepEqual(row(pod({ phase: 'Running', containerStatuses: [running('a'), running('b', { ready: false })] })), [
    '1/2',
    'Running',
    '0',
  ]);
});

test('the first reason among the containers is the status, with the age of the last restart', () => {
  const crashed = {
    ...running('b'),
    ready: false,
    restartCount: 3,
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:09:00Z' } },
  };
  assert.deepEqual(row(pod({ phase: 'Running', containerStatuses: [running('a'), crashed] })), [
    '1/2',
    'CrashLoopBackOff',
    '3 (60s ago)',
  ]);
});

test('init containers show how far they are, and why they wait', () => {
  const spec = { initContainers: [{ name: 'i' }, { name: 'j' }] };
  const done = { ...running('i'), state: { terminated: { exitCode: 0 } } };
  const waiting = (reason: string) => ({ ...running('j'), state: { waiting: { reason } } });
  assert.equal(
    row(pod({ phase: 'Pending', initContainerStatuses: [done, waiting('PodInitializing')] }, spec))[1],
    'Init:1/2',
  );
  assert.equal(
    row(pod({ phase: 'Pending', initContainerStatuses: [done, waiting('ErrImagePull')] }, spec))[1],
    'Init:ErrImagePull',
  );
});

test('a pod that goes, is gated or has ended says so', () => {
  assert.equal(row(pod({ phase: 'Running' }, {}, { deletionTimestamp: created }))[1], 'Terminating');
  const gated = {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
  };
  assert.equal(row(pod(gated))[1], 'SchedulingGated');
  const ended = { ...running('a'), ready: false, state: { terminated: { exitCode: 0, reason: 'Completed' } } };
  assert.equal(row(pod({ phase: 'Succeeded', containerStatuses: [ended] }))[1], 'Completed');
});

test('Services show addresses and ports as kubectl users know them', () => {
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's', creationTimestamp: created },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.43.0.7',
      ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }],
      selector: { b: '2', a: '1' },
    },
  };
  assert.deepEqual(serviceTable.row(service, now), [
    's',
    'LoadBalancer',
    '10.43.0.7',
    '<pending>',
    '80:30080/TCP',
    '10m',
    'a=1,b=2',
  ]);
});

test('a claim shows its capacity only once it is bound', () => {
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c' },
    spec: { storageClassName: 'x' },
    status: { phase: 'Pending' },
  };
  assert.deepEqual(persistentVolumeClaimTable.row(claim, now).slice(1, 7), ['Pending', '', '', '', 'x', '<unset>']);
});

test('an Event shows when it was last seen and who saw it', () => {
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', name: 'p', fieldPath: 'spec.containers{c}' },
    lastTimestamp: '2026-01-01T00:09:30Z',
    firstTimestamp: created,
    count: 2,
    source: { component: 'kubelet', host: 'n' },
    type: 'Normal',
    reason: 'Pulled',
    message: 'done\n',
  };
  assert.deepEqual(eventTable.row(event, now), [
    '30s',
    'Normal',
    'Pulled',
    'pod/p',
    'spec.containers{c}',
    'kubelet, n',
    'done',
    '10m',
    2,
    'e',
  ]);
});

test('selectors are written in the order of their keys', () => {
  const expression = (key: string, operator: string, values?: string[]) => ({
    key,
    operator,
    ...(values && { values }),
  });
  const selector = {
    matchLabels: { m: '1' },
    matchExpressions: [expression('a', 'In', ['y', 'x']), expression('z', 'DoesNotExist')],
  };
  assert.equal(selectorText(selector), 'a in (x,y),m=1,!z');
  assert.equal(selectorText({}), '<none>');
});
