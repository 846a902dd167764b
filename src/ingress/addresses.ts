import { isTrue } from '../kube/conditions.ts';
import type { Node } from '../kube/types.gen.ts';

/**
 * The addresses at which Ingresses are reached: those of the nodes that are Ready, external ones where any has one, else
 * internal ones, as k3s shows them for its Traefik. Pure.
 */
export function ingressAddresses(nodes: readonly Node[]): readonly string[] {
  const serving = nodes.filter(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined &&
      metadata.labels?.['node.kubernetes.io/exclude-from-external-load-balancers'] === undefined &&
      isTrue(status?.conditions, 'Ready'),
  );
  const of = (type: string) =>
    serving.flatMap(({ status }) =>
      (status?.addresses ?? []).filter((one) => one.type === type).map(({ address }) => address),
    );
  const external = of('ExternalIP');
  const isIpv6 = (address: string) => (address.includes(':') ? 1 : 0);
  return [...new Set(external.length > 0 ? external : of('InternalIP'))].sort(
    (a, b) => isIpv6(a) - isIpv6(b) || (a < b ? -1 : 1),
  );
}
