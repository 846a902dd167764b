import { atNeediest } from '../kube/pod-resources.ts';
import { parseQuantity, quantityMilliValue, quantityValue } from '../kube/quantity.ts';
import type { Pod } from '../kube/types.gen.ts';

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

/** What a pod asks of its node: its containers, or the pod as a whole (KEP-2837), and the overhead. */
export function podRequests(pod: Pod): Requests {
  const total = atNeediest(pod, ({ resources }) => amounts(resources?.requests), { none: {}, sum, larger });
  return sum({ ...total, ...amounts(pod.spec?.resources?.requests) }, amounts(pod.spec?.overhead));
}

/** For scores a pod that asks nothing counts as 100m and 200 MiB, so that such pods spread too. */
export function nonZeroRequests(requests: Requests): Requests {
  return { cpu: requests['cpu'] || 100, memory: requests['memory'] || 200 * 1024 * 1024 };
}
