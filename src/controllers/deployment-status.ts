import { findCondition, withoutCondition } from '../kube/conditions.ts';
import { formatTime, parseTime } from '../kube/time.ts';
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../kube/types.gen.ts';
import { desiredReplicas, maxUnavailable, replicasOf } from './deployment-scaling.ts';
import { nonZero } from './support/non-zero.ts';

type Conditions = readonly DeploymentCondition[];

const noDeadlineSeconds = 2_147_483_647;

export function hasProgressDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== noDeadlineSeconds;
}

export function deploymentCondition(
  type: string,
  status: string,
  reason: string,
  message: string,
  nowMs: number,
): DeploymentCondition {
  const now = formatTime(nowMs);
  return { type, status, lastUpdateTime: now, lastTransitionTime: now, reason, message };
}

/** Puts a condition in its type's place; one with the same status and reason is left as it is. */
export function setCondition(conditions: Conditions | undefined, next: DeploymentCondition): Conditions {
  const standing = findCondition(conditions, next.type);
  if (standing && standing.status === next.status && standing.reason === next.reason) return conditions ?? [];
  const time = standing?.status === next.status ? standing.lastTransitionTime : undefined;
  const merged = time === undefined ? next : { ...next, lastTransitionTime: time };
  return [...withoutCondition(conditions, next.type), merged];
}

/** The numbers, and whether enough pods are available. Pure. */
export function calculateStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newOne: ReplicaSet | null,
  nowMs: number,
): DeploymentStatus {
  const total = (of: (replicaSet: ReplicaSet) => number | undefined) =>
    all.reduce((sum, replicaSet) => sum + (of(replicaSet) ?? 0), 0);
  const availableReplicas = total(({ status }) => status?.availableReplicas);
  const isAvailable = availableReplicas >= desiredReplicas(deployment) - maxUnavailable(deployment);
  const condition = isAvailable
    ? deploymentCondition(
        'Available',
        'True',
        'MinimumReplicasAvailable',
        'Deployment has minimum availability.',
        nowMs,
      )
    : deploymentCondition(
        'Available',
        'False',
        'MinimumReplicasUnavailable',
        'Deployment does not have minimum availability.',
        nowMs,
      );
  return {
    ...nonZero({
      observedGeneration: deployment.metadata.generation,
      replicas: total(({ status }) => status?.replicas),
      updatedReplicas: newOne?.status?.replicas,
      readyReplicas: total(({ status }) => status?.readyReplicas),
      availableReplicas,
      unavailableReplicas: Math.max(0, total(replicasOf) - availableReplicas),
    }),
    terminatingReplicas: total(({ status }) => status?.terminatingReplicas),
    ...(deployment.status?.collisionCount === undefined ? {} : { collisionCount: deployment.status.collisionCount }),
    conditions: setCondition(deployment.status?.conditions, condition),
  };
}

/** Every pod is of the new template, available, and nothing else is left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const desired = desiredReplicas(deployment);
  return (
    (status.updatedReplicas ?? 0) === desired &&
    (status.replicas ?? 0) === desired &&
    (status.availableReplicas ?? 0) === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function hasProgressed(before: DeploymentStatus | undefined, now: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus | undefined) => (status?.replicas ?? 0) - (status?.updatedReplicas ?? 0);
  return (
    (now.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}

function hasTimedOut(deployment: Deployment, status: DeploymentStatus, nowMs: number): boolean {
  const progressing = findCondition(status.conditions, 'Progressing');
  if (!progressing || progressing.reason === 'NewReplicaSetAvailable') return false;
  if (progressing.reason === 'ProgressDeadlineExceeded') return true;
  const since = parseTime(progressing.lastUpdateTime) ?? nowMs;
  return since + (deployment.spec?.progressDeadlineSeconds ?? 0) * 1000 < nowMs;
}

/** The status of a rollout: numbers, progress, and what keeps ReplicaSets from making pods. Pure. */
export function rolloutStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newOne: ReplicaSet | null,
  nowMs: number,
): DeploymentStatus {
  const status = calculateStatus(deployment, all, newOne, nowMs);
  return { ...status, conditions: withFailure(progress(deployment, status, newOne, nowMs), all, newOne, nowMs) };
}

