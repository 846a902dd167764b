import { type Amounts, podLimits, podRequests, sum } from './pod-resources.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  negateQuantity,
  parseQuantity,
  quantitySign,
} from './quantity.ts';
import { matchesScopes } from './quota-scopes.ts';
import { groupResourceOf, type Resource } from './resource.ts';
import { persistentvolumeclaims, pods, services } from './resources.gen.ts';
import type { Container, PersistentVolumeClaim, Pod, ResourceQuota, Service } from './types.gen.ts';

/**
 * What objects use of a ResourceQuota: pure functions for admission, which charges, and for the controller, which adds
 * up anew (k8s.io/kubernetes/pkg/quota/v1).
 */

/** The resources of a quota that an object of this kind can use. */
export function quotaNames(resource: Resource, hard: Amounts): readonly string[] {
  const own = groupResourceOf(resource);
  return Object.keys(hard).filter((name) => name === `count/${own}` || usesResource(own, name));
}

const podNames = new Set(['pods', 'cpu', 'memory', 'ephemeral-storage', 'requests.cpu', 'requests.memory']);
for (const name of ['requests.ephemeral-storage', 'limits.cpu', 'limits.memory', 'limits.ephemeral-storage'])
  podNames.add(name);
const serviceNames = new Set(['services', 'services.nodeports', 'services.loadbalancers']);
// Kinds that could be counted by their bare name before every kind could be counted.
const countedByName = new Set(['configmaps', 'secrets', 'resourcequotas', 'replicationcontrollers']);
const classSuffix = '.storageclass.storage.k8s.io/';

function usesResource(own: string, name: string): boolean {
  switch (own) {
    case 'pods':
      return podNames.has(name) || /^(requests\.)?hugepages-/.test(name) || isExtendedRequest(name);
    case 'services':
      return serviceNames.has(name);
    case 'persistentvolumeclaims':
      return name === own || name === 'requests.storage' || name.includes(classSuffix);
    default:
      return countedByName.has(own) && name === own;
  }
}

/** `requests.example.com/gpu`: resources that some vendor added to nodes. */
function isExtendedRequest(name: string): boolean {
  return name.startsWith('requests.') && name.includes('/') && !name.includes('kubernetes.io/');
}

/** What one object uses, by the names that quotas give to it. */
export function usageOf(resource: Resource, object: object, nowMs: number): Amounts {
  const own = groupResourceOf(resource);
  const count = { [`count/${own}`]: '1' };
  switch (own) {
    case groupResourceOf(pods):
      return { ...count, ...podUsage(object as Pod, nowMs) };
    case groupResourceOf(services):
      return { ...count, ...serviceUsage(object as Service) };
    case groupResourceOf(persistentvolumeclaims):
      return { ...count, ...claimUsage(object as PersistentVolumeClaim) };
    default:
      return countedByName.has(own) ? { ...count, [own]: '1' } : count;
  }
}

/** Finished pods use nothing but their place; so do those that should long have been gone. */
function podUsage(pod: Pod, nowMs: number): Amounts {
  const phase = pod.status?.phase;
  if (phase === 'Succeeded' || phase === 'Failed') return {};
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  if (deletionTimestamp !== undefined && deletionGracePeriodSeconds !== undefined) {
    if (nowMs > Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000) return {};
  }
  return { pods: '1', ...computeUsage(podRequests(pod), podLimits(pod)) };
}

function computeUsage(requests: Amounts, limits: Amounts): Amounts {
  const usage: Record<string, string> = {};
  for (const [name, amount] of Object.entries(requests)) {
    usage[`requests.${name}`] = amount;
    if (podNames.has(name) || name.startsWith('hugepages-')) usage[name] = amount;
  }
  for (const [name, amount] of Object.entries(limits))
    if (podNames.has(`limits.${name}`)) usage[`limits.${name}`] = amount;
  return usage;
}

