import { describeError, toError } from '../../core/errors.ts';
import { parseTime } from '../../kube/time.ts';
import type { Pod } from '../../kube/types.gen.ts';
import { sandboxConfig } from './config.ts';
import type { WaitingReason } from './container-status.ts';
import type { PodHost } from './host.ts';
import { allContainers, podUid, type SpecContainer } from './identity.ts';
import { killForRestart, killPod } from './kill.ts';
import { planPod } from './plan.ts';
import { planResizes, resizeInPlace, resizeRestarts } from './resize.ts';
import { podLimits, qosClass } from './resources.ts';
import { currentSandbox, type RuntimePod, runningInstances } from './runtime-pod.ts';
import { StartError, startContainer } from './start.ts';
import { type PodFailure, podStatus } from './status.ts';

/** What a worker remembers of its pod between syncs; everything else is in the runtime and on disk. */
export interface PodMemory {
  /** Its place among the node's pods that start: lower ones came earlier. */
  readonly order: number;
  /** Why containers wait, by name. */
  readonly waiting: Map<string, WaitingReason>;
  /** Resources that running containers were given in place, by instance id. */
  readonly resized: Map<string, string>;
  /** The cgroup was made with these limits by this process. */
  cgroup: string | null;
}

/** Writes the status; false when the pod is no more. */
export type Report = (runtime: RuntimePod) => Promise<boolean>;

/** Milliseconds after which a failed step is tried again, where nothing says otherwise. */
const retryMs = 2000;

