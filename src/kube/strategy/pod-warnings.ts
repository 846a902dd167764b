import { isDns1123Label } from '../names.ts';
import type { ObjectMeta } from '../object.ts';
import type { Container, EnvVar, Pod, PodAffinityTerm, PodSpec } from '../types.gen.ts';
import { fractionalBytes } from './claim-warnings.ts';
import { nodeSelectorTermWarnings, nodeSelectorWarnings, replacedLabel } from './node-label-warnings.ts';
import { volumeWarnings } from './volume-warnings.ts';

/** Warnings for a pod that is created or whose spec changes. */
export function podWarnings(pod: Pod, old: Pod | null): readonly string[] {
  if (old !== null && old.metadata.generation === pod.metadata.generation) return [];
  const problems = old === null && pod.metadata.name ? isDns1123Label(pod.metadata.name) : [];
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
  const containers = containersOf(spec, path);
  return [
    ...placementWarnings(spec, path),
    ...annotationWarnings(metadata, prefix),
    ...volumeWarnings(spec.volumes, `${path}.volumes`),
    ...duplicates(spec.hostAliases, 'ip', `${path}.hostAliases`),
    ...duplicates(spec.imagePullSecrets, 'name', `${path}.imagePullSecrets`),
    ...(spec.imagePullSecrets ?? []).flatMap(({ name }, index) =>
      name ? [] : [`${path}.imagePullSecrets[${index}].name: invalid empty name ""`],
    ),
    ...seccompWarnings(spec, metadata, prefix),
    ...fractionalBytes(spec.overhead, ['memory', 'ephemeral-storage'], `${path}.overhead`),
    ...containers.flatMap(([container, at]) => containerWarnings(container, at, spec, metadata, prefix)),
    ...portWarnings(containers),
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
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
];

function annotationWarnings(metadata: Pick<ObjectMeta, 'annotations'> | undefined, prefix: string): readonly string[] {
  return annotations
    .filter(([key]) => metadata?.annotations?.[key] !== undefined)
    .map(([key, message]) => `${prefix}metadata.annotations[${key}]: ${message}`);
}

function seccompWarnings(
  spec: PodSpec,
  metadata: Pick<ObjectMeta, 'annotations'> | undefined,
  prefix: string,
): readonly string[] {
  const key = 'seccomp.security.alpha.kubernetes.io/pod';
  if (spec.securityContext?.seccompProfile !== undefined || metadata?.annotations?.[key] === undefined) return [];
  return [`${prefix}metadata.annotations[${key}]: non-functional in v1.27+; use the "seccompProfile" field instead`];
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

function containerWarnings(
  container: Container,
  path: string,
  spec: PodSpec,
  metadata: Pick<ObjectMeta, 'annotations'> | undefined,
  prefix: string,
): readonly string[] {
  const { limits, requests } = container.resources ?? {};
  return [
    ...profileWarnings(container, spec, metadata, prefix),
    ...fractionalBytes(limits, ['memory'], `${path}.resources.limits`),
    ...fractionalBytes(requests, ['memory'], `${path}.resources.requests`),
    ...fractionalBytes(limits, ['ephemeral-storage'], `${path}.resources.limits`),
    ...fractionalBytes(requests, ['ephemeral-storage'], `${path}.resources.requests`),
    ...environmentWarnings(container.env, path),
  ];
}

const seccompAnnotation = 'container.seccomp.security.alpha.kubernetes.io/';
const appArmorAnnotation = 'container.apparmor.security.beta.kubernetes.io/';

/** Annotations that fields have replaced, where the field is not set. A pod's own AppArmor annotations still count. */
function profileWarnings(
  container: Container,
  spec: PodSpec,
  metadata: Pick<ObjectMeta, 'annotations'> | undefined,
  prefix: string,
): readonly string[] {
  const { seccompProfile, appArmorProfile = spec.securityContext?.appArmorProfile } = container.securityContext ?? {};
  const at = (key: string) => `${prefix}metadata.annotations[${key}]`;
  const warnings: string[] = [];
  const seccomp = `${seccompAnnotation}${container.name}`;
  if (seccompProfile === undefined && metadata?.annotations?.[seccomp] !== undefined) {
    warnings.push(`${at(seccomp)}: non-functional in v1.27+; use the "seccompProfile" field instead`);
  }
  const appArmor = `${appArmorAnnotation}${container.name}`;
  if (prefix !== '' && appArmorProfile === undefined && metadata?.annotations?.[appArmor] !== undefined) {
    warnings.push(`${at(appArmor)}: deprecated since v1.30; use the "appArmorProfile" field instead`);
  }
  return warnings;
}

// Redefining a variable through itself ($(PATH):/more) is what people mean.
function environmentWarnings(env: readonly EnvVar[] | undefined, path: string): readonly string[] {
  const seen = new Set<string>();
  return (env ?? []).flatMap(({ name, value = '', valueFrom }, index) => {
    const reference = `$(${name})`;
    const hides = valueFrom !== undefined || value === reference || !value.includes(reference);
    if (seen.has(name) && hides) {
      const quoted = JSON.stringify(name);
      return [`${path}.env[${index}]: hides previous definition of ${quoted}, which may be dropped when using apply`];
    }
    seen.add(name);
    return [];
  });
}

interface PlacedPort {
  readonly at: string;
  readonly hostIp: string;
  readonly hostPort: number;
}

/** Ports of all containers together: they share one network namespace. */
function portWarnings(containers: readonly (readonly [Container, string])[]): readonly string[] {
  const placed = new Map<string, PlacedPort[]>();
  const warnings: string[] = [];
  for (const [container, path] of containers) {
    for (const [index, port] of (container.ports ?? []).entries()) {
      const { name = '', hostPort = 0, containerPort, protocol = '', hostIP: hostIp = '' } = port;
      const at = `${path}.ports[${index}]`;
      if (hostIp !== '' && hostPort === 0) {
        const printed = `{Name:${name} HostPort:0 ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIp}}`;
        warnings.push(`${at}: hostIP set without hostPort: ${printed}`);
      }
      const key = `${containerPort}/${protocol}`;
      const others = placed.get(key) ?? [];
      for (const other of others) {
        const problem = conflictOf({ at, hostIp, hostPort }, other);
        if (problem !== undefined) warnings.push(`${at}: ${problem} port definition with ${other.at}`);
      }
      placed.set(key, [...others, { at, hostIp, hostPort }]);
    }
  }
  return [...warnings, ...portNameWarnings(containers)];
}

function conflictOf(port: PlacedPort, other: PlacedPort): string | undefined {
  if (port.hostIp === other.hostIp && port.hostPort === other.hostPort) return 'duplicate';
  if (port.hostPort === 0 || other.hostPort === 0) return 'overlapping';
  const isOneUnspecified = (port.hostIp === '') !== (other.hostIp === '');
  return port.hostPort === other.hostPort && isOneUnspecified ? 'dangerously ambiguous' : undefined;
}

function portNameWarnings(containers: readonly (readonly [Container, string])[]): readonly string[] {
  const first = new Map<string, string>();
  const warnings: string[] = [];
  for (const [container, path] of containers) {
    for (const [index, { name }] of (container.ports ?? []).entries()) {
      if (!name) continue;
      const at = `${path}.ports[${index}]`;
      const other = first.get(name);
      if (other === undefined) first.set(name, at);
      else {
        const use = `services and probes that select ports by name will use ${other}`;
        warnings.push(`${at}: duplicate port name ${JSON.stringify(name)} with ${other}, ${use}`);
      }
    }
  }
  return warnings;
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