function progress(
  deployment: Deployment,
  status: DeploymentStatus,
  newOne: ReplicaSet | null,
  nowMs: number,
): Conditions {
  if (!hasProgressDeadline(deployment)) return withoutCondition(status.conditions, 'Progressing');
  const conditions = status.conditions ?? [];
  const standing = findCondition(deployment.status?.conditions, 'Progressing');
  const wasComplete =
    (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && standing?.reason === 'NewReplicaSetAvailable';
  if (wasComplete) return conditions;
  const subject = newOne ? `ReplicaSet "${newOne.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  const make = (state: string, reason: string, what: string) =>
    deploymentCondition('Progressing', state, reason, `${subject} ${what}`, nowMs);
  if (isComplete(deployment, status)) {
    return setCondition(conditions, make('True', 'NewReplicaSetAvailable', 'has successfully progressed.'));
  }
  if (hasProgressed(deployment.status, status)) {
    const next = make('True', 'ReplicaSetUpdated', 'is progressing.');
    // Each step starts the deadline anew, so the update time moves even where nothing else does.
    const time = standing?.status === 'True' ? standing.lastTransitionTime : undefined;
    const merged = time === undefined ? next : { ...next, lastTransitionTime: time };
    return [...withoutCondition(conditions, 'Progressing'), merged];
  }
  if (hasTimedOut(deployment, status, nowMs)) {
    return setCondition(conditions, make('False', 'ProgressDeadlineExceeded', 'has timed out progressing.'));
  }
  return conditions;
}

function withFailure(
  conditions: Conditions,
  all: readonly ReplicaSet[],
  newOne: ReplicaSet | null,
  nowMs: number,
): Conditions {
  const failures = [...(newOne ? [newOne] : []), ...all]
    .map((replicaSet) => findCondition(replicaSet.status?.conditions, 'ReplicaFailure'))
    .filter((failure) => failure !== undefined);
  const failure = failures[0];
  if (!failure) return withoutCondition(conditions, 'ReplicaFailure');
  const { status, reason = '', message = '' } = failure;
  return setCondition(conditions, deploymentCondition('ReplicaFailure', status, reason, message, nowMs));
}

/** When to look again at a rollout that may miss its deadline; undefined when there is nothing to miss. */
export function deadlineCheckMs(deployment: Deployment, status: DeploymentStatus, nowMs: number): number | undefined {
  const progressing = findCondition(status.conditions, 'Progressing');
  if (!progressing || !hasProgressDeadline(deployment) || isComplete(deployment, status)) return undefined;
  if (progressing.reason === 'ProgressDeadlineExceeded') return undefined;
  const since = parseTime(progressing.lastUpdateTime) ?? nowMs;
  return Math.max(1000, since + (deployment.spec?.progressDeadlineSeconds ?? 0) * 1000 - nowMs + 1000);
}

/** The conditions after a pause or its end; null when they say it already. Pure. */
export function pauseConditions(deployment: Deployment, nowMs: number): Conditions | null {
  if (!hasProgressDeadline(deployment)) return null;
  const standing = findCondition(deployment.status?.conditions, 'Progressing');
  if (standing?.reason === 'ProgressDeadlineExceeded') return null;
  const isMarked = standing?.reason === 'DeploymentPaused';
  const isPaused = deployment.spec?.paused === true;
  if (isPaused === isMarked) return null;
  const next = isPaused
    ? deploymentCondition('Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused', nowMs)
    : deploymentCondition('Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed', nowMs);
  return setCondition(deployment.status?.conditions, next);
}
