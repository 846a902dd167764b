import { ageOf } from '../kinds/name-and-age.ts';
import { isSidecar } from '../pod-containers.ts';
import type { ContainerStatus, Pod } from '../types.gen.ts';
import { none, tableWith } from './columns.ts';

/** READY, STATUS and RESTARTS are what kubectl's users know of a pod, so their rules follow upstream's to the letter. */
export const podTable = tableWith<Pod>(
  ['Ready', 'Status', 'Restarts', 'Age', 'IP!', 'Node!', 'Nominated Node!', 'Readiness Gates!'],
  (pod, age, nowMs) => {
    const { ready, total, reason, restarts, restartedAt } = summarize(pod);
    const restartText =
      restarts > 0 && restartedAt !== '' ? `${restarts} (${ageOf(restartedAt, nowMs)} ago)` : String(restarts);
    return [
      `${ready}/${total}`,
      reason,
      restartText,
      age(pod.metadata.creationTimestamp),
      pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || none,
      pod.spec?.nodeName || none,
      pod.status?.nominatedNodeName || none,
      readinessGates(pod),
    ];
  },
);

interface Summary {
  readonly ready: number;
  readonly total: number;
  readonly reason: string;
  readonly restarts: number;
  /** When a container last ended before it was started again; empty when none was. */
  readonly restartedAt: string;
}

function summarize(pod: Pod): Summary {
  const spec = pod.spec;
  const sidecarNames = new Set((spec?.initContainers ?? []).filter(isSidecar).map((c) => c.name));
  const init = summarizeInit(pod, sidecarNames);
  const total = (spec?.containers.length ?? 0) + sidecarNames.size;
  let reason = init.reason;
  let { ready } = init;
  let restarts = init.restarts;
  let restartedAt = init.restartedAt;
  if (!init.isInitializing || isInitialized(pod)) {
    restarts = init.sidecarRestarts;
    restartedAt = init.sidecarRestartedAt;
    let hasRunning = false;
    for (const status of [...(pod.status?.containerStatuses ?? [])].reverse()) {
      restarts += status.restartCount ?? 0;
      restartedAt = later(restartedAt, status.lastState?.terminated?.finishedAt);
      const { waiting, terminated, running } = status.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated?.reason) reason = terminated.reason;
      else if (terminated) reason = endOf(terminated);
      else if (status.ready && running) {
        hasRunning = true;
        ready++;
      }
    }
    // One container has ended while others go on: the pod as a whole still runs.
    if (reason === 'Completed' && hasRunning) reason = hasReadyCondition(pod) ? 'Running' : 'NotReady';
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (pod.status?.reason === 'NodeLost') reason = 'Unknown';
    else if (!['Succeeded', 'Failed'].includes(pod.status?.phase ?? '')) reason = 'Terminating';
  }
  return { ready, total, reason, restarts, restartedAt };
}

function summarizeInit(pod: Pod, sidecars: ReadonlySet<string>) {
  const status = pod.status;
  const gate = status?.conditions?.find((c) => c.type === 'PodScheduled');
  const phase = status?.reason || status?.phase || '';
  let reason = gate?.reason === 'SchedulingGated' ? 'SchedulingGated' : phase;
  let ready = 0;
  let restarts = 0;
  let sidecarRestarts = 0;
  let restartedAt = '';
  let sidecarRestartedAt = '';
  let isInitializing = false;
  const statuses = status?.initContainerStatuses ?? [];
  for (const [i, one] of statuses.entries()) {
    restarts += one.restartCount ?? 0;
    restartedAt = later(restartedAt, one.lastState?.terminated?.finishedAt);
    const isRestartable = sidecars.has(one.name);
    if (isRestartable) {
      sidecarRestarts += one.restartCount ?? 0;
      sidecarRestartedAt = later(sidecarRestartedAt, one.lastState?.terminated?.finishedAt);
    }
    const { terminated, waiting } = one.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (isRestartable && one.started) {
      if (one.ready) ready++;
      continue;
    }
    if (terminated) reason = `Init:${terminated.reason || endOf(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') reason = `Init:${waiting.reason}`;
    else reason = `Init:${i}/${pod.spec?.initContainers?.length ?? 0}`;
    isInitializing = true;
    break;
  }
  return { reason, ready, restarts, sidecarRestarts, restartedAt, sidecarRestartedAt, isInitializing };
}

function endOf(terminated: NonNullable<NonNullable<ContainerStatus['state']>['terminated']>): string {
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}

function isInitialized(pod: Pod): boolean {
  return pod.status?.conditions?.some((c) => c.type === 'Initialized' && c.status === 'True') ?? false;
}

function hasReadyCondition(pod: Pod): boolean {
  return pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
}

function later(a: string, b: string | undefined): string {
  return b !== undefined && (a === '' || Date.parse(b) > Date.parse(a)) ? b : a;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return none;
  const met = gates.filter((g) =>
    pod.status?.conditions?.some((c) => c.type === g.conditionType && c.status === 'True'),
  );
  return `${met.length}/${gates.length}`;
}
