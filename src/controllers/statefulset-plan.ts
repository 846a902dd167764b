import { isPodFinished } from '../kube/pod-phase.ts';
import type { Pod, StatefulSet, StatefulSetStatus } from '../kube/types.gen.ts';
import { hasIdentity, ordinalOf, revisionLabel, startOrdinal } from './statefulset-identity.ts';
import { scaledValue } from './support/int-or-percent.ts';
import { isPodAvailable, isPodReady } from './support/pods.ts';

/** One step; the steps of a plan are carried out in order. */
export type SetStep =
  | { readonly action: 'create'; readonly ordinal: number; readonly revision: 'current' | 'update' }
  /** The pod ended by itself: it is deleted to be made anew. */
  | { readonly action: 'replace'; readonly pod: Pod }
  /** Its ordinal is above the wanted number. */
  | { readonly action: 'condemn'; readonly pod: Pod }
  /** It is of an old revision. */
  | { readonly action: 'update'; readonly pod: Pod }
  /** Its labels don't tell its ordinal. */
  | { readonly action: 'mark'; readonly pod: Pod; readonly ordinal: number };

export interface SetWorld {
  readonly pods: readonly Pod[];
  /** Names of revisions: the one that all pods had, and the one that they shall have. */
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly nowMs: number;
}

export interface SetPlan {
  readonly steps: readonly SetStep[];
  readonly condemned: readonly Pod[];
}

