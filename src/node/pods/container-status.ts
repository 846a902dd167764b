import { formatTime } from '../../kube/time.ts';
import type { ContainerState, ContainerStatus, Pod } from '../../kube/types.gen.ts';
import type { ProbeResult } from '../probe-runner.ts';
import { initContainers, type SpecContainer } from './identity.ts';
import { restartsAfterExit } from './restart-policy.ts';
import type { ContainerInstance, RuntimePod } from './runtime-pod.ts';

/** Why a container does not run although it should: what the last try to start it came to. */
export interface WaitingReason {
  readonly reason: string;
  readonly message: string;
}

/** What the statuses of a pod's containers depend on beside the pod and the runtime. */
export interface ContainerFacts {
  /** By container name. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  /** Termination messages by instance id. */
  readonly messages: ReadonlyMap<string, string>;
  probe(instance: ContainerInstance): ProbeResult;
  /** E.g. `containerd`. */
  readonly runtimeName: string;
  /** The pod is being ended: nothing starts any more. */
  readonly isEnding: boolean;
}

/** The exit code given to containers of whose end nothing is known: that of SIGKILL. */
const unknownExitCode = 137;

/** The status of one container: the newest instance, the one before it, and what keeps it from running. Pure. */
export function containerStatus(
  pod: Pod,
  spec: SpecContainer,
  runtime: RuntimePod,
  former: ContainerStatus | undefined,
  facts: ContainerFacts,
): ContainerStatus {
  const { container, kind } = spec;
  const instances = runtime.containers.filter(({ name }) => name === container.name);
  const [newest, second] = instances;
  const waiting: ContainerState = { waiting: defaultWaiting(pod, kind, runtime, facts) };
  let state: ContainerState =
    newest === undefined ? (vanished(former, facts) ?? waiting) : stateOf(newest, waiting, facts);
  let lastState: ContainerState | undefined =
    second?.state === 'exited' ? stateOf(second, waiting, facts) : newest === undefined ? former?.lastState : undefined;

  const problem = facts.waiting.get(container.name);
  const mayStart =
    state.running === undefined &&
    (newest === undefined || newest.state !== 'exited' || restartsAfterExit(pod, spec, newest));
  if (problem !== undefined && mayStart && !facts.isEnding) {
    if (state.terminated !== undefined) lastState = { terminated: state.terminated };
    state = { waiting: problem.message === '' ? { reason: problem.reason } : { ...problem } };
  }
  const { started, ready } = health(kind, newest, state, facts);
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => ({
    name,
    mountPath,
    ...(readOnly ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
  }));
  const { resources } = container;
  return {
    name: container.name,
    state,
    lastState: lastState ?? {},
    ready,
    restartCount: newest?.restartCount ?? former?.restartCount ?? 0,
    image: newest?.image || former?.image || (container.image ?? ''),
    imageID: newest?.imageRef ?? former?.imageID ?? '',
    ...(newest === undefined
      ? former?.containerID === undefined
        ? {}
        : { containerID: former.containerID }
      : { containerID: `${facts.runtimeName}://${newest.id}` }),
    started,
    ...(resources?.requests && kind !== 'ephemeral' ? { allocatedResources: resources.requests } : {}),
    ...(resources && kind !== 'ephemeral' ? { resources: withoutClaims(resources) } : {}),
    ...(mounts.length > 0 ? { volumeMounts: mounts } : {}),
  };
}

function withoutClaims(resources: NonNullable<SpecContainer['container']['resources']>) {
  const { limits, requests } = resources;
  return { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) };
}

function defaultWaiting(pod: Pod, kind: SpecContainer['kind'], runtime: RuntimePod, facts: ContainerFacts) {
  const isBehindInit = kind === 'ordinary' && (pod.spec?.initContainers ?? []).length > 0;
  if (kind === 'ordinary' && isBehindInit && !isInitialized(pod, runtime, facts)) return { reason: 'PodInitializing' };
  return { reason: initContainers(pod).length > 0 ? 'PodInitializing' : 'ContainerCreating' };
}

/** Every init container has succeeded and every sidecar has started. */
function isInitialized(pod: Pod, runtime: RuntimePod, facts: ContainerFacts): boolean {
  return initContainers(pod).every(({ kind, container }) => {
    const instance = runtime.containers.find(({ name }) => name === container.name);
    if (instance === undefined) return false;
    return kind === 'sidecar' ? facts.probe(instance).started : instance.state === 'exited' && instance.exitCode === 0;
  });
}

/** The state of a container that ran by the last status, but that the runtime does not know any more. */
function vanished(former: ContainerStatus | undefined, facts: ContainerFacts): ContainerState | undefined {
  if (former?.state?.terminated !== undefined) return { terminated: former.state.terminated };
  if (former?.state?.running === undefined) return undefined;
  return {
    terminated: {
      exitCode: unknownExitCode,
      reason: 'ContainerStatusUnknown',
      message: facts.isEnding
        ? 'The container could not be located when the pod was terminated'
        : 'The container could not be located when the pod was deleted.  The container used to be Running',
      ...(former.containerID === undefined ? {} : { containerID: former.containerID }),
    },
  };
}

function stateOf(instance: ContainerInstance, waiting: ContainerState, facts: ContainerFacts): ContainerState {
  if (instance.state === 'running') return { running: { startedAt: formatTime(instance.startedAt) } };
  if (instance.state === 'created') return waiting;
  const containerID = `${facts.runtimeName}://${instance.id}`;
  if (instance.state === 'unknown') {
    return {
      terminated: { exitCode: unknownExitCode, reason: 'ContainerStatusUnknown', containerID },
    };
  }
  const own = facts.messages.get(instance.id) ?? '';
  const message = [instance.message, own].filter((part) => part !== '').join(': ');
  return {
    terminated: {
      exitCode: instance.exitCode,
      reason: instance.reason || (instance.exitCode === 0 ? 'Completed' : 'Error'),
      ...(message === '' ? {} : { message }),
      // Of one that never started the runtime says 0: clients expect the epoch, not nothing, which they read as year 1.
      startedAt: formatTime(instance.startedAt),
      ...(instance.finishedAt === 0 ? {} : { finishedAt: formatTime(instance.finishedAt) }),
      containerID,
    },
  };
}

function health(
  kind: SpecContainer['kind'],
  instance: ContainerInstance | undefined,
  state: ContainerState,
  facts: ContainerFacts,
): { readonly started: boolean; readonly ready: boolean } {
  if (kind === 'init') return { started: false, ready: state.terminated?.exitCode === 0 };
  if (state.running === undefined || instance === undefined || kind === 'ephemeral')
    return { started: false, ready: false };
  const probe = facts.probe(instance);
  return { started: probe.started, ready: probe.started && probe.ready };
}
