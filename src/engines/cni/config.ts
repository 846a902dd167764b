/** What the pod network of one node is made of. */
export interface BridgeNetwork {
  /** Name in the configuration, and of host-local's state folder. */
  readonly name: string;
  /** The bridge's interface name, at most 15 characters. */
  readonly bridge: string;
  /** One range a family, e.g. `10.42.0.0/24`. */
  readonly podCidrs: readonly string[];
  readonly mtu: number;
  /** Where host-local keeps which address is whose. */
  readonly addressFolder: string;
}

/**
 * The CNI configuration list (version 0.4.0, which plugins of 0.9 to 1.x speak): the standard bridge plugin with the node's
 * address on the bridge as the pods' gateway, addresses by host-local, hairpin so that a pod reaches itself through a Service.
 * Masquerading and host ports are not here: they are rules of nftables and belong to the services room.
 */
export function compileBridgeNetwork(network: BridgeNetwork): string {
  const isIPv6 = (cidr: string) => cidr.includes(':');
  const list = {
    cniVersion: '0.4.0',
    name: network.name,
    plugins: [
      {
        type: 'bridge',
        bridge: network.bridge,
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        forceAddress: true,
        mtu: network.mtu,
        ipam: {
          type: 'host-local',
          dataDir: network.addressFolder,
          ranges: network.podCidrs.map((subnet) => [{ subnet }]),
          routes: network.podCidrs.map((cidr) => ({ dst: isIPv6(cidr) ? '::/0' : '0.0.0.0/0' })),
        },
      },
    ],
  };
  return `${JSON.stringify(list, null, 2)}\n`;
}