function isGoing(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

function isRunningAndReady(pod: Pod): boolean {
  return pod.status?.phase === 'Running' && isPodReady(pod);
}

function isHealthy(pod: Pod): boolean {
  return isRunningAndReady(pod) && !isGoing(pod);
}

function revisionOf(pod: Pod): string {
  return pod.metadata.labels?.[revisionLabel] ?? '';
}

export function wantedReplicas(set: StatefulSet): number {
  return set.spec?.replicas ?? 1;
}

function isRolling(set: StatefulSet): boolean {
  return (set.spec?.updateStrategy?.type ?? 'RollingUpdate') === 'RollingUpdate';
}

/** What a StatefulSet does next: nothing is begun while, in order, something before it is not settled. Pure. */
export function planStatefulSet(set: StatefulSet, world: SetWorld): SetPlan {
  const first = startOrdinal(set);
  const end = first + wantedReplicas(set);
  const byOrdinal = new Map(world.pods.map((pod) => [ordinalOf(set, pod), pod]));
  const condemned = world.pods
    .filter((pod) => ordinalOf(set, pod) >= 0 && (ordinalOf(set, pod) < first || ordinalOf(set, pod) >= end))
    .sort((a, b) => ordinalOf(set, b) - ordinalOf(set, a));
  if (set.metadata.deletionTimestamp !== undefined) return { steps: [], condemned };
  const isOrdered = set.spec?.podManagementPolicy !== 'Parallel';
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const isSettled = (pod: Pod) => isHealthy(pod) && isPodAvailable(pod, minReadySeconds, world.nowMs);
  const steps: SetStep[] = [];

  for (let ordinal = first; ordinal < end; ordinal++) {
    const pod = byOrdinal.get(ordinal);
    const step = pod ? stepFor(set, pod, ordinal) : createStep(set, world, ordinal);
    if (step) steps.push(step);
    if (isOrdered && (step?.action === 'create' || step?.action === 'replace' || !pod || !isSettled(pod))) {
      return { steps, condemned };
    }
  }
  const unhealthy = [...byOrdinal.entries()]
    .filter(([ordinal, pod]) => ordinal >= 0 && !isHealthy(pod))
    .sort(([a], [b]) => a - b)[0]?.[1];
  for (const pod of condemned) {
    if (isGoing(pod)) {
      if (isOrdered) return { steps, condemned };
      continue;
    }
    // The one that holds all others up may go; the rest wait until it has recovered or gone.
    if (isOrdered && !isSettled(pod) && pod !== unhealthy) return { steps, condemned };
    steps.push({ action: 'condemn', pod });
    if (isOrdered) return { steps, condemned };
  }
  if (isRolling(set)) steps.push(...planUpdate(set, world, byOrdinal, isSettled));
  return { steps, condemned };
}

function stepFor(set: StatefulSet, pod: Pod, ordinal: number): SetStep | null {
  if (isGoing(pod)) return null;
  if (isPodFinished(pod)) return { action: 'replace', pod };
  return hasIdentity(set, pod, ordinal) ? null : { action: 'mark', pod, ordinal };
}

function createStep(set: StatefulSet, world: SetWorld, ordinal: number): SetStep {
  const { rollingUpdate } = set.spec?.updateStrategy ?? {};
  const isSame = world.currentRevision === world.updateRevision;
  const kept = isRolling(set) && rollingUpdate ? (rollingUpdate.partition ?? 0) : (set.status?.currentReplicas ?? 0);
  const isOld = !isSame && ordinal < startOrdinal(set) + kept;
  return { action: 'create', ordinal, revision: isOld ? 'current' : 'update' };
}

function planUpdate(
  set: StatefulSet,
  world: SetWorld,
  byOrdinal: ReadonlyMap<number, Pod>,
  isSettled: (pod: Pod) => boolean,
): readonly SetStep[] {
  const { partition = 0, maxUnavailable } = set.spec?.updateStrategy?.rollingUpdate ?? {};
  const first = startOrdinal(set);
  const targets: Pod[] = [];
  for (let ordinal = first + wantedReplicas(set) - 1; ordinal >= first; ordinal--) {
    const pod = byOrdinal.get(ordinal);
    if (pod) targets.push(pod);
  }
  const limit = maxUnavailable === undefined ? 1 : Math.max(1, scaledValue(maxUnavailable, wantedReplicas(set), 'up'));
  const isUpdatable = (pod: Pod) =>
    revisionOf(pod) !== world.updateRevision && ordinalOf(set, pod) >= first + partition && !isGoing(pod);
  const steps: SetStep[] = [];
  let unavailable = 0;
  // From the highest ordinal down. A pod of the old revision that is broken itself is replaced without more ado: it
  // may be what the new revision mends.
  for (const pod of targets) {
    if (unavailable >= limit) break;
    if (isUpdatable(pod)) {
      steps.push({ action: 'update', pod });
      unavailable++;
    } else if (!isSettled(pod) && ordinalOf(set, pod) >= first + partition) {
      unavailable++;
    }
  }
  return steps;
}

/** The numbers of the status, and the revision that all pods have once an update is complete. Pure. */
export function statefulSetStatus(
  set: StatefulSet,
  world: SetWorld,
  collisionCount: number | undefined,
): StatefulSetStatus {
  const { currentRevision, updateRevision, nowMs } = world;
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const mine = world.pods.filter((pod) => ordinalOf(set, pod) >= 0);
  const count = (matches: (pod: Pod) => boolean) => mine.filter(matches).length;
  const replicas = mine.length;
  const ready = count(isRunningAndReady);
  const updated = count((pod) => !isGoing(pod) && revisionOf(pod) === updateRevision);
  const isComplete = isRolling(set) && updated === replicas && ready === replicas;
  const current = isComplete ? updated : count((pod) => !isGoing(pod) && revisionOf(pod) === currentRevision);
  const available = count((pod) => isRunningAndReady(pod) && isPodAvailable(pod, minReadySeconds, nowMs));
  const { conditions } = set.status ?? {};
  return {
    ...(set.metadata.generation === undefined ? {} : { observedGeneration: set.metadata.generation }),
    replicas,
    ...(ready > 0 ? { readyReplicas: ready } : {}),
    ...(current > 0 ? { currentReplicas: current } : {}),
    ...(updated > 0 ? { updatedReplicas: updated } : {}),
    currentRevision: isComplete ? updateRevision : currentRevision,
    updateRevision,
    collisionCount: collisionCount ?? 0,
    ...(conditions ? { conditions } : {}),
    availableReplicas: available,
  };
}
