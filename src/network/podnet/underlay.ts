import type { ObservedLink } from '../../engines/iproute2/model.ts';
import type { Underlay } from './plan.ts';

export interface UnderlayChoice {
  /** The node's addresses, one a family at most. */
  readonly nodeIps: readonly string[];
  /** The interface that the user named. */
  readonly iface: string | undefined;
}

/** The interfaces that carry packets to other nodes, or why there is none. Pure. */
export function findUnderlay(
  { nodeIps, iface }: UnderlayChoice,
  links: ReadonlyMap<string, ObservedLink>,
): { readonly v4: Underlay | undefined; readonly v6: Underlay | undefined } | { readonly problem: string } {
  const named = iface === undefined ? undefined : links.get(iface);
  if (iface !== undefined && named === undefined)
    return { problem: `there is no interface ${iface}, which --flannel-iface names` };
  const problems: string[] = [];
  const of = (nodeIp: string | undefined): Underlay | undefined => {
    if (nodeIp === undefined) return undefined;
    const candidates = named === undefined ? [...links.values()] : [named];
    const link = candidates.find(({ addresses }) => addresses.some((address) => withoutPrefix(address) === nodeIp));
    if (link !== undefined) return { device: link.name, mtu: link.mtu, address: nodeIp };
    // The interface that was named decides, also where the node's own address is on another.
    const isIPv6 = nodeIp.includes(':');
    const other = named?.addresses.find((address) => address.includes(':') === isIPv6);
    if (named !== undefined && other !== undefined)
      return { device: named.name, mtu: named.mtu, address: withoutPrefix(other) };
    problems.push(
      named === undefined
        ? `no interface of this machine has the node's address ${nodeIp}`
        : `the interface ${named.name} has no IPv${isIPv6 ? 6 : 4} address`,
    );
    return undefined;
  };
  const v4 = of(nodeIps.find((ip) => !ip.includes(':')));
  const v6 = of(nodeIps.find((ip) => ip.includes(':')));
  return problems.length > 0 ? { problem: problems.join('; ') } : { v4, v6 };
}

function withoutPrefix(address: string): string {
  return address.slice(0, address.indexOf('/'));
}