/** One look at a live pod and the next steps of it. Resolves with the milliseconds until it wants to be looked at again. */
export async function syncLive(
  host: PodHost,
  pod: Pod,
  memory: PodMemory,
  report: Report,
  signal: AbortSignal,
): Promise<number | undefined> {
  let runtime = await inspect(host, pod);
  observeProbes(host, pod, runtime);
  if (!(await report(runtime))) return undefined;
  const facts = { probe: probeOf(host, pod) };
  let plan = planPod(pod, runtime, facts);
  if (plan.killPod) {
    if (plan.createSandbox !== null && runtime.sandboxes.length > 0)
      host.events.pod(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    await killPod(host, pod, runtime, signal);
    runtime = await inspect(host, pod);
  }
  if (plan.createSandbox !== null) {
    const { attempt } = plan.createSandbox;
    await host.turns.take(memory.order, signal, async () => {
      await prepare(host, pod, memory, signal);
      await createSandbox(host, pod, attempt, signal);
    });
    runtime = await inspect(host, pod);
    if (!(await report(runtime))) return undefined;
    plan = planPod(pod, runtime, facts);
  } else if (plan.start.length > 0) {
    await prepare(host, pod, memory, signal);
  } else if (runningInstances(runtime).length > 0) {
    await keepVolumes(host, pod, signal);
  }
  for (const action of plan.kill) {
    await killForRestart(host, pod, action, signal);
    memory.waiting.delete(action.spec.container.name);
  }
  const isRestarting = await resizeAll(host, pod, runtime, memory, signal);
  const wait = await startAll(host, pod, runtime, plan.start, memory, signal);
  if (plan.start.length > 0 || plan.kill.length > 0 || plan.killPod || isRestarting) {
    runtime = await inspect(host, pod);
    observeProbes(host, pod, runtime);
    if (!(await report(runtime))) return undefined;
    // What was killed starts again in the next look.
    if (plan.kill.length > 0 || isRestarting) return 0;
  }
  return earlier(wait, deadlineIn(host, pod));
}

/** Gives running containers the resources that their spec has by now; true when some must start anew for it. */
async function resizeAll(
  host: PodHost,
  pod: Pod,
  runtime: RuntimePod,
  memory: PodMemory,
  signal: AbortSignal,
): Promise<boolean> {
  const { resized } = memory;
  for (const id of resized.keys()) if (!runtime.containers.some((instance) => instance.id === id)) resized.delete(id);
  let isRestarting = false;
  for (const resize of planResizes(pod, runtime, resized, host.settings.memoryBytes)) {
    const { spec, instance, wanted } = resize;
    if (resizeRestarts(resize, resized)) {
      const message = `Container ${spec.container.name} resize requires restart`;
      await killForRestart(host, pod, { spec, instance, message, failedProbe: null }, signal);
      isRestarting = true;
    } else {
      await resizeInPlace(host, pod, resize, signal);
      resized.set(instance.id, wanted);
    }
  }
  return isRestarting;
}

/** The pod's cgroup and volumes. A failure is told by an Event, and the pod waits. */
async function prepare(host: PodHost, pod: Pod, memory: PodMemory, signal: AbortSignal): Promise<void> {
  const limits = podLimits(pod);
  const wanted = JSON.stringify(limits);
  if (memory.cgroup !== wanted) {
    try {
      await host.cgroups.apply({ uid: podUid(pod), qos: qosClass(pod) }, limits);
      memory.cgroup = wanted;
    } catch (thrown) {
      const message = `unable to ensure pod container exists: ${describeError(thrown)}`;
      host.events.pod(pod, 'Warning', 'FailedCreatePodContainer', message);
      throw toError(thrown);
    }
  }
  try {
    await host.volumes.prepare(pod, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    host.events.pod(pod, 'Warning', 'FailedMount', describeError(thrown));
    throw thrown;
  }
}

/**
 * The volumes of containers that run already: their files follow the pod, and an agent that has just started takes them
 * over. A failure is told, and the containers go on with what they have.
 */
async function keepVolumes(host: PodHost, pod: Pod, signal: AbortSignal): Promise<void> {
  try {
    await host.volumes.prepare(pod, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    host.events.pod(pod, 'Warning', 'FailedMount', describeError(thrown));
  }
}

async function createSandbox(host: PodHost, pod: Pod, attempt: number, signal: AbortSignal): Promise<void> {
  const { container } = allContainers(pod)[0] ?? {};
  if (container !== undefined) await host.files.makeLogFolder(pod, container.name);
  const config = sandboxConfigOf(host, pod, attempt);
  try {
    await host.cri.runPodSandbox({ config }, { signal, timeoutMs: 240_000 });
  } catch (thrown) {
    signal.throwIfAborted();
    const message = `Failed to create pod sandbox: ${describeError(thrown)}`;
    host.events.pod(pod, 'Warning', 'FailedCreatePodSandBox', message);
    throw thrown;
  }
}

function sandboxConfigOf(host: PodHost, pod: Pod, attempt: number) {
  const parent = host.cgroups.parentOf({ uid: podUid(pod), qos: qosClass(pod) });
  return sandboxConfig(pod, attempt, parent, host.settings);
}

/** Starts containers one after the other; one that can't start does not keep the others from it. */
async function startAll(
  host: PodHost,
  pod: Pod,
  runtime: RuntimePod,
  specs: readonly SpecContainer[],
  memory: PodMemory,
  signal: AbortSignal,
): Promise<number | undefined> {
  const sandbox = currentSandbox(runtime);
  if (sandbox === undefined) return undefined;
  let wait: number | undefined;
  const config = sandboxConfigOf(host, pod, sandbox.attempt);
  const podIPs = pod.spec?.hostNetwork ? host.hostIPs : sandbox.ips;
  if (specs.length > 0) await admitToNetwork(host, pod, podIPs, signal);
  for (const spec of specs) {
    const { name } = spec.container;
    try {
      await startContainer(
        host,
        { pod, spec, runtime, order: memory.order, sandboxId: sandbox.id, sandboxConfig: config, podIPs },
        signal,
      );
      memory.waiting.delete(name);
    } catch (thrown) {
      if (!(thrown instanceof StartError)) throw thrown;
      memory.waiting.set(name, { reason: thrown.reason, message: thrown.message });
      const retryIn = thrown.retryAt === undefined ? retryMs : Math.max(0, thrown.retryAt - host.clock.now());
      wait = earlier(wait, retryIn + 1);
      // What is behind an init container waits for it.
      if (spec.kind === 'init' || spec.kind === 'sidecar') break;
    }
  }
  return wait;
}

/** No container runs before the network knows what its pod may do. A failure is told by an Event, and the pod waits. */
async function admitToNetwork(host: PodHost, pod: Pod, podIPs: readonly string[], signal: AbortSignal): Promise<void> {
  if (pod.spec?.hostNetwork) return;
  try {
    await host.admitToNetwork(pod, podIPs, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    host.events.pod(
      pod,
      'Warning',
      'NetworkNotReady',
      `the pod can't be let into the network: ${describeError(thrown)}`,
    );
    throw toError(thrown);
  }
}

/** One look at a pod that ends: everything of it is stopped. Resolves with what the runtime then shows. */
export async function syncEnding(host: PodHost, pod: Pod, signal: AbortSignal): Promise<RuntimePod> {
  const runtime = await inspect(host, pod);
  host.probes.terminating(podUid(pod));
  await killPod(host, pod, runtime, signal);
  host.probes.forget(podUid(pod));
  return inspect(host, pod);
}

export function inspect(host: PodHost, pod: Pod): Promise<RuntimePod> {
  const { name = '', namespace = '' } = pod.metadata;
  return host.observer.inspect({ uid: podUid(pod), name, namespace });
}

function observeProbes(host: PodHost, pod: Pod, runtime: RuntimePod): void {
  const byName = new Map(allContainers(pod).map((spec) => [spec.container.name, spec]));
  const running = runningInstances(runtime).flatMap((instance) => {
    const spec = byName.get(instance.name);
    if (spec === undefined || spec.kind === 'init' || spec.kind === 'ephemeral') return [];
    return [{ container: spec.container, containerId: instance.id, startedAt: instance.startedAt }];
  });
  const podIP = pod.spec?.hostNetwork ? host.hostIPs[0] : currentSandbox(runtime)?.ips[0];
  host.probes.set(pod, podIP, running);
}

export function probeOf(host: PodHost, pod: Pod) {
  return (instance: { readonly name: string; readonly id: string }) =>
    host.probes.result(podUid(pod), instance.name, instance.id);
}

export interface StatusContext {
  readonly memory: PodMemory;
  readonly isEnding: boolean;
  readonly failure: PodFailure | null;
}

/** A function that computes the status for whatever state of the pod object, from one look at the runtime. */
export async function statusOf(host: PodHost, runtime: RuntimePod, context: StatusContext) {
  const messages = new Map<string, string>();
  const ended = runtime.containers.filter(({ state }) => state === 'exited');
  await Promise.all(
    ended.map(async (instance) => messages.set(instance.id, await host.files.terminationMessage(instance))),
  );
  return (pod: Pod) =>
    podStatus(pod, runtime, {
      waiting: context.memory.waiting,
      messages,
      probe: probeOf(host, pod),
      runtimeName: host.runtimeName,
      isEnding: context.isEnding,
      now: host.clock.now(),
      hostIPs: host.hostIPs,
      failure: context.failure,
    });
}

/** Milliseconds until the pod has run as long as it may; undefined when it has no such bound. */
export function deadlineIn(host: PodHost, pod: Pod): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds;
  const startedAt = parseTime(pod.status?.startTime);
  if (seconds === undefined || startedAt === undefined) return undefined;
  return Math.max(0, startedAt + seconds * 1000 - host.clock.now());
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
