import { isDns1123Label } from '../names.ts';
import type { ObjectMeta } from '../object.ts';
import type { Container, EnvVar, Pod, PodAffinityTerm, PodSpec } from '../types.gen.ts';
import { fractionalBytes } from './claim-warnings.ts';
import { nodeSelectorTermWarnings, nodeSelectorWarnings, replacedLabel } from './node-label-warnings.ts';
import { volumeWarnings } from './volume-warnings.ts';

/** Warnings for a pod that is created or whose spec changes. */
export function podWarnings(pod: Pod, old: Pod | null): readonly string[] {
  if (old !== null && old.metadata.generation === pod.metadata.generation) return [];
  const problems = old === null ? isDns1123Label(pod.metadata.name ?? '') : [];
  const name = "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior";
  return [
    ...(problems.length === 0 ? [] : [`${name}; a DNS label is recommended: [${problems.join(' ')}]`]),
    ...podSpecWarnings(pod.spec, pod.metadata, ''),
  ];
}

/** The same for the spec in a pod or in a template; `prefix` is the path to it with its dot, e.g. `spec.template.`. */
export function podSpecWarnings(
  spec: PodSpec | undefined,
  metadata: Pick<ObjectMeta, 'annotations'> | undefined,
  prefix: string,
): readonly string[] {
  if (spec === undefined) return [];
  const path = `${prefix}spec`;
  return [
    ...placementWarnings(spec, path),
    ...annotationWarnings(metadata, prefix),
    ...volumeWarnings(spec.volumes, `${path}.volumes`),
    ...duplicates(spec.hostAliases, 'ip', `${path}.hostAliases`),
    ...duplicates(spec.imagePullSecrets, 'name', `${path}.imagePullSecrets`),
    ...(spec.imagePullSecrets ?? []).flatMap(({ name }, index) =>
      name ? [] : [`${path}.imagePullSecrets[${index}].name: invalid empty name ""`],
    ),
    ...fractionalBytes(spec.overhead, ['memory', 'ephemeral-storage'], `${path}.overhead`),
    ...containersOf(spec, path).flatMap(([container, at]) => containerWarnings(container, at)),
    ...graceWarnings(spec, path),
    ...affinityWarnings(spec, path),
  ];
}

function containersOf(spec: PodSpec, path: string): readonly (readonly [Container, string])[] {
  return [
    ...(spec.initContainers ?? []).map((one, index) => [one, `${path}.initContainers[${index}]`] as const),
    ...(spec.containers ?? []).map((one, index) => [one, `${path}.containers[${index}]`] as const),
  ];
}

function placementWarnings(spec: PodSpec, path: string): readonly string[] {
  const nodeAffinity = spec.affinity?.nodeAffinity;
  const affinityPath = `${path}.affinity.nodeAffinity`;
  return [
    ...Object.keys(spec.nodeSelector ?? {}).flatMap((key) => {
      const message = replacedLabel(key);
      return message === undefined ? [] : [`${path}.nodeSelector[${key}]: ${message}`];
    }),
    ...nodeSelectorWarnings(
      nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
      `${affinityPath}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`,
    ),
    ...(nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(({ preference }, index) =>
      nodeSelectorTermWarnings(
        preference,
        `${affinityPath}.preferredDuringSchedulingIgnoredDuringExecution[${index}].preference`,
      ),
    ),
    ...(spec.topologySpreadConstraints ?? []).flatMap(({ topologyKey, labelSelector }, index) => {
      const at = `${path}.topologySpreadConstraints[${index}]`;
      const message = replacedLabel(topologyKey);
      return [
        ...(message === undefined ? [] : [`${at}.topologyKey: ${topologyKey} is ${message}`]),
        ...(labelSelector === undefined ? [noSelector(at)] : []),
      ];
    }),
  ];
}

function noSelector(at: string): string {
  return `${at}.labelSelector: a null labelSelector results in matching no pod`;
}

const annotations: readonly (readonly [string, string])[] = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['seccomp.security.alpha.kubernetes.io/pod', 'non-functional in v1.27+; use the "seccompProfile" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
];

function annotationWarnings(metadata: Pick<ObjectMeta, 'annotations'> | undefined, prefix: string): readonly string[] {
  return annotations
    .filter(([key]) => metadata?.annotations?.[key] !== undefined)
    .map(([key, message]) => `${prefix}metadata.annotations[${key}]: ${message}`);
}

function duplicates<K extends 'ip' | 'name'>(
  items: readonly { readonly [_ in K]?: string }[] | undefined,
  key: K,
  path: string,
): readonly string[] {
  const seen = new Set<string>();
  return (items ?? []).flatMap((item, index) => {
    const value = item[key] ?? '';
    if (seen.has(value)) return [`${path}[${index}].${key}: duplicate ${key} ${JSON.stringify(value)}`];
    seen.add(value);
    return [];
  });
}

function containerWarnings(container: Container, path: string): readonly string[] {
  const { limits, requests } = container.resources ?? {};
  return [
    ...environmentWarnings(container.env, path),
    ...portWarnings(container, path),
    ...fractionalBytes(limits, ['memory'], `${path}.resources.limits`),
    ...fractionalBytes(requests, ['memory'], `${path}.resources.requests`),
    ...fractionalBytes(limits, ['ephemeral-storage'], `${path}.resources.limits`),
    ...fractionalBytes(requests, ['ephemeral-storage'], `${path}.resources.requests`),
  ];
}

// Redefining a variable through itself ($(PATH):/more) is what people mean.
function environmentWarnings(env: readonly EnvVar[] | undefined, path: string): readonly string[] {
  const seen = new Set<string>();
  return (env ?? []).flatMap(({ name, value = '' }, index) => {
    if (seen.has(name) && !value.includes(`$(${name})`)) {
      return [
        `${path}.env[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
      ];
    }
    seen.add(name);
    return [];
  });
}

function portWarnings(container: Container, path: string): readonly string[] {
  const first = new Map<string, number>();
  return (container.ports ?? []).flatMap((port, index) => {
    const { name = '', hostPort = 0, containerPort, protocol = '', hostIP = '' } = port;
    const at = `${path}.ports[${index}]`;
    const warnings: string[] = [];
    if (hostIP !== '' && hostPort === 0) {
      warnings.push(
        `${at}: hostIP set without hostPort: {Name:${name} HostPort:0 ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`,
      );
    }
    const key = `${containerPort}/${protocol}/${hostIP}/${hostPort}`;
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, index);
    else warnings.push(`${at}: duplicate port definition with ${path}.ports[${earlier}]`);
    return warnings;
  });
}

function graceWarnings(spec: PodSpec, path: string): readonly string[] {
  if ((spec.terminationGracePeriodSeconds ?? 0) >= 0) return [];
  return [`${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`];
}

function affinityWarnings(spec: PodSpec, path: string): readonly string[] {
  return (['podAffinity', 'podAntiAffinity'] as const).flatMap((side) => {
    const affinity = spec.affinity?.[side];
    const at = `${path}.affinity.${side}`;
    const check = (term: PodAffinityTerm | undefined, where: string) =>
      term?.labelSelector === undefined ? [noSelector(where)] : [];
    return [
      ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).flatMap((term, index) =>
        check(term, `${at}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`),
      ),
      ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(({ podAffinityTerm }, index) =>
        check(podAffinityTerm, `${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}].podAffinityTerm`),
      ),
    ];
  });
}
