import type { Draft } from '../draft.ts';
import type {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  PodSpec,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../types.gen.ts';

// Fields of features that are off by default in 1.36 are dropped unless the stored object has them already.

/** KEP-4960, ContainerStopSignals. */
export function dropDisabledPodFields(spec: Draft<PodSpec> | undefined, old: PodSpec | undefined): void {
  if (spec === undefined || usesStopSignals(old)) return;
  for (const container of [
    ...(spec.initContainers ?? []),
    ...(spec.containers ?? []),
    ...(spec.ephemeralContainers ?? []),
  ]) {
    if (container.lifecycle?.stopSignal === undefined) continue;
    delete container.lifecycle.stopSignal;
    if (Object.keys(container.lifecycle).length === 0) delete container.lifecycle;
  }
}

function usesStopSignals(spec: PodSpec | undefined): boolean {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].some(
    (container) => container.lifecycle?.stopSignal !== undefined,
  );
}

/** KEP-961, MaxUnavailableStatefulSet. */
export function dropDisabledStatefulSetFields(set: Draft<StatefulSet>, old: StatefulSet | null): void {
  dropDisabledPodFields(set.spec?.template?.spec, old?.spec?.template?.spec);
  const rollingUpdate = set.spec?.updateStrategy?.rollingUpdate;
  if (old?.spec?.updateStrategy?.rollingUpdate?.maxUnavailable === undefined) delete rollingUpdate?.maxUnavailable;
}

/** Of kinds that make pods from `spec.template`. */
export function dropDisabledTemplateFields(
  object: Draft<ReplicaSet | ReplicationController | Deployment | DaemonSet | Job>,
  old: ReplicaSet | ReplicationController | Deployment | DaemonSet | Job | null,
): void {
  dropDisabledPodFields(object.spec?.template?.spec, old?.spec?.template?.spec);
}

export function dropDisabledCronJobFields(cronJob: Draft<CronJob>, old: CronJob | null): void {
  dropDisabledPodFields(cronJob.spec?.jobTemplate?.spec?.template?.spec, old?.spec?.jobTemplate?.spec?.template?.spec);
}
