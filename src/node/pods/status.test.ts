import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodStatus } from '../../kube/types.gen.ts';
import type { ContainerInstance, RuntimePod } from './runtime-pod.ts';
import { podStatus, type StatusFacts, sameStatus } from './status.ts';

const at = Date.parse('2026-01-02T03:04:05Z');
const time = '2026-01-02T03:04:05Z';
const pod = (spec: Partial<Pod['spec']> & object = {}, status: PodStatus = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n', uid: 'u', generation: 3 },
  spec: { containers: [{ name: 'main', image: 'app:1' }], ...spec },
  status,
});
const instance = (more: Partial<ContainerInstance> = {}): ContainerInstance => ({
  id: 'c1',
  name: 'main',
  sandboxId: 's',
  state: 'running',
  createdAt: at,
  startedAt: at,
  finishedAt: 0,
  exitCode: 0,
  reason: '',
  message: '',
  image: 'docker.io/library/app:1',
  imageRef: 'docker.io/library/app@sha256:1',
  logPath: '',
  annotations: {},
  restartCount: 0,
  ...more,
});
const runtime = (containers: readonly ContainerInstance[], isReady = true): RuntimePod => ({
  uid: 'u',
  name: 'p',
  namespace: 'n',
  sandboxes: [{ id: 's', attempt: 0, createdAt: at, isReady, usesHostNetwork: false, ips: ['10.0.0.5'] }],
  containers,
});
const facts = (more: Partial<StatusFacts> = {}): StatusFacts => ({
  waiting: new Map(),
  messages: new Map(),
  probe: () => ({ started: true, ready: true, failed: null }),
  runtimeName: 'containerd',
  isEnding: false,
  now: at,
  hostIPs: ['192.0.2.1'],
  failure: null,
  ...more,
});
const condition = (status: PodStatus, type: string) => {
  const found = status.conditions?.find((item) => item.type === type);
  return [found?.status, found?.reason, found?.message].filter((part) => part !== undefined).join(' ');
};

test('a running pod is Ready and has its addresses', () => {
  const status = podStatus(pod(), runtime([instance()]), facts());
  assert.equal(status.phase, 'Running');
  assert.equal(status.podIP, '10.0.0.5');
  assert.equal(status.observedGeneration, 3);
  for (const type of ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'])
    assert.equal(condition(status, type), 'True');
  assert.deepEqual(status.containerStatuses, [
    {
      name: 'main',
      state: { running: { startedAt: time } },
      lastState: {},
      ready: true,
      restartCount: 0,
      image: 'docker.io/library/app:1',
      imageID: 'docker.io/library/app@sha256:1',
      containerID: 'containerd://c1',
      started: true,
    },
  ]);
});

test('before anything runs the pod is Pending and tells what it waits for', () => {
  const nothing = { ...runtime([]), sandboxes: [] };
  const plain = podStatus(pod(), nothing, facts());
  assert.equal(plain.phase, 'Pending');
  assert.deepEqual(plain.containerStatuses?.[0]?.state, { waiting: { reason: 'ContainerCreating' } });
  assert.equal(condition(plain, 'Ready'), 'False ContainersNotReady containers with unready status: [main]');
  const init = podStatus(pod({ initContainers: [{ name: 'i', image: 'x' }] }), nothing, facts());
  assert.deepEqual(init.containerStatuses?.[0]?.state, { waiting: { reason: 'PodInitializing' } });
  assert.equal(condition(init, 'Initialized'), 'False ContainersNotInitialized containers with incomplete status: [i]');
});

test('a container that never started tells the epoch as its start', () => {
  const never = instance({ state: 'exited', startedAt: 0, finishedAt: at, exitCode: 128, reason: 'StartError' });
  const status = podStatus(pod({ restartPolicy: 'Never' }), runtime([never]), facts());
  assert.deepEqual(status.containerStatuses?.[0]?.state, {
    terminated: {
      exitCode: 128,
      reason: 'StartError',
      startedAt: '1970-01-01T00:00:00Z',
      finishedAt: time,
      containerID: 'containerd://c1',
    },
  });
});

test('a container in back-off waits, and its end is its last state', () => {
  const ended = instance({ state: 'exited', exitCode: 2, reason: 'Error', finishedAt: at, restartCount: 4 });
  const waiting = new Map([['main', { reason: 'CrashLoopBackOff', message: 'back-off 10s' }]]);
  const status = podStatus(pod(), runtime([ended]), facts({ waiting, messages: new Map([['c1', 'last words']]) }));
  const [main] = status.containerStatuses ?? [];
  assert.deepEqual(main?.state, { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } });
  assert.equal(main?.lastState?.terminated?.message, 'last words');
  assert.equal(main?.restartCount, 4);
  assert.equal(status.phase, 'Running');
});

test('phases follow restart policies and exit codes', () => {
  const phase = (restartPolicy: string, exitCode: number, isEnding = false) =>
    podStatus(pod({ restartPolicy }), runtime([instance({ state: 'exited', exitCode })], false), facts({ isEnding }))
      .phase;
  assert.equal(phase('Always', 0), 'Running');
  assert.equal(phase('OnFailure', 0), 'Succeeded');
  assert.equal(phase('OnFailure', 1), 'Running');
  assert.equal(phase('Never', 0), 'Succeeded');
  assert.equal(phase('Never', 1), 'Failed');
  assert.equal(phase('Always', 0, true), 'Succeeded');
  assert.equal(phase('Always', 137, true), 'Failed');
});

test('a pod that the agent fails says why, and a pod that ended stays so', () => {
  const failure = { reason: 'DeadlineExceeded', message: 'too long' };
  const running = podStatus(pod(), runtime([instance()]), facts({ failure, isEnding: true }));
  assert.deepEqual([running.phase, running.reason], ['Running', 'DeadlineExceeded']);
  const ended = podStatus(
    pod(),
    runtime([instance({ state: 'exited', exitCode: 0 })]),
    facts({ failure, isEnding: true }),
  );
  assert.equal(ended.phase, 'Failed');
  assert.equal(condition(ended, 'Ready'), 'False PodFailed');
  assert.equal(podStatus(pod({}, { phase: 'Succeeded' }), runtime([]), facts()).phase, 'Succeeded');
});

test('readiness gates hold the pod back, and conditions of others are kept', () => {
  const gated = pod(
    { readinessGates: [{ conditionType: 'example.com/lb' }] },
    { conditions: [{ type: 'example.com/x', status: 'True' }] },
  );
  const status = podStatus(gated, runtime([instance()]), facts());
  assert.equal(
    condition(status, 'Ready'),
    'False ReadinessGatesNotReady corresponding condition of pod readiness gate "example.com/lb" does not exist.',
  );
  assert.equal(condition(status, 'example.com/x'), 'True');
});

test('a transition time moves only with the status, and computing twice changes nothing', () => {
  const first = podStatus(pod(), runtime([instance()]), facts());
  const later = podStatus(pod({}, first), runtime([instance()]), facts({ now: at + 60_000 }));
  assert(sameStatus(first, later));
  const down = podStatus(pod({}, first), runtime([instance({ state: 'exited' })]), facts({ now: at + 60_000 }));
  assert.equal(down.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime, '2026-01-02T03:05:05Z');
});

test('a container that the runtime lost ended in an unknown way', () => {
  const former = podStatus(pod(), runtime([instance()]), facts());
  const status = podStatus(pod({}, former), runtime([]), facts({ isEnding: true }));
  const end = status.containerStatuses?.[0]?.state?.terminated;
  assert.deepEqual([end?.reason, end?.exitCode], ['ContainerStatusUnknown', 137]);
});
