import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../../kube/types.gen.ts';
import type { ProbeResult } from '../probe-runner.ts';
import { annotations, containerHash } from './identity.ts';
import { type PodPlan, planPod } from './plan.ts';
import type { ContainerInstance, RuntimePod, RuntimeSandbox } from './runtime-pod.ts';

const healthy: ProbeResult = { started: true, ready: true, failed: null };
const container = (name: string, more: Partial<Container> = {}): Container => ({ name, image: 'app:1', ...more });
const pod = (spec: Partial<Pod['spec']> & object): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n', uid: 'u' },
  spec: { containers: [container('main')], ...spec },
});
const sandbox = (id = 's0', more: Partial<RuntimeSandbox> = {}): RuntimeSandbox => ({
  id,
  attempt: 0,
  createdAt: 1,
  isReady: true,
  usesHostNetwork: false,
  ips: ['10.0.0.1'],
  ...more,
});
const instance = (name: string, more: Partial<ContainerInstance> = {}): ContainerInstance => ({
  id: `${name}-id`,
  name,
  sandboxId: 's0',
  state: 'running',
  createdAt: 1,
  startedAt: 1,
  finishedAt: 0,
  exitCode: 0,
  reason: '',
  message: '',
  image: 'app:1',
  imageRef: '',
  logPath: '',
  annotations: { [annotations.containerHash]: containerHash(container(name)) },
  restartCount: 0,
  ...more,
});
const exited = (name: string, exitCode: number, more: Partial<ContainerInstance> = {}) =>
  instance(name, { state: 'exited', exitCode, finishedAt: 2, ...more });
const runtime = (sandboxes: readonly RuntimeSandbox[], containers: readonly ContainerInstance[] = []): RuntimePod => ({
  uid: 'u',
  name: 'p',
  namespace: 'n',
  sandboxes,
  containers,
});

/** A plan in short: what is killed, whether a sandbox is made, what starts. */
function short(plan: PodPlan): string {
  return [
    ...(plan.killPod ? ['kill pod'] : []),
    ...(plan.createSandbox === null ? [] : [`sandbox ${plan.createSandbox.attempt}`]),
    ...plan.kill.map(({ instance: { name }, message }) => `kill ${name}: ${message}`),
    ...plan.start.map((spec) => `start ${spec.container.name}`),
  ].join(', ');
}
const plan = (of: Pod, state: RuntimePod, probe: (name: string) => ProbeResult = () => healthy) =>
  short(planPod(of, state, { probe: ({ name }) => probe(name) }));

test('a new pod gets a sandbox and its containers, or its first init container', () => {
  assert.equal(plan(pod({}), runtime([])), 'sandbox 0, start main');
  assert.equal(plan(pod({ initContainers: [container('a'), container('b')] }), runtime([])), 'sandbox 0, start a');
});

test('a pod that is as it should be is left alone', () => {
  assert.equal(plan(pod({}), runtime([sandbox()], [instance('main')])), '');
});

test('a dead sandbox, a second one, one without an address and one in another network are replaced', () => {
  const containers = [instance('main')];
  const dead = sandbox('s0', { isReady: false });
  assert.equal(plan(pod({}), runtime([dead], containers)), 'kill pod, sandbox 1, start main');
  assert.equal(
    plan(pod({}), runtime([sandbox('s1', { attempt: 1 }), sandbox()], containers)),
    'kill pod, sandbox 2, start main',
  );
  assert.equal(plan(pod({}), runtime([sandbox('s0', { ips: [] })], containers)), 'kill pod, sandbox 1, start main');
  assert.equal(plan(pod({ hostNetwork: true }), runtime([sandbox()], containers)), 'kill pod, sandbox 1, start main');
  assert.equal(
    plan(pod({ hostNetwork: true }), runtime([sandbox('s0', { usesHostNetwork: true, ips: [] })], containers)),
    '',
  );
});

test('a pod that never restarts does not survive its sandbox', () => {
  const dead = sandbox('s0', { isReady: false });
  assert.equal(plan(pod({ restartPolicy: 'Never' }), runtime([dead], [exited('main', 0)])), 'kill pod');
  assert.equal(plan(pod({ restartPolicy: 'Never' }), runtime([dead])), 'kill pod, sandbox 1, start main');
});

