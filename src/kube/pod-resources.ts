import { isSidecar } from './pod-containers.ts';
import { addQuantities, compareQuantities, formatQuantity, parseQuantity } from './quantity.ts';
import type { Container, Pod } from './types.gen.ts';

/** Quantities by resource name. */
export type Amounts = Readonly<Record<string, string>>;

/** What a pod asks for in all: its containers together, or its neediest moment while it starts, and the overhead. */
export function podRequests(pod: Pod): Amounts {
  const requests = atNeediest(pod, ({ resources }) => resources?.requests ?? {}, quantities);
  return sum(withPodLevel(requests, pod.spec?.resources?.requests), pod.spec?.overhead ?? {});
}

/** The same for limits; the overhead counts where there is a limit at all. */
export function podLimits(pod: Pod): Amounts {
  const limits = withPodLevel(
    atNeediest(pod, ({ resources }) => resources?.limits ?? {}, quantities),
    pod.spec?.resources?.limits,
  );
  const overhead = Object.entries(pod.spec?.overhead ?? {}).filter(([name]) => limits[name] !== undefined);
  return sum(limits, Object.fromEntries(overhead));
}

/** How amounts of some form are added and compared. */
export interface Sums<A> {
  readonly none: A;
  sum(a: A, b: A): A;
  larger(a: A, b: A): A;
}

/**
 * What a pod needs at its neediest: its containers together with its sidecars, or an init container beside the sidecars
 * that were started before it (KEP-753).
 */
export function atNeediest<A>(
  pod: Pick<Pod, 'spec'>,
  pick: (container: Container) => A,
  { none, sum, larger }: Sums<A>,
): A {
  let sidecars = none;
  let starting = none;
  for (const container of pod.spec?.initContainers ?? []) {
    const own = sum(sidecars, pick(container));
    if (isSidecar(container)) sidecars = own;
    starting = larger(starting, own);
  }
  let running = sidecars;
  for (const container of pod.spec?.containers ?? []) running = sum(running, pick(container));
  return larger(running, starting);
}

// What the pod as a whole says takes the place of what its containers say.
function withPodLevel(amounts: Amounts, podLevel: Amounts | undefined): Amounts {
  return podLevel === undefined ? amounts : { ...amounts, ...podLevel };
}

export function sum(a: Amounts, b: Amounts): Amounts {
  return combine(a, b, (left, right) => formatQuantity(addQuantities(parseQuantity(left), parseQuantity(right))));
}

export function max(a: Amounts, b: Amounts): Amounts {
  return combine(a, b, (left, right) =>
    compareQuantities(parseQuantity(left), parseQuantity(right)) >= 0 ? left : right,
  );
}

function combine(a: Amounts, b: Amounts, join: (left: string, right: string) => string): Amounts {
  const result: Record<string, string> = { ...a };
  for (const [name, amount] of Object.entries(b)) {
    const standing = result[name];
    result[name] = standing === undefined ? amount : join(standing, amount);
  }
  return result;
}

/** Amounts as quantities. */
export const quantities: Sums<Amounts> = { none: {}, sum, larger: max };
