import type { ContainerStatus, Pod } from '../../kube/types.gen.ts';
import { initContainers, ordinaryContainers, type SpecContainer } from './identity.ts';
import { podRestartPolicy, restartsAfterExit } from './restart-policy.ts';
import { newestInstance, type RuntimePod } from './runtime-pod.ts';

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/** Statuses by container name. */
export type Statuses = ReadonlyMap<string, ContainerStatus>;

/** The phase that follows from the containers' statuses. `isEnding`: nothing is started any more, so what has ended has ended. Pure. */
export function podPhase(pod: Pod, runtime: RuntimePod, statuses: Statuses, isEnding: boolean): PodPhase {
  const init = countInit(pod, runtime, statuses);
  if (init.failed > 0 && podRestartPolicy(pod) === 'Never') return 'Failed';
  const counts = countOrdinary(pod, runtime, statuses, isEnding);
  const hasStarted = counts.running + counts.stopped > 0;
  if (init.pending > 0 && !hasStarted && !isEnding) return 'Pending';
  if (counts.waiting > 0) return isEnding && hasStarted && counts.running === 0 ? 'Failed' : 'Pending';
  if (counts.running > 0) return 'Running';
  if (counts.stopped === 0) return 'Pending';
  if (counts.restartable > 0) return 'Running';
  return counts.succeeded === counts.stopped ? 'Succeeded' : 'Failed';
}

function countInit(pod: Pod, runtime: RuntimePod, statuses: Statuses) {
  let [pending, failed] = [0, 0];
  for (const spec of initContainers(pod)) {
    const status = statuses.get(spec.container.name);
    if (spec.kind === 'sidecar') {
      if (status?.started !== true && status?.state?.terminated === undefined) pending += 1;
      continue;
    }
    const end = status?.state?.terminated ?? (status?.state?.waiting && status.lastState?.terminated);
    if (end === undefined) pending += 1;
    else if (end.exitCode !== 0) failed += mayRunAgain(pod, spec, runtime) ? 0 : 1;
    if (end !== undefined && end.exitCode !== 0 && mayRunAgain(pod, spec, runtime)) pending += 1;
  }
  return { pending, failed };
}

function countOrdinary(pod: Pod, runtime: RuntimePod, statuses: Statuses, isEnding: boolean) {
  const counts = { running: 0, waiting: 0, stopped: 0, succeeded: 0, restartable: 0 };
  for (const spec of ordinaryContainers(pod)) {
    const status = statuses.get(spec.container.name);
    const end = status?.state?.terminated ?? (status?.state?.waiting && status.lastState?.terminated);
    if (status?.state?.running !== undefined) {
      counts.running += 1;
    } else if (end === undefined) {
      counts.waiting += 1;
    } else {
      counts.stopped += 1;
      if (end.exitCode === 0) counts.succeeded += 1;
      if (!isEnding && mayRunAgain(pod, spec, runtime)) counts.restartable += 1;
    }
  }
  return counts;
}

function mayRunAgain(pod: Pod, spec: SpecContainer, runtime: RuntimePod): boolean {
  const instance = newestInstance(runtime, spec.container.name);
  return instance === undefined || restartsAfterExit(pod, spec, instance);
}
