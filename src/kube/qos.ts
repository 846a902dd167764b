import {
  addQuantities,
  compareQuantities,
  parseQuantity,
  type Quantity,
  quantityOf,
  quantitySign,
} from './quantity.ts';
import type { PodSpec, ResourceRequirements } from './types.gen.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const resources: readonly string[] = ['cpu', 'memory'];

/**
 * The quality of service that a pod gets by its requests and limits for CPU and memory: its own where it has them, else
 * those of its containers.
 */
export function qosClassOf(spec: PodSpec): QosClass {
  const ofPod = spec.resources;
  const whole = ofPod !== undefined && (hasResources(ofPod.requests) || hasResources(ofPod.limits));
  const owners = whole
    ? [ofPod]
    : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((container) => container.resources ?? {});
  const requests = totals(owners.map((owner) => owner.requests));
  const limits = totals(owners.map((owner) => owner.limits));
  if (requests.size === 0 && limits.size === 0) return 'BestEffort';
  return owners.every(limitsAll) && sameTotals(requests, limits) ? 'Guaranteed' : 'Burstable';
}

function hasResources(list: Readonly<Record<string, string>> | undefined): boolean {
  return resources.some((name) => list?.[name] !== undefined);
}

function limitsAll({ limits }: ResourceRequirements): boolean {
  return resources.every((name) => limits?.[name] !== undefined && quantitySign(parseQuantity(limits[name])) > 0);
}

function totals(lists: readonly (Readonly<Record<string, string>> | undefined)[]): ReadonlyMap<string, Quantity> {
  const sums = new Map<string, Quantity>();
  for (const list of lists) {
    for (const name of resources) {
      const amount = list?.[name] === undefined ? undefined : parseQuantity(list[name]);
      if (amount === undefined || quantitySign(amount) <= 0) continue;
      sums.set(name, addQuantities(sums.get(name) ?? quantityOf(0), amount));
    }
  }
  return sums;
}

function sameTotals(requests: ReadonlyMap<string, Quantity>, limits: ReadonlyMap<string, Quantity>): boolean {
  if (requests.size !== limits.size) return false;
  return [...requests].every(([name, amount]) => {
    const limit = limits.get(name);
    return limit !== undefined && compareQuantities(amount, limit) === 0;
  });
}
