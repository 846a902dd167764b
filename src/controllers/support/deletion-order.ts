import { parseTime } from '../../kube/time.ts';
import type { Pod } from '../../kube/types.gen.ts';
import { isPodReady, readySinceMs } from './pods.ts';

const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';
const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * The order in which a ReplicaSet gives pods up, first to go first (kubernetes' ActivePodsWithRanks). `crowding` is
 * the number of sibling pods on the pod's node: the more, the sooner.
 */
export function sortForDeletion(pods: readonly Pod[], crowding: (pod: Pod) => number, nowMs: number): readonly Pod[] {
  return [...pods].sort(
    (a, b) =>
      compare(a.spec?.nodeName ? 1 : 0, b.spec?.nodeName ? 1 : 0) ||
      compare(phaseRank[a.status?.phase ?? ''] ?? 0, phaseRank[b.status?.phase ?? ''] ?? 0) ||
      compare(isPodReady(a) ? 1 : 0, isPodReady(b) ? 1 : 0) ||
      compare(deletionCost(a), deletionCost(b)) ||
      compare(crowding(b), crowding(a)) ||
      compareYouth(readySinceMs(a), readySinceMs(b), nowMs) ||
      compare(maxRestarts(b), maxRestarts(a)) ||
      compareYouth(parseTime(a.metadata.creationTimestamp), parseTime(b.metadata.creationTimestamp), nowMs) ||
      (String(a.metadata.uid) < String(b.metadata.uid) ? -1 : 1),
  );
}

function compare(a: number, b: number): number {
  return a - b;
}

/** The younger first; ages of the same power of two count as equal, so that pods of one age class go evenly. */
function compareYouth(a: number | undefined, b: number | undefined, nowMs: number): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  return ageClass(nowMs - a) - ageClass(nowMs - b);
}

function ageClass(ageMs: number): number {
  return Math.floor(Math.log2(Math.max(ageMs, 1) * 1e6));
}

function deletionCost(pod: Pod): number {
  const cost = pod.metadata.annotations?.[deletionCostAnnotation];
  return cost !== undefined && /^-?(0|[1-9]\d*)$/.test(cost) ? Number(cost) : 0;
}

/** Restarts of the container that restarted most; sidecars count as containers. */
function maxRestarts(pod: Pod): number {
  const restarts = (pod.status?.containerStatuses ?? []).map((status) => status.restartCount);
  return Math.max(0, ...restarts);
}