test('restart policies decide over containers that ended', () => {
  const two = { containers: [container('main'), container('other')] };
  const state = (code: number) => runtime([sandbox()], [exited('main', code), instance('other')]);
  assert.equal(plan(pod({ ...two }), state(0)), 'start main');
  assert.equal(plan(pod({ ...two, restartPolicy: 'OnFailure' }), state(0)), '');
  assert.equal(plan(pod({ ...two, restartPolicy: 'OnFailure' }), state(1)), 'start main');
  assert.equal(plan(pod({ ...two, restartPolicy: 'Never' }), state(1)), '');
  assert.equal(plan(pod({ restartPolicy: 'Never' }), runtime([sandbox()], [exited('main', 1)])), 'kill pod');
});

test('a container’s own restart policy and rules go before the pod’s (KEP-5307)', () => {
  const rules = [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }];
  const ruled = pod({
    restartPolicy: 'Never',
    containers: [container('main', { restartPolicy: 'Never', restartPolicyRules: rules })],
  });
  assert.equal(plan(ruled, runtime([sandbox()], [exited('main', 42)])), 'start main');
  assert.equal(plan(ruled, runtime([sandbox()], [exited('main', 41)])), 'kill pod');
});

test('init containers run one by one, each again until it succeeds', () => {
  const of = pod({ initContainers: [container('a'), container('b')] });
  assert.equal(plan(of, runtime([sandbox()], [instance('a')])), '');
  assert.equal(plan(of, runtime([sandbox()], [exited('a', 1)])), 'start a');
  assert.equal(plan(of, runtime([sandbox()], [exited('a', 0)])), 'start b');
  assert.equal(plan(of, runtime([sandbox()], [exited('b', 0), exited('a', 0)])), 'start main');
  assert.equal(plan(pod({ ...of.spec, restartPolicy: 'Never' }), runtime([sandbox()], [exited('a', 1)])), 'kill pod');
});

test('init containers of a former sandbox run again in the new one', () => {
  const of = pod({ initContainers: [container('a')] });
  const state = runtime([sandbox('s1', { attempt: 1 })], [exited('main', 0), exited('a', 0)]);
  assert.equal(plan(of, state), 'start a');
});

test('a sidecar lets the next one start when it has started, and is kept running', () => {
  const of = pod({ initContainers: [container('side', { restartPolicy: 'Always' }), container('b')] });
  const starting = (name: string) => (name === 'side' ? { ...healthy, started: false } : healthy);
  assert.equal(plan(of, runtime([sandbox()])), 'start side');
  assert.equal(plan(of, runtime([sandbox()], [instance('side')]), starting), '');
  assert.equal(plan(of, runtime([sandbox()], [instance('side')])), 'start b');
  assert.equal(plan(of, runtime([sandbox()], [instance('b'), exited('side', 1)])), 'start side');
  const running = [instance('main'), exited('b', 0), exited('side', 0)];
  assert.equal(plan(of, runtime([sandbox()], running)), 'start side');
  const done = pod({ ...of.spec, restartPolicy: 'Never' });
  assert.equal(plan(done, runtime([sandbox()], [exited('main', 0), exited('b', 0), instance('side')])), 'kill pod');
});

test('failed probes and a changed image end a container so that it starts anew', () => {
  const state = runtime([sandbox()], [instance('main')]);
  const failed = (kind: 'liveness' | 'startup') => () => ({ ...healthy, failed: kind });
  assert.equal(
    plan(pod({}), state, failed('liveness')),
    'kill main: Container main failed liveness probe, will be restarted',
  );
  assert.equal(
    plan(pod({}), state, failed('startup')),
    'kill main: Container main failed startup probe, will be restarted',
  );
  const changed = pod({ containers: [container('main', { image: 'app:2' })] });
  assert.equal(plan(changed, state), 'kill main: Container main definition changed, will be restarted');
});

test('ephemeral containers start once', () => {
  const of = pod({ ephemeralContainers: [{ name: 'debug', image: 'busybox' }] });
  assert.equal(plan(of, runtime([sandbox()], [instance('main')])), 'start debug');
  assert.equal(plan(of, runtime([sandbox()], [exited('debug', 1), instance('main')])), '');
});
