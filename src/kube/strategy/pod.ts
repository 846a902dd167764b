import { type Draft, draft } from '../draft.ts';
import type { SubresourceStrategy } from '../kind.ts';
import { qosClassOf } from '../qos.ts';
import type { Container, Pod, PodCondition, PodSpec } from '../types.gen.ts';
import { dropDisabledPodFields } from './disabled-fields.ts';
import { isSemanticallyEqual } from './equal.ts';
import { bumpGeneration, restore, restoreMetadata } from './status.ts';

export function preparePodForCreate(pod: Draft<Pod>): void {
  pod.metadata.generation = 1;
  pod.status = { phase: 'Pending' };
  if (pod.spec === undefined) return;
  // What a negative grace means; the field says so, and readers need not know.
  if ((pod.spec.terminationGracePeriodSeconds ?? 0) < 0) pod.spec.terminationGracePeriodSeconds = 1;
  dropDisabledPodFields(pod.spec, undefined);
  pod.status.qosClass = qosClassOf(pod.spec);
  mergeMatchLabelKeys(pod);
  if ((pod.spec.schedulingGates ?? []).length > 0) pod.status.conditions = [gatedCondition(pod)];
}

// The condition is as old as the pod, whose times the registry has set before.
function gatedCondition({ metadata }: Draft<Pod>): Draft<PodCondition> {
  const condition: Draft<PodCondition> = {
    type: 'PodScheduled',
    status: 'False',
    reason: 'SchedulingGated',
    message: 'Scheduling is blocked due to non-empty scheduling gates',
  };
  Object.assign(condition, { lastProbeTime: null, lastTransitionTime: metadata.creationTimestamp ?? null });
  return condition;
}

/** KEP-3633: keys of the pod's own labels become requirements of its affinity terms. */
function mergeMatchLabelKeys(pod: Draft<Pod>): void {
  const labels = pod.metadata.labels ?? {};
  const affinity = pod.spec?.affinity;
  for (const side of [affinity?.podAffinity, affinity?.podAntiAffinity]) {
    const terms = [
      ...(side?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(side?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((weighted) => weighted.podAffinityTerm),
    ];
    for (const term of terms) {
      if (term?.labelSelector === undefined) continue;
      addRequirements(term.labelSelector, term.matchLabelKeys, 'In', labels);
      addRequirements(term.labelSelector, term.mismatchLabelKeys, 'NotIn', labels);
    }
  }
  for (const constraint of pod.spec?.topologySpreadConstraints ?? []) {
    if (constraint.labelSelector === undefined) continue;
    addRequirements(constraint.labelSelector, constraint.matchLabelKeys, 'In', labels);
  }
}

type Selector = NonNullable<NonNullable<Draft<PodSpec>['topologySpreadConstraints']>[number]['labelSelector']>;

function addRequirements(
  selector: Selector,
  keys: readonly string[] | undefined,
  operator: 'In' | 'NotIn',
  labels: Readonly<Record<string, string>>,
): void {
  for (const key of keys ?? []) {
    const value = labels[key];
    if (value === undefined) continue;
    selector.matchExpressions ??= [];
    selector.matchExpressions.push({ key, operator, values: [value] });
  }
}

export function preparePodForUpdate(pod: Draft<Pod>, old: Pod): void {
  restore(pod, old, 'status');
  dropDisabledPodFields(pod.spec, old.spec);
  bumpGeneration(pod, old, 'spec');
}

/** The kubelet's endpoint: the spec and who owns the pod are not its business. */
export const podStatus: Omit<SubresourceStrategy<Pod>, 'validateUpdate'> = {
  prepareForUpdate(pod, old) {
    restore(pod, old, 'spec');
    restoreMetadata(pod, old, 'ownerReferences', 'deletionTimestamp');
    const { status } = pod;
    if (status === undefined) return;
    if ((status.qosClass ?? '') === '' && old.status?.qosClass !== undefined) status.qosClass = old.status.qosClass;
    // podIP is an older name of the first address.
    if (status.podIP !== undefined && status.podIP !== status.podIPs?.[0]?.ip) status.podIPs = [{ ip: status.podIP }];
  },
};

/** Only spec.ephemeralContainers may change here. */
export const podEphemeralContainers: Omit<SubresourceStrategy<Pod>, 'validateUpdate'> = {
  prepareForUpdate(pod, old) {
    const added = pod.spec?.ephemeralContainers;
    restoreAll(pod, old);
    if (pod.spec === undefined) return;
    if (added === undefined) delete pod.spec.ephemeralContainers;
    else pod.spec.ephemeralContainers = added;
    bumpGeneration(pod, old, 'spec');
  },
};

/** The old containers with the resources and resize policies of the new ones; unknown ones are validation's to refuse. */
function resized(containers: Draft<Container>[], old: readonly Container[] | undefined): Draft<Container>[] {
  return containers.map((container) => {
    const before = old?.find(({ name }) => name === container.name);
    if (before === undefined) return container;
    const { resources, resizePolicy } = container;
    const kept = draft(before);
    delete kept.resources;
    delete kept.resizePolicy;
    return {
      ...kept,
      ...(resources !== undefined && { resources }),
      ...(resizePolicy !== undefined && { resizePolicy }),
    };
  });
}

/** Only the resources and resize policies of containers may change here (KEP-1287). */
export const podResize: Omit<SubresourceStrategy<Pod>, 'validateUpdate'> = {
  prepareForUpdate(pod, old) {
    restore(pod, old, 'status');
    const { containers = [], initContainers } = pod.spec ?? {};
    restore(pod, old, 'spec');
    if (pod.spec !== undefined) {
      pod.spec.containers = resized(containers, old.spec?.containers);
      if (initContainers !== undefined) pod.spec.initContainers = resized(initContainers, old.spec?.initContainers);
    }
    const { labels, annotations } = old.metadata;
    if (!isSemanticallyEqual(pod.metadata.labels, labels)) restoreMetadata(pod, old, 'labels');
    if (!isSemanticallyEqual(pod.metadata.annotations, annotations)) restoreMetadata(pod, old, 'annotations');
    bumpGeneration(pod, old, 'spec');
  },
};

function restoreAll(pod: Draft<Pod>, old: Pod): void {
  const { managedFields, resourceVersion } = pod.metadata;
  pod.metadata = draft(old.metadata);
  if (managedFields !== undefined) pod.metadata.managedFields = managedFields;
  if (resourceVersion !== undefined) pod.metadata.resourceVersion = resourceVersion;
  restore(pod, old, 'spec');
  restore(pod, old, 'status');
}

/** Seconds until a deleted pod is gone: none for one that no node runs or that has ended. */
export function podGracePeriod(pod: Pod, requested: number | undefined): number {
  if (!pod.spec?.nodeName) return 0;
  if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return 0;
  const seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? 0;
  return seconds < 0 ? 1 : seconds;
}

export function podSelectableFields(pod: Pod): Readonly<Record<string, string>> {
  const { spec, status } = pod;
  return {
    'spec.nodeName': spec?.nodeName ?? '',
    'spec.restartPolicy': spec?.restartPolicy ?? '',
    'spec.schedulerName': spec?.schedulerName ?? '',
    'spec.serviceAccountName': spec?.serviceAccountName ?? '',
    'spec.hostNetwork': String(spec?.hostNetwork ?? false),
    'status.phase': status?.phase ?? '',
    'status.podIP': status?.podIP ?? status?.podIPs?.[0]?.ip ?? '',
    'status.podIPs': (status?.podIPs ?? []).map(({ ip }) => ip).join(','),
    'status.nominatedNodeName': status?.nominatedNodeName ?? '',
  };
}
