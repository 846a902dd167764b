import { withCondition } from '../kube/conditions.ts';
import { matchesLabelSelector } from '../kube/label-selector.ts';
import { isPodFinished } from '../kube/pod-phase.ts';
import { keyOf } from '../kube/resource.ts';
import {
  deployments,
  poddisruptionbudgets,
  pods,
  replicasets,
  replicationcontrollers,
  statefulsets,
} from '../kube/resources.gen.ts';
import { formatTime, parseTime } from '../kube/time.ts';
import type { Condition, Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from '../kube/types.gen.ts';
import {
  type Controller,
  type ControllerContext,
  done,
  type Informers,
  type Outcome,
  watchOf,
} from '../runtime/controller.ts';
import { isEqual } from './support/equality.ts';
import { scaledValue } from './support/int-or-percent.ts';
import { controllerOf } from './support/ownership.ts';
import { isPodReady } from './support/pods.ts';

/** An eviction that was granted is believed for so long, though the pod is still there. */
const evictionBelievedMs = 120_000;

/** The sum of the replicas that the pods' controllers want; a text when it can't be told. */
export type ExpectedPods = number | string;

/** The status of a budget. Pure. */
export function budgetStatus(
  budget: PodDisruptionBudget,
  selected: readonly Pod[],
  expectedByControllers: ExpectedPods,
  nowMs: number,
): PodDisruptionBudgetStatus {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  const live = selected.filter((pod) => !isPodFinished(pod));
  const counted = typeof expectedByControllers === 'number' ? expectedByControllers : 0;
  const byCount = maxUnavailable === undefined && typeof minAvailable !== 'string';
  const expectedPods = byCount ? live.length : counted;
  const desiredHealthy =
    maxUnavailable !== undefined
      ? Math.max(0, expectedPods - scaledValue(maxUnavailable, expectedPods, 'up'))
      : scaledValue(minAvailable, expectedPods, 'up');
  const disruptedPods = believed(budget, selected, nowMs);
  const isHealthy = (pod: Pod) =>
    isPodReady(pod) &&
    pod.metadata.deletionTimestamp === undefined &&
    disruptedPods[pod.metadata.name ?? ''] === undefined;
  const currentHealthy = live.filter(isHealthy).length;
  const failed = !byCount && typeof expectedByControllers === 'string';
  const disruptionsAllowed = failed || expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  return {
    ...(budget.metadata.generation === undefined ? {} : { observedGeneration: budget.metadata.generation }),
    ...(Object.keys(disruptedPods).length > 0 ? { disruptedPods } : {}),
    disruptionsAllowed,
    currentHealthy,
    desiredHealthy,
    expectedPods,
    conditions: withCondition<Condition>(budget.status?.conditions, {
      type: 'DisruptionAllowed',
      status: disruptionsAllowed > 0 ? 'True' : 'False',
      reason: failed ? 'SyncFailed' : disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods',
      message: failed ? String(expectedByControllers) : '',
      lastTransitionTime: formatTime(nowMs),
      ...(budget.metadata.generation === undefined ? {} : { observedGeneration: budget.metadata.generation }),
    }),
  };
}

function believed(
  budget: PodDisruptionBudget,
  selected: readonly Pod[],
  nowMs: number,
): Readonly<Record<string, string>> {
  const names = new Set(
    selected.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name),
  );
  return Object.fromEntries(
    Object.entries(budget.status?.disruptedPods ?? {}).filter(
      ([name, time]) => names.has(name) && (parseTime(time) ?? 0) + evictionBelievedMs > nowMs,
    ),
  );
}

