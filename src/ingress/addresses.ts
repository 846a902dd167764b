import { isTrue } from '../kube/conditions.ts';
import type { Node } from '../kube/types.gen.ts';
import { servesIngresses } from './node-condition.ts';

/**
 * The addresses at which Ingresses are reached: those of the nodes that are Ready and serve, external ones where any has one, else
 * internal ones, as k3s shows them for its Traefik. Pure.
 */
export function ingressAddresses(nodes: readonly Node[]): readonly string[] {
  const serving = nodes.filter(
    (node) =>
      servesIngresses(node) &&
      node.metadata.deletionTimestamp === undefined &&
      node.metadata.labels?.['node.kubernetes.io/exclude-from-external-load-balancers'] === undefined &&
      isTrue(node.status?.conditions, 'Ready'),
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
