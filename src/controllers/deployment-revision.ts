import type { Deployment, PodTemplateSpec, ReplicaSet } from '../kube/types.gen.ts';
import {
  byAge,
  desiredReplicas,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  maxSurge,
} from './deployment-scaling.ts';
import { isEqual } from './support/equality.ts';

export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
export const templateHashLabel = 'pod-template-hash';
/** Characters of the revision history that are kept. */
const historyLengthMax = 2000;

/** Annotations of a Deployment that its ReplicaSets don't get. */
const notCopied = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  'deprecated.deployment.rollback.to',
]);

type Annotations = Readonly<Record<string, string>>;

/** The revision of an object, 0 when it has none. */
export function revisionOf(object: { readonly metadata: { readonly annotations?: Annotations } }): number {
  const text = object.metadata.annotations?.[revisionAnnotation];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : 0;
}

/** The ReplicaSet that has the Deployment's template (the oldest, should there be several), or null. */
export function findNewReplicaSet(deployment: Deployment, all: readonly ReplicaSet[]): ReplicaSet | null {
  const template = deployment.spec?.template;
  return byAge(all).find((replicaSet) => isSameTemplate(replicaSet.spec?.template, template)) ?? null;
}

/** Equal but for the hash label that the controller adds. */
export function isSameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return isEqual(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  const { [templateHashLabel]: _, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } };
}

/** The revision that the ReplicaSet of the current template must have: one more than the newest old one. */
export function nextRevision(old: readonly ReplicaSet[]): number {
  return Math.max(0, ...old.map(revisionOf)) + 1;
}

/** The annotations of the new ReplicaSet: the Deployment's own, its revision, and which revisions it was before. */
export function newReplicaSetAnnotations(
  deployment: Deployment,
  standing: Annotations | undefined,
  revision: number,
): Annotations {
  const annotations: Record<string, string> = { ...standing };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) {
    if (!notCopied.has(key)) annotations[key] = value;
  }
  const before = standing?.[revisionAnnotation];
  if (before === undefined) {
    annotations[revisionAnnotation] = String(revision);
  } else if (Number(before) < revision) {
    annotations[revisionAnnotation] = String(revision);
    const history = withRevision(standing?.[revisionHistoryAnnotation], before);
    if (history !== undefined) annotations[revisionHistoryAnnotation] = history;
  }
  return annotations;
}

function withRevision(history: string | undefined, revision: string): string | undefined {
  const kept = history === undefined || history === '' ? [] : history.split(',');
  kept.push(revision);
  while (kept.length > 0 && kept.join(',').length > historyLengthMax) kept.shift();
  return kept.length === 0 ? undefined : kept.join(',');
}

/** The annotations that say for which size of the Deployment a ReplicaSet was scaled. */
export function replicasAnnotations(deployment: Deployment): Annotations {
  const desired = desiredReplicas(deployment);
  return {
    [desiredReplicasAnnotation]: String(desired),
    [maxReplicasAnnotation]: String(desired + maxSurge(deployment)),
  };
}

/** Old ReplicaSets that the history limit leaves no room for, oldest revision first. */
export function planHistory(deployment: Deployment, old: readonly ReplicaSet[]): readonly ReplicaSet[] {
  const limit = deployment.spec?.revisionHistoryLimit;
  if (limit === undefined || limit === 2_147_483_647) return [];
  const alive = old.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const surplus = alive.length - limit;
  if (surplus <= 0) return [];
  return [...alive]
    .sort((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, surplus)
    .filter(
      ({ spec, status, metadata }) =>
        (status?.replicas ?? 0) === 0 &&
        spec?.replicas === 0 &&
        (metadata.generation ?? 0) <= (status?.observedGeneration ?? 0),
    );
}
