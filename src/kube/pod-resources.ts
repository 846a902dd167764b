import { addQuantities, compareQuantities, formatQuantity, parseQuantity } from './quantity.ts';
import type { Container, Pod } from './types.gen.ts';

/** Quantities by resource name. */
export type Amounts = Readonly<Record<string, string>>;
type Pick = (container: Container) => Amounts;

/** What a pod asks for in all: its containers together, or its neediest moment while it starts, and the overhead. */
export function podRequests(pod: Pod): Amounts {
  const requests = effective(pod, ({ resources }) => resources?.requests ?? {});
  return sum(withPodLevel(requests, pod.spec?.resources?.requests), pod.spec?.overhead ?? {});
}

/** The same for limits; the overhead counts where there is a limit at all. */
export function podLimits(pod: Pod): Amounts {
  const limits = withPodLevel(
    effective(pod, ({ resources }) => resources?.limits ?? {}),
    pod.spec?.resources?.limits,
  );
  const overhead = Object.entries(pod.spec?.overhead ?? {}).filter(([name]) => limits[name] !== undefined);
  return sum(limits, Object.fromEntries(overhead));
}

// Init containers run one after the other before the others; those that restart always (sidecars) keep running.
function effective(pod: Pod, pick: Pick): Amounts {
  let running: Amounts = {};
  for (const container of pod.spec?.containers ?? []) running = sum(running, pick(container));
  let sidecars: Amounts = {};
  let starting: Amounts = {};
  for (const container of pod.spec?.initContainers ?? []) {
    if (container.restartPolicy === 'Always') {
      sidecars = sum(sidecars, pick(container));
      running = sum(running, pick(container));
      starting = max(starting, sidecars);
    } else starting = max(starting, sum(sidecars, pick(container)));
  }
  return max(running, starting);
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