function expectedPods(informers: Informers, selected: readonly Pod[]): ExpectedPods {
  const scales = new Map<string, number>();
  for (const pod of selected) {
    const owner = controllerOf(pod);
    if (!owner) return `found no controllers for pod "${pod.metadata.name}"`;
    if (scales.has(owner.uid)) continue;
    const key = `${pod.metadata.namespace}/${owner.name}`;
    const scale = scaleOf(informers, owner.kind, key, owner.uid);
    if (scale === undefined) return `the ${owner.kind} of pod "${pod.metadata.name}" has no scale that is known`;
    scales.set(scale.uid, scale.replicas);
    scales.set(owner.uid, scales.get(owner.uid) ?? 0);
  }
  return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0);
}

interface Scale {
  readonly uid: string;
  readonly replicas: number;
}

function scaleOf(informers: Informers, kind: string, key: string, uid: string): Scale | undefined {
  switch (kind) {
    case 'ReplicaSet': {
      const replicaSet = informers.of(replicasets).get(key);
      if (replicaSet?.metadata.uid !== uid) return undefined;
      const parent = controllerOf(replicaSet);
      if (parent?.kind !== 'Deployment') return { uid, replicas: replicaSet.spec?.replicas ?? 1 };
      const deployment = informers.of(deployments).get(`${replicaSet.metadata.namespace}/${parent.name}`);
      return { uid: parent.uid, replicas: deployment?.spec?.replicas ?? 1 };
    }
    case 'StatefulSet':
      return known(informers.of(statefulsets).get(key), uid);
    case 'ReplicationController':
      return known(informers.of(replicationcontrollers).get(key), uid);
    default:
      return undefined;
  }
}

function known(
  owner: { readonly metadata: { readonly uid?: string }; readonly spec?: { readonly replicas?: number } } | undefined,
  uid: string,
): Scale | undefined {
  return owner?.metadata.uid === uid ? { uid, replicas: owner.spec?.replicas ?? 1 } : undefined;
}

function selectedBy(budget: PodDisruptionBudget, pod: Pod): boolean {
  return matchesLabelSelector(budget.spec?.selector, pod.metadata.labels);
}

async function reconcile(key: string, { informers, client, clock, events }: ControllerContext): Promise<Outcome> {
  const budget = informers.of(poddisruptionbudgets).get(key);
  if (!budget?.spec) return done;
  const selected = informers
    .of(pods)
    .list(budget.metadata.namespace)
    .filter((pod) => selectedBy(budget, pod));
  if (selected.length === 0) events.event(budget, 'Normal', 'NoPods', 'No matching pods found');
  const expected = expectedPods(informers, selected);
  const now = clock.now();
  const status = budgetStatus(budget, selected, expected, now);
  if (status.conditions?.some(({ reason }) => reason === 'SyncFailed')) {
    const message = `Failed to calculate the number of expected pods: ${expected}`;
    events.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', message);
  }
  if (!isEqual(status, budget.status)) {
    await client.update(poddisruptionbudgets, { ...budget, status }, { subresource: 'status' });
  }
  const times = Object.values(status.disruptedPods ?? {}).map(
    (time) => (parseTime(time) ?? 0) + evictionBelievedMs - now,
  );
  return times.length === 0 ? done : { requeueAfterMs: Math.min(...times) };
}

/** Counts for each PodDisruptionBudget how many of its pods may be evicted now. */
export const disruptionController: Controller = {
  name: 'disruption-controller',
  eventSource: 'controllermanager',
  watches: [
    watchOf(poddisruptionbudgets, (budget) => [keyOf(budget)]),
    watchOf(pods, (pod, informers) =>
      informers
        .of(poddisruptionbudgets)
        .list(pod.metadata.namespace)
        .filter((budget) => selectedBy(budget, pod))
        .map(keyOf),
    ),
    ...[deployments, replicasets, statefulsets, replicationcontrollers].map((resource) =>
      // A change of scale moves percentages; budgets are few, so all of the namespace are counted anew.
      watchOf<{
        readonly apiVersion: string;
        readonly kind: string;
        readonly metadata: { readonly namespace?: string };
      }>(resource, ({ metadata }, informers) => informers.of(poddisruptionbudgets).list(metadata.namespace).map(keyOf)),
    ),
  ],
  reconcile,
};
