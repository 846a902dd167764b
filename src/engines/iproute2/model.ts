/** What links, routes and neighbours of a network shall be: plain data, in the words of ip(8) and bridge(8). */
export interface NetworkState {
  readonly devices: readonly Device[];
  readonly routes: readonly Route[];
  readonly neighbours: readonly Neighbour[];
  readonly forwarding: readonly ForwardingEntry[];
}

/** A network interface. WireGuard, XFRM and TUN devices are made by their own engines; here they get addresses, MTU and state. */
export type Device = VxlanDevice | TunnelDevice;

interface DeviceBase {
  readonly name: string;
  readonly mtu: number;
  /** With prefix lengths. */
  readonly addresses: readonly string[];
}

export interface VxlanDevice extends DeviceBase {
  readonly kind: 'vxlan';
  readonly mac: string;
  /** VXLAN network identifier. */
  readonly id: number;
  readonly port: number;
  /** Address of this machine that packets are sent from, and the interface that carries it. */
  readonly local: string;
  readonly underlay: string;
  /** Group-based policy extension. */
  readonly gbp: boolean;
}

export interface TunnelDevice extends DeviceBase {
  readonly kind: 'wireguard' | 'ipsec';
}

export interface Route {
  readonly type: 'unicast' | 'unreachable';
  readonly destination: string;
  readonly via?: string;
  readonly device?: string;
  /** The gateway is taken to be on the link, whatever addresses say. */
  readonly onlink?: boolean;
  readonly metric?: number;
}

/** A permanent entry of the neighbour table: ARP and NDP need not ask. */
export interface Neighbour {
  readonly device: string;
  readonly address: string;
  readonly mac: string;
}

/** A permanent entry of a VXLAN device's forwarding table: which machine a MAC address is behind. */
export interface ForwardingEntry {
  readonly device: string;
  readonly mac: string;
  readonly destination: string;
}

/** What the kernel has of that; only what may be ours. */
export interface ObservedState {
  readonly links: ReadonlyMap<string, ObservedLink>;
  /** Routes that bear our protocol number. */
  readonly routes: readonly Route[];
  /** Permanent entries on the devices that were asked about. */
  readonly neighbours: readonly Neighbour[];
  readonly forwarding: readonly ForwardingEntry[];
}

export interface ObservedLink {
  readonly name: string;
  readonly mtu: number;
  readonly mac: string;
  readonly isUp: boolean;
  /** `vxlan`, `wireguard`, `tun`, ...; empty for hardware. */
  readonly kind: string;
  /** The mark that our devices bear. */
  readonly alias: string;
  readonly addresses: readonly string[];
  /** Of a VXLAN device. */
  readonly vxlan?: {
    readonly id: number;
    readonly port: number;
    readonly local: string;
    readonly underlay: string;
    readonly learning: boolean;
    readonly gbp: boolean;
  };
}

/** Marks routes of ours (rtnetlink's protocol field; rt_protos(5) assigns no name to the number). */
export const routeProtocol = 87;
/** Marks devices of ours, as `ip link` shows it. */
export const deviceAlias = 'wherry pod network';