function serviceUsage({ spec }: Service): Amounts {
  const ports = spec?.ports ?? [];
  const isBalanced = spec?.type === 'LoadBalancer';
  const allocated = isBalanced && spec?.allocateLoadBalancerNodePorts === false;
  const nodePorts = allocated ? ports.filter(({ nodePort }) => (nodePort ?? 0) !== 0).length : ports.length;
  const takesPorts = isBalanced || spec?.type === 'NodePort';
  return {
    services: '1',
    'services.nodeports': takesPorts ? String(nodePorts) : '0',
    'services.loadbalancers': isBalanced ? '1' : '0',
  };
}

function claimUsage({ spec, status, metadata }: PersistentVolumeClaim): Amounts {
  const className = metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec?.storageClassName ?? '';
  const requested = spec?.resources?.requests?.['storage'];
  const allocated = status?.allocatedResources?.['storage'];
  const isLarger = requested !== undefined && allocated !== undefined && compare(allocated, requested) > 0;
  const size = isLarger ? allocated : requested;
  return {
    persistentvolumeclaims: '1',
    ...(className && { [`${className}${classSuffix}persistentvolumeclaims`]: '1' }),
    ...(size !== undefined && { 'requests.storage': size }),
    ...(size !== undefined && className && { [`${className}${classSuffix}requests.storage`]: size }),
  };
}

// A quota on these asks every container to say what it needs, or none could be counted.
const mustBeSaid = ['cpu', 'limits.cpu', 'limits.memory', 'memory', 'requests.cpu', 'requests.memory'];

/** Why an object can't be counted against a quota on `names`; undefined when it can. */
export function unmetConstraints(resource: Resource, object: object, names: readonly string[]): string | undefined {
  if (groupResourceOf(resource) !== 'pods') return undefined;
  const { spec } = object as Pod;
  const podLevel = Object.keys(computeUsage(spec?.resources?.requests ?? {}, spec?.resources?.limits ?? {}));
  const containers: readonly Container[] = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const missing = mustBeSaid.flatMap((name) => {
    if (!names.includes(name) || podLevel.includes(name)) return [];
    const silent = containers.filter(
      ({ resources }) => computeUsage(resources?.requests ?? {}, resources?.limits ?? {})[name] === undefined,
    );
    const list = [...new Set(silent.map((container) => container.name))].sort();
    return list.length === 0 ? [] : [`${name} for: ${list.join(',')}`];
  });
  return missing.length === 0 ? undefined : `must specify ${missing.join('; ')}`;
}

/** Whether an object counts at all: a quota with scopes is about the pods (or claims) in them alone. */
export function quotaMatches(resource: Resource, object: object, quota: ResourceQuota): boolean {
  return matchesScopes(groupResourceOf(resource), object, quota.spec ?? {});
}

export function addAmounts(a: Amounts, b: Amounts): Amounts {
  return sum(a, b);
}

export function subtractAmounts(a: Amounts, b: Amounts): Amounts {
  const negative = Object.entries(b).map(([name, amount]) => [
    name,
    formatQuantity(negateQuantity(parseQuantity(amount))),
  ]);
  return sum(a, Object.fromEntries(negative));
}

/** Only the entries with these names. */
export function pickAmounts(amounts: Amounts, names: readonly string[]): Amounts {
  const kept = names.flatMap((name) => {
    const amount = amounts[name];
    return amount === undefined ? [] : [[name, amount] as const];
  });
  return Object.fromEntries(kept);
}

/** The names of the positive entries of `delta` with which `used` would exceed `hard`, sorted. */
export function exceededNames(used: Amounts, delta: Amounts, hard: Amounts): readonly string[] {
  return Object.entries(delta)
    .filter(([name, amount]) => {
      const limit = hard[name];
      const change = parseQuantity(amount);
      if (limit === undefined || quantitySign(change) <= 0) return false;
      return compareQuantities(addQuantities(parseQuantity(used[name] ?? '0'), change), parseQuantity(limit)) > 0;
    })
    .map(([name]) => name)
    .sort();
}

export function isNothing(amounts: Amounts): boolean {
  return Object.values(amounts).every((amount) => quantitySign(parseQuantity(amount)) === 0);
}

function compare(a: string, b: string): number {
  return compareQuantities(parseQuantity(a), parseQuantity(b));
}
