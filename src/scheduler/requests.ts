import { parseQuantity, quantityMilliValue, quantityValue } from '../kube/quantity.ts';
import type { Container, Pod } from '../kube/types.gen.ts';

/** Amounts by resource name: `cpu` in millicores, everything else in its own unit (bytes, pieces). */
export type Requests = Readonly<Record<string, number>>;

/** A resource list as amounts. */
export function amounts(list: Readonly<Record<string, string>> | undefined): Requests {
  const result: Record<string, number> = {};
  for (const [name, text] of Object.entries(list ?? {})) {
    const quantity = parseQuantity(text);
    result[name] = name === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity);
  }
  return result;
}

export function sum(a: Requests, b: Requests): Requests {
  const result: Record<string, number> = { ...a };
  for (const [name, amount] of Object.entries(b)) result[name] = (result[name] ?? 0) + amount;
  return result;
}

function larger(a: Requests, b: Requests): Requests {
  const result: Record<string, number> = { ...a };
  for (const [name, amount] of Object.entries(b)) result[name] = Math.max(result[name] ?? 0, amount);
  return result;
}

/**
 * What a pod asks of its node: its containers together, or the worst moment of its start if that needs more (an init
 * container beside the sidecars started before it, KEP-753), or the pod-level requests (KEP-2837); plus the overhead.
 */
export function podRequests(pod: Pod): Requests {
  const spec = pod.spec;
  let running: Requests = {};
  for (const container of spec?.containers ?? []) running = sum(running, requestsOf(container));
  let sidecars: Requests = {};
  let worst: Requests = {};
  for (const container of spec?.initContainers ?? []) {
    const own = requestsOf(container);
    if (container.restartPolicy === 'Always') {
      sidecars = sum(sidecars, own);
      worst = larger(worst, sidecars);
    } else {
      worst = larger(worst, sum(sidecars, own));
    }
  }
  const total = larger(sum(running, sidecars), worst);
  return sum({ ...total, ...amounts(spec?.resources?.requests) }, amounts(spec?.overhead));
}

function requestsOf(container: Container): Requests {
  return amounts(container.resources?.requests);
}

/** For scores a pod that asks nothing counts as 100m and 200 MiB, so that such pods spread too. */
export function nonZeroRequests(requests: Requests): Requests {
  return { cpu: requests['cpu'] || 100, memory: requests['memory'] || 200 * 1024 * 1024 };
}
