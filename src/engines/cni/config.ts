/** What the network of one node's pods is made of. */
export interface PodInterfaces {
  /** Name in the configuration, and of host-local's state folder. */
  readonly name: string;
  /** One range a family, e.g. `10.42.0.0/24`. */
  readonly podCidrs: readonly string[];
  readonly mtu: number;
  /** Where host-local keeps which address is whose. */
  readonly addressFolder: string;
}

/**
 * The CNI configuration list (version 0.4.0, which plugins of 0.9 to 1.x speak): the standard ptp plugin gives each pod a
 * veth pair of its own and the host a route to it, so that every packet of a pod is routed, also one to its neighbour; addresses
 * by host-local. Masquerading and host ports are not here: they are rules of nftables and belong to the network rooms.
 *
 * Where there is IPv6, loopback (which does nothing new, but yields the result that tuning asks for) and tuning go first: an
 * address that host-local gave belongs to nobody else, and looking for a double would take each pod two seconds.
 */
export function compilePodInterfaces({ name, podCidrs, mtu, addressFolder }: PodInterfaces): string {
  const isIPv6 = (cidr: string) => cidr.includes(':');
  const ptp = {
    type: 'ptp',
    ipMasq: false,
    mtu,
    ipam: {
      type: 'host-local',
      dataDir: addressFolder,
      ranges: podCidrs.map((subnet) => [{ subnet }]),
      routes: podCidrs.map((cidr) => ({ dst: isIPv6(cidr) ? '::/0' : '0.0.0.0/0' })),
    },
  };
  const withoutDetection = [
    { type: 'loopback' },
    { type: 'tuning', sysctl: { 'net.ipv6.conf.default.accept_dad': '0' } },
  ];
  const plugins = podCidrs.some(isIPv6) ? [...withoutDetection, ptp] : [ptp];
  return `${JSON.stringify({ cniVersion: '0.4.0', name, plugins }, null, 2)}\n`;
}

/** The bridge of a configuration that an earlier version wrote, if that is what a text is. */
export function bridgeOf(configuration: string): string | undefined {
  return /"type": "bridge",\s*"bridge": "([^"/]{1,15})"/.exec(configuration)?.[1];
}
