import { isTrue } from '../../kube/conditions.ts';
import type { Node, Service } from '../../kube/types.gen.ts';
import type { Family } from '../pools/address.ts';

/** k3s' labels. On nodes: only nodes that have it `true` serve, once any has it. */
export const enableLabel = 'svccontroller.k3s.cattle.io/enablelb';
/** On nodes and Services: a Service is served by the nodes of the same pool. */
export const nodePoolLabel = 'svccontroller.k3s.cattle.io/lbpool';

/**
 * The addresses of nodes at which a Service can be reached by the ports of the hosts, as k3s' service load balancer shows
 * them: external addresses where any of the nodes has one, else internal ones, of the Service's families. Pure.
 * `local` has the nodes with a ready endpoint; it counts with externalTrafficPolicy Local.
 */
export function nodeAddressesOf(
  service: Service,
  nodes: readonly Node[],
  local: ReadonlySet<string>,
): readonly string[] {
  const serving = servingNodes(service, nodes).filter(
    (node) => service.spec?.externalTrafficPolicy !== 'Local' || local.has(node.metadata.name ?? ''),
  );
  const families: readonly string[] = service.spec?.ipFamilies ?? ['IPv4'];
  const of = (type: string) =>
    serving
      .flatMap((node) => node.status?.addresses ?? [])
      .filter((address) => address.type === type && families.includes(familyOf(address.address)))
      .map(({ address }) => address);
  const external = of('ExternalIP');
  const addresses = new Set(external.length > 0 ? external : of('InternalIP'));
  // A Service that prefers one family shows it first.
  const rank = (address: string) => families.indexOf(familyOf(address));
  return [...addresses].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** The nodes whose ports a Service may have. */
export function servingNodes(service: Service, nodes: readonly Node[]): readonly Node[] {
  const pool = service.metadata.labels?.[nodePoolLabel];
  const isChosen = nodes.some((node) => node.metadata.labels?.[enableLabel] === 'true');
  return nodes.filter((node) => {
    const labels = node.metadata.labels ?? {};
    if (labels['node.kubernetes.io/exclude-from-external-load-balancers'] !== undefined) return false;
    if (isChosen && labels[enableLabel] !== 'true') return false;
    if (pool !== undefined && labels[nodePoolLabel] !== pool) return false;
    return isTrue(node.status?.conditions, 'Ready') && node.metadata.deletionTimestamp === undefined;
  });
}

function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}
