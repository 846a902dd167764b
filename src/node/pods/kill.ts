import { describeError } from '../../core/errors.ts';
import { isNotFound } from '../../engines/containerd/cri.ts';
import type { Pod } from '../../kube/types.gen.ts';
import type { PodHost } from './host.ts';
import { allContainers, type SpecContainer } from './identity.ts';
import type { KillAction } from './plan.ts';
import { type ContainerInstance, type RuntimePod, runningInstances } from './runtime-pod.ts';

/** Seconds that a container gets at least once its preStop hook has used up the grace period. */
const graceSecondsMin = 2;
/** Seconds beyond the grace period that the runtime gets to kill and to answer. */
const runtimeSlackSeconds = 60;

/** The grace period of a pod that ends now, seconds. */
export function podGraceSeconds(pod: Pod): number {
  return pod.metadata.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
}

/** Ends one container because it must start anew. */
export async function killForRestart(host: PodHost, pod: Pod, action: KillAction, signal: AbortSignal): Promise<void> {
  const { spec, instance, failedProbe, message } = action;
  const probe =
    failedProbe === 'startup' ? spec.container.startupProbe : failedProbe ? spec.container.livenessProbe : undefined;
  const grace = probe?.terminationGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
  await killContainer(host, { pod, spec, instance, message, grace, podIP: pod.status?.podIP }, signal);
}

interface Kill {
  readonly pod: Pod;
  /** Undefined for a container that the pod's spec does not have (any more). */
  readonly spec: SpecContainer | undefined;
  readonly instance: ContainerInstance;
  readonly message: string;
  /** Seconds. */
  readonly grace: number;
  readonly podIP: string | undefined;
}

async function killContainer(host: PodHost, kill: Kill, signal: AbortSignal): Promise<void> {
  const { pod, spec, instance, message } = kill;
  const startedAt = host.clock.monotonic();
  if (spec === undefined) host.events.pod(pod, 'Normal', 'Killing', message);
  else host.events.container(pod, spec, 'Normal', 'Killing', message);
  let grace = kill.grace;
  if (spec?.container.lifecycle?.preStop !== undefined && grace > 0) {
    await runPreStop(host, kill, spec, signal);
    grace -= Math.floor((host.clock.monotonic() - startedAt) / 1000);
    grace = Math.max(grace, graceSecondsMin);
  }
  try {
    await host.cri.stopContainer(
      { containerId: instance.id, timeout: grace },
      { timeoutMs: (grace + runtimeSlackSeconds) * 1000, signal },
    );
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
  }
}

async function runPreStop(host: PodHost, kill: Kill, spec: SpecContainer, signal: AbortSignal): Promise<void> {
  const { pod, instance, podIP, grace } = kill;
  const handler = spec.container.lifecycle?.preStop;
  if (handler === undefined) return;
  const bound = AbortSignal.any([signal, AbortSignal.timeout(grace * 1000)]);
  try {
    await host.hooks.run({ pod, container: spec.container, containerId: instance.id, podIP }, handler, bound);
  } catch (thrown) {
    signal.throwIfAborted();
    host.events.container(pod, spec, 'Warning', 'FailedPreStopHook', 'PreStopHook failed');
    host.log.debug('a preStop hook failed', { pod: pod.metadata.name, error: describeError(thrown) });
  }
}

/**
 * Ends all containers of a pod and then its sandboxes. Sidecars go last, in the reverse order of their start, within
 * the same grace period (KEP-753).
 */
export async function killPod(host: PodHost, pod: Pod, runtime: RuntimePod, signal: AbortSignal): Promise<void> {
  const specs = new Map(allContainers(pod).map((spec) => [spec.container.name, spec]));
  const grace = podGraceSeconds(pod);
  const startedAt = host.clock.monotonic();
  const kill = (instance: ContainerInstance) => {
    const spent = Math.floor((host.clock.monotonic() - startedAt) / 1000);
    const rest = grace === 0 ? 0 : Math.max(grace - spent, graceSecondsMin);
    const left = spent === 0 ? grace : rest;
    const message = `Stopping container ${instance.name}`;
    const podIP = pod.status?.podIP ?? runtime.sandboxes[0]?.ips[0];
    return killContainer(host, { pod, spec: specs.get(instance.name), instance, message, grace: left, podIP }, signal);
  };
  const running = runningInstances(runtime);
  const isSidecar = ({ name }: ContainerInstance) => specs.get(name)?.kind === 'sidecar';
  await all(running.filter((instance) => !isSidecar(instance)).map(kill));
  const order = [...specs.keys()];
  const sidecars = running.filter(isSidecar).toSorted((a, b) => order.indexOf(b.name) - order.indexOf(a.name));
  for (const instance of sidecars) await kill(instance);
  await all(
    runtime.sandboxes
      .filter(({ isReady }) => isReady)
      .map(async ({ id }) => {
        try {
          await host.cri.stopPodSandbox({ podSandboxId: id }, { signal });
        } catch (thrown) {
          if (!isNotFound(thrown)) throw thrown;
        }
      }),
  );
}

/** Waits for all, so that nothing goes on behind a failure, and then throws the first one. */
async function all(works: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(works);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
