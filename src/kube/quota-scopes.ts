import { qosClassOf } from './qos.ts';
import { meetsRequirement } from './requirement.ts';
import type { PersistentVolumeClaim, Pod, ResourceQuotaSpec, ScopedResourceSelectorRequirement } from './types.gen.ts';

/** Whether an object is in all scopes of a quota. Kinds that have no scopes are in none. */
export function matchesScopes(own: string, object: object, spec: ResourceQuotaSpec): boolean {
  const requirements: readonly ScopedResourceSelectorRequirement[] = [
    ...(spec.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' })),
    ...(spec.scopeSelector?.matchExpressions ?? []),
  ];
  if (requirements.length === 0) return true;
  if (own === 'pods') return requirements.every((requirement) => podInScope(object as Pod, requirement));
  if (own !== 'persistentvolumeclaims') return false;
  return requirements.every((requirement) => claimInScope(object as PersistentVolumeClaim, requirement));
}

function podInScope(pod: Pod, requirement: ScopedResourceSelectorRequirement): boolean {
  const isTerminating = (pod.spec?.activeDeadlineSeconds ?? -1) >= 0;
  switch (requirement.scopeName) {
    case 'Terminating':
      return isTerminating;
    case 'NotTerminating':
      return !isTerminating;
    case 'BestEffort':
      return isBestEffort(pod);
    case 'NotBestEffort':
      return !isBestEffort(pod);
    case 'PriorityClass':
      return selects(requirement, pod.spec?.priorityClassName);
    case 'CrossNamespacePodAffinity':
      return reachesOtherNamespaces(pod);
    default:
      return false;
  }
}

function claimInScope(claim: PersistentVolumeClaim, requirement: ScopedResourceSelectorRequirement): boolean {
  if (requirement.scopeName !== 'VolumeAttributesClass') return false;
  const { spec, status } = claim;
  const names = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter((name) => name !== undefined && name !== '');
  return names.length === 0 ? selects(requirement, undefined) : names.some((name) => selects(requirement, name));
}

function selects({ operator, values = [] }: ScopedResourceSelectorRequirement, value: string | undefined): boolean {
  return meetsRequirement(operator, value === '' ? undefined : value, values);
}

function isBestEffort({ spec }: Pod): boolean {
  return spec === undefined || qosClassOf(spec) === 'BestEffort';
}

function reachesOtherNamespaces({ spec }: Pod): boolean {
  const terms = [spec?.affinity?.podAffinity, spec?.affinity?.podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ]);
  return terms.some((term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined);
}
