import { describeError } from '../../core/errors.ts';
import { isNotFound } from '../../engines/containerd/cri.ts';
import type { Pod } from '../../kube/types.gen.ts';
import type { PodHost } from './host.ts';
import { annotations, initContainers, ordinaryContainers, podUid, type SpecContainer } from './identity.ts';
import { containerResources, podLimits, qosClass } from './resources.ts';
import { type ContainerInstance, newestInstance, type RuntimePod } from './runtime-pod.ts';

/** A running container whose spec asks for other resources than it has (KEP-1287). */
export interface Resize {
  readonly spec: SpecContainer;
  readonly instance: ContainerInstance;
  /** What it shall have, as written in its annotation at its next start. */
  readonly wanted: string;
}

/** What a container's resources are compared by. */
export function resourcesKey(pod: Pod, spec: SpecContainer, nodeMemoryBytes: number): string {
  const { oomScoreAdj: _score, ...resources } = containerResources(pod, spec.container, nodeMemoryBytes);
  return JSON.stringify(resources);
}

/** The running containers to resize. `applied` holds what this process changed, by instance id. Pure. */
export function planResizes(
  pod: Pod,
  runtime: RuntimePod,
  applied: ReadonlyMap<string, string>,
  nodeMemoryBytes: number,
): readonly Resize[] {
  return [...initContainers(pod).filter(({ kind }) => kind === 'sidecar'), ...ordinaryContainers(pod)].flatMap(
    (spec) => {
      const instance = newestInstance(runtime, spec.container.name);
      if (instance?.state !== 'running') return [];
      const wanted = resourcesKey(pod, spec, nodeMemoryBytes);
      const has = applied.get(instance.id) ?? instance.annotations[annotations.resources];
      // Without the annotation another agent made it: nothing is known against it.
      return has === undefined || has === wanted ? [] : [{ spec, instance, wanted }];
    },
  );
}

/** Whether the container must start anew for it, by its resizePolicy. */
export function resizeRestarts({ spec, instance, wanted }: Resize, applied: ReadonlyMap<string, string>): boolean {
  const before: Record<string, unknown> = JSON.parse(
    applied.get(instance.id) ?? instance.annotations[annotations.resources] ?? '{}',
  );
  const after: Record<string, unknown> = JSON.parse(wanted);
  const changed = (...keys: readonly string[]) => keys.some((key) => before[key] !== after[key]);
  return (spec.container.resizePolicy ?? []).some(
    ({ resourceName, restartPolicy }) =>
      restartPolicy === 'RestartContainer' &&
      (resourceName === 'memory' ? changed('memoryLimitInBytes') : changed('cpuShares', 'cpuQuota')),
  );
}

/** Gives a running container its new resources, and the pod around it. */
export async function resizeInPlace(host: PodHost, pod: Pod, resize: Resize, signal: AbortSignal): Promise<void> {
  const { spec, instance } = resize;
  const resources = containerResources(pod, spec.container, host.settings.memoryBytes);
  // A limit that was taken away must be said: absent fields leave things as they are.
  const linux = { memoryLimitInBytes: -1, memorySwapLimitInBytes: -1, cpuQuota: -1, ...resources };
  try {
    // First the pod, as far as it grows: a container can't have more than what is around it.
    await host.cgroups.apply({ uid: podUid(pod), qos: qosClass(pod) }, podLimits(pod));
    await host.cri.updateContainerResources({ containerId: instance.id, linux }, { signal });
  } catch (thrown) {
    if (isNotFound(thrown)) return;
    host.events.container(pod, spec, 'Warning', 'ResizeError', describeError(thrown));
    throw thrown;
  }
}
