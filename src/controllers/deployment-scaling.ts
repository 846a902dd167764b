import type { Deployment, ReplicaSet } from '../kube/types.gen.ts';
import { scaledValue } from './support/int-or-percent.ts';

/** A ReplicaSet is to have this many replicas. */
export interface Scaling {
  readonly replicaSet: ReplicaSet;
  readonly replicas: number;
}

export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';

export function desiredReplicas(deployment: Deployment): number {
  return deployment.spec?.replicas ?? 1;
}

export function replicasOf(replicaSet: ReplicaSet): number {
  return replicaSet.spec?.replicas ?? 1;
}

export function isActive(replicaSet: ReplicaSet): boolean {
  return replicasOf(replicaSet) > 0;
}

function available(replicaSet: ReplicaSet): number {
  return replicaSet.status?.availableReplicas ?? 0;
}

function sum(replicaSets: readonly ReplicaSet[], of: (replicaSet: ReplicaSet) => number): number {
  return replicaSets.reduce((total, replicaSet) => total + of(replicaSet), 0);
}

export function isRollingUpdate(deployment: Deployment): boolean {
  return (deployment.spec?.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate';
}

// With neither surge nor unavailability a rollout could not take a step; then one pod may be missing.
function fenceposts(deployment: Deployment): { readonly surge: number; readonly unavailable: number } {
  const { maxSurge, maxUnavailable } = deployment.spec?.strategy?.rollingUpdate ?? {};
  const surge = scaledValue(maxSurge, desiredReplicas(deployment), 'up');
  const unavailable = scaledValue(maxUnavailable, desiredReplicas(deployment), 'down');
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** Pods above the desired number that a rollout may make. */
export function maxSurge(deployment: Deployment): number {
  return isRollingUpdate(deployment) ? fenceposts(deployment).surge : 0;
}

/** Pods below the desired number that a rollout may leave. */
export function maxUnavailable(deployment: Deployment): number {
  const desired = desiredReplicas(deployment);
  return isRollingUpdate(deployment) && desired > 0 ? Math.min(fenceposts(deployment).unavailable, desired) : 0;
}

/** The replicas that the ReplicaSet of the current template may have now. */
export function newReplicaCount(deployment: Deployment, all: readonly ReplicaSet[], current: number): number {
  const desired = desiredReplicas(deployment);
  if (!isRollingUpdate(deployment)) return desired;
  const total = sum(all, replicasOf);
  const limit = desired + maxSurge(deployment);
  if (total >= limit) return current;
  return current + Math.min(limit - total, desired - current);
}

/** A rolling update's next step for the new ReplicaSet; null when it stands as it should. */
export function planNewReplicaSet(
  deployment: Deployment,
  newOne: ReplicaSet,
  all: readonly ReplicaSet[],
): Scaling | null {
  const current = replicasOf(newOne);
  const desired = desiredReplicas(deployment);
  if (current === desired) return null;
  const replicas = current > desired ? desired : newReplicaCount(deployment, all, current);
  return replicas === current ? null : { replicaSet: newOne, replicas };
}

/** A rolling update's next step for the old ReplicaSets: first what is unhealthy, then what availability allows. */
export function planOldReplicaSets(
  deployment: Deployment,
  newOne: ReplicaSet,
  old: readonly ReplicaSet[],
): readonly Scaling[] {
  const all = [...old, newOne];
  const minAvailable = desiredReplicas(deployment) - maxUnavailable(deployment);
  const newUnavailable = replicasOf(newOne) - available(newOne);
  const limit = sum(all, replicasOf) - minAvailable - newUnavailable;
  if (sum(old, replicasOf) === 0 || limit <= 0) return [];

  const sizes = new Map(byAge(old).map((replicaSet) => [replicaSet, replicasOf(replicaSet)]));
  let cleaned = 0;
  for (const [replicaSet, size] of sizes) {
    const unhealthy = Math.min(limit - cleaned, size - available(replicaSet));
    if (unhealthy <= 0) continue;
    sizes.set(replicaSet, size - unhealthy);
    cleaned += unhealthy;
  }
  let spare = sum(all, available) - minAvailable;
  for (const [replicaSet, size] of sizes) {
    if (spare <= 0) break;
    const down = Math.min(size, spare);
    sizes.set(replicaSet, size - down);
    spare -= down;
  }
  return changes(sizes);
}

/** How replicas are spread when the desired number changes: in the middle of a rollout each ReplicaSet gets its share. */
export function planScale(
  deployment: Deployment,
  newOne: ReplicaSet | null,
  old: readonly ReplicaSet[],
): readonly Scaling[] {
  const desired = desiredReplicas(deployment);
  const active = [...old, ...(newOne ? [newOne] : [])].filter(isActive);
  if (active.length <= 1) {
    const only = active[0] ?? newOne ?? byAge(old).at(-1);
    return only ? [{ replicaSet: only, replicas: desired }] : [];
  }
  if (newOne && isSaturated(deployment, newOne)) {
    return old.filter(isActive).map((replicaSet) => ({ replicaSet, replicas: 0 }));
  }
  return isRollingUpdate(deployment) ? planProportions(deployment, active) : [];
}

function planProportions(deployment: Deployment, active: readonly ReplicaSet[]): readonly Scaling[] {
  const desired = desiredReplicas(deployment);
  const allowed = desired > 0 ? desired + maxSurge(deployment) : 0;
  const toAdd = allowed - sum(active, replicasOf);
  // Larger ones first; of equal ones the newer gains first and the older loses first.
  const age = byAge(active);
  const order = (replicaSet: ReplicaSet) => (toAdd > 0 ? -age.indexOf(replicaSet) : age.indexOf(replicaSet));
  const sorted = [...active].sort((a, b) => replicasOf(b) - replicasOf(a) || order(a) - order(b));
  const sizes = new Map<ReplicaSet, number>();
  let added = 0;
  for (const replicaSet of sorted) {
    const share = toAdd === 0 ? 0 : proportion(deployment, replicaSet, toAdd, added);
    sizes.set(replicaSet, replicasOf(replicaSet) + share);
    added += share;
  }
  const largest = sorted[0];
  if (largest && toAdd !== 0) sizes.set(largest, Math.max(0, (sizes.get(largest) ?? 0) + toAdd - added));
  return [...sizes].map(([replicaSet, replicas]) => ({ replicaSet, replicas }));
}

function proportion(deployment: Deployment, replicaSet: ReplicaSet, toAdd: number, added: number): number {
  if (replicasOf(replicaSet) === 0 || toAdd === added) return 0;
  const fraction = fractionOf(deployment, replicaSet);
  const rest = toAdd - added;
  return toAdd > 0 ? Math.min(fraction, rest) : Math.max(fraction, rest);
}

function fractionOf(deployment: Deployment, replicaSet: ReplicaSet): number {
  const size = replicasOf(replicaSet);
  const desired = desiredReplicas(deployment);
  if (desired === 0) return -size;
  const before = annotated(replicaSet, maxReplicasAnnotation) || (deployment.status?.replicas ?? 0);
  if (before === 0) return 0;
  return Math.round((size * (desired + maxSurge(deployment))) / before) - size;
}

/** All of the new template's pods are there and available, so that old ReplicaSets need no share. */
function isSaturated(deployment: Deployment, newOne: ReplicaSet): boolean {
  const desired = desiredReplicas(deployment);
  return (
    replicasOf(newOne) === desired &&
    annotated(newOne, desiredReplicasAnnotation) === desired &&
    available(newOne) === desired
  );
}

/** True when the desired number is not the one that the active ReplicaSets were scaled for. */
export function isScalingEvent(deployment: Deployment, all: readonly ReplicaSet[]): boolean {
  return all.filter(isActive).some((replicaSet) => {
    const scaledFor = annotated(replicaSet, desiredReplicasAnnotation);
    return scaledFor !== undefined && scaledFor !== desiredReplicas(deployment);
  });
}

function annotated(replicaSet: ReplicaSet, annotation: string): number | undefined {
  const text = replicaSet.metadata.annotations?.[annotation];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Oldest first; of the same second by name. */
export function byAge(replicaSets: readonly ReplicaSet[]): readonly ReplicaSet[] {
  const age = ({ metadata }: ReplicaSet) => `${metadata.creationTimestamp ?? ''}\0${metadata.name ?? ''}`;
  return [...replicaSets].sort((a, b) => (age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : 0));
}

function changes(sizes: ReadonlyMap<ReplicaSet, number>): readonly Scaling[] {
  return [...sizes]
    .filter(([replicaSet, size]) => size !== replicasOf(replicaSet))
    .map(([replicaSet, replicas]) => ({ replicaSet, replicas }));
}
