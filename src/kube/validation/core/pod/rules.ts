import type { ObjectMeta, PodSpec, PodTemplateSpec } from '../../../types.gen.ts';
import { localNonReservedPath } from '../../common.ts';
import { hasInvalidSelector } from '../../label-selector.ts';
import { hasIndivisibleHugePages } from '../../resources.ts';
import { hasInvalidSelectorValues } from '../node-selector.ts';
import { containersOf } from './visit.ts';

/**
 * What depends on where a pod spec stands and on what stood there before: rules that came later must not lock objects
 * that were fine when they were made.
 */
export interface PodRules {
  /** A Pod, not a template in another object. */
  readonly isPod: boolean;
  readonly allowInvalidDeletionCost: boolean;
  readonly allowIndivisibleHugePages: boolean;
  readonly allowInvalidSelectorValues: boolean;
  readonly allowInvalidNodeSelectorValues: boolean;
  readonly allowInvalidSpreadSelector: boolean;
  readonly allowNonLocalTokenPath: boolean;
  readonly allowSysctlsOfHostNamespaces: boolean;
  readonly allowMountOptionSelinuxPolicy: boolean;
  readonly allowDevicesInUserNamespaces: boolean;
}

export const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

/** A decimal 32-bit integer without a plus sign or leading zeros. */
export function isDeletionCost(text: string): boolean {
  return /^(0|-?[1-9]\d*)$/.test(text) && Number(text) >= -(2 ** 31) && Number(text) < 2 ** 31;
}

/** Rules for a spec that replaces `old`, or for a new one. */
export function podRules(isPod: boolean, old?: PodSpec, oldMeta?: ObjectMeta): PodRules {
  const cost = oldMeta?.annotations?.[deletionCostAnnotation];
  return {
    isPod,
    allowInvalidDeletionCost: cost !== undefined && !isDeletionCost(cost),
    allowIndivisibleHugePages: old !== undefined && hasOddHugePages(old),
    allowInvalidSelectorValues: old !== undefined && hasInvalidAffinitySelector(old),
    allowInvalidNodeSelectorValues: hasInvalidSelectorValues(
      old?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
    ),
    allowInvalidSpreadSelector: (old?.topologySpreadConstraints ?? []).some((constraint) =>
      hasInvalidSelector(constraint.labelSelector),
    ),
    allowNonLocalTokenPath: old !== undefined && hasNonLocalTokenPath(old),
    allowSysctlsOfHostNamespaces: old !== undefined && hasSysctlOfHostNamespace(old),
    allowMountOptionSelinuxPolicy: old?.securityContext?.seLinuxChangePolicy === 'MountOption',
    allowDevicesInUserNamespaces: old !== undefined && hasDevicesInUserNamespace(old),
  };
}

/** Rules for a template, which may be absent from an invalid object. */
export function templateRules(old?: PodTemplateSpec): PodRules {
  return podRules(false, old?.spec, old?.metadata);
}

function hasOddHugePages(spec: PodSpec): boolean {
  const lists = containersOf(spec).flatMap(({ resources }) => [resources?.limits, resources?.requests]);
  return [...lists, spec.overhead].some(hasIndivisibleHugePages);
}

function hasInvalidAffinitySelector({ affinity }: PodSpec): boolean {
  const both = [affinity?.podAffinity, affinity?.podAntiAffinity];
  const terms = both.flatMap((pods) => [
    ...(pods?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(pods?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((weighted) => weighted.podAffinityTerm),
  ]);
  return terms.some((term) => hasInvalidSelector(term.labelSelector) || hasInvalidSelector(term.namespaceSelector));
}

function hasNonLocalTokenPath(spec: PodSpec): boolean {
  const sources = (spec.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? []);
  return sources.some(
    ({ serviceAccountToken: token }) => token !== undefined && !localNonReservedPath(token.path, '').next().done,
  );
}

function hasSysctlOfHostNamespace(spec: PodSpec): boolean {
  return (spec.securityContext?.sysctls ?? []).some(({ name }) => hostNamespaceOfSysctl(name, spec) !== undefined);
}

/** The host namespace that a sysctl would change, when the pod shares it. */
export function hostNamespaceOfSysctl(name: string, spec: PodSpec): 'hostNetwork' | 'hostIPC' | undefined {
  const dotted = name.includes('/') && !/^[^/]*\./.test(name) ? name.replaceAll('/', '.') : name;
  if (spec.hostNetwork === true && dotted.startsWith('net.')) return 'hostNetwork';
  const ipc = /^(kernel\.(shm|msg)|kernel\.sem$|fs\.mqueue\.)/;
  return spec.hostIPC === true && ipc.test(dotted) ? 'hostIPC' : undefined;
}

function hasDevicesInUserNamespace(spec: PodSpec): boolean {
  return spec.hostUsers === false && containersOf(spec).some(({ volumeDevices = [] }) => volumeDevices.length > 0);
}
