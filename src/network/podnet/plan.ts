import { createHash } from 'node:crypto';
import type {
  Device,
  ForwardingEntry,
  Neighbour,
  NetworkState,
  Route,
  VxlanDevice,
} from '../../engines/iproute2/model.ts';
import { type IpsecDriver, type IpsecTunnel, ipsecDevice, libipsecMtuMax } from '../../engines/strongswan/config.ts';
import type { WireGuardTunnel } from '../../engines/wireguard/config.ts';
import type { Peer, PeerFamily } from './annotations.ts';
import { type Backend, flannelTypes, type IpsecBackend, type VxlanBackend, type WireGuardBackend } from './settings.ts';

/** An interface of this machine that carries packets to other nodes. */
export interface Underlay {
  readonly device: string;
  readonly mtu: number;
  /** This machine's address on it. */
  readonly address: string;
}

export interface PlanInput {
  readonly backend: Backend;
  /** This node: the addresses and keys that it tells the others. */
  readonly own: Peer;
  readonly underlay: { readonly v4: Underlay | undefined; readonly v6: Underlay | undefined };
  readonly clusterCidrs: readonly string[];
  readonly peers: readonly Peer[];
  /** Addresses of peers that are on a link of this machine. */
  readonly onLink: ReadonlySet<string>;
  /** WireGuard's; secret. */
  readonly privateKey: string | undefined;
  /** Who makes the packets of IPsec. */
  readonly ipsecDriver: IpsecDriver | undefined;
}

/** What this node's network shall be. */
export interface NetworkPlan extends NetworkState {
  readonly tunnels: readonly WireGuardTunnel[];
  readonly security: readonly IpsecTunnel[];
  /** Of new pods. */
  readonly mtu: number;
  /** Names of the nodes whose pods are reached. */
  readonly reached: readonly string[];
  /** Nodes whose pods are not reached, and why. */
  readonly unreached: readonly Unreached[];
}

export interface Unreached {
  readonly node: string;
  readonly why: string;
  /** It has not told all yet, as a node that is just joining. */
  readonly isWaiting: boolean;
}

/** Bytes that each backend puts around a packet, by the family of the addresses outside. */
export const overheads = {
  /** IP 20 or 40, UDP 8, VXLAN 8, the inner Ethernet header 14. */
  vxlan: { v4: 50, v6: 70 },
  /** IP 20 or 40, UDP 8, WireGuard 32. */
  wireguard: { v4: 60, v6: 80 },
  /** IP 20 or 40, UDP 8, ESP 8, IV 8, padding and trailer 18 at most, ICV 16. */
  ipsec: { v4: 78, v6: 98 },
} as const;

/** Behind every other route: what has no better one leads nowhere, instead of out of the cluster. */
const lastMetric = 1_000_000;

type Family = 'v4' | 'v6';
const families: readonly Family[] = ['v4', 'v6'];

interface Parts {
  readonly devices: Device[];
  readonly routes: Route[];
  readonly neighbours: Neighbour[];
  readonly forwarding: ForwardingEntry[];
  readonly tunnels: WireGuardTunnel[];
  readonly security: IpsecTunnel[];
  readonly mtus: number[];
  /** By node. */
  readonly problems: Map<string, Omit<Unreached, 'node'>>;
}

/** The network that follows from what the nodes tell of themselves. Pure. */
export function planNetwork(input: PlanInput): NetworkPlan {
  const parts: Parts = {
    ...{ devices: [], routes: [], neighbours: [], forwarding: [], tunnels: [], security: [], mtus: [] },
    problems: new Map(),
  };
  parts.routes.push(...safetyRoutes(input));
  const peers = input.peers.filter((peer) => isUsable(peer, input, parts.problems));
  const { backend } = input;
  switch (backend.name) {
    case 'vxlan':
      for (const family of families) planVxlan(backend, family, input, peers, parts);
      break;
    case 'host-gw':
      for (const family of families) planHostGateway(family, input, peers, parts);
      break;
    case 'wireguard-native':
      planWireGuard(backend, input, peers, parts);
      break;
    case 'ipsec':
      planIpsec(backend, input, peers, parts);
      break;
  }
  const { problems, mtus, ...network } = parts;
  return {
    ...network,
    mtu:
      backend.name === 'ipsec'
        ? Math.min(backend.mtu ?? Number.POSITIVE_INFINITY, ...mtus)
        : (backend.mtu ?? Math.min(...mtus)),
    reached: input.peers.map(({ name }) => name).filter((name) => !problems.has(name)),
    unreached: [...problems].map(([node, problem]) => ({ node, ...problem })),
  };
}

/**
 * Routes that lead nowhere: for addresses of this node's range that no pod has, and, where packets between nodes are encrypted, for
 * the whole cluster, so that nothing leaves in clear while a tunnel or a peer's key is missing.
 */
export function safetyRoutes({
  backend,
  own,
  clusterCidrs,
}: Pick<PlanInput, 'backend' | 'own' | 'clusterCidrs'>): Route[] {
  const isEncrypted = backend.name === 'wireguard-native' || backend.name === 'ipsec';
  const ranges = [own.v4?.podCidr, own.v6?.podCidr, ...(isEncrypted ? clusterCidrs : [])];
  return [...new Set(ranges.filter((range) => range !== undefined))].map((destination) => ({
    type: 'unreachable',
    destination,
    metric: lastMetric,
  }));
}

const waiting = (why: string) => ({ why, isWaiting: true });
const lasting = (why: string) => ({ why, isWaiting: false });

function isUsable(peer: Peer, { backend, own }: PlanInput, problems: Parts['problems']): boolean {
  const type = flannelTypes[backend.name];
  const problem = (() => {
    if (peer.v4 === undefined && peer.v6 === undefined) return waiting('it has no range of pod addresses yet');
    if (peer.type === undefined) return waiting('its agent has not told its address yet');
    if (peer.type !== type) return lasting(`its backend is ${peer.type}, not ${type}: restart its agent`);
    for (const family of families) {
      if (own[family] === undefined || peer[family] === undefined) continue;
      if (peer[family].address === undefined) return lasting(`it has told no IPv${family.slice(1)} address`);
    }
    return undefined;
  })();
  if (problem !== undefined) problems.set(peer.name, problem);
  return problem === undefined;
}

/** The peers of a family whose address is known. */
function reachable(peers: readonly Peer[], family: Family) {
  return peers.flatMap((peer) => {
    const facts = peer[family];
    return facts?.address === undefined ? [] : [{ peer, facts, address: facts.address }];
  });
}

function planVxlan(
  backend: VxlanBackend,
  family: Family,
  input: PlanInput,
  peers: readonly Peer[],
  parts: Parts,
): void {
  const own = input.own[family];
  const underlay = input.underlay[family];
  if (own?.mac === undefined || underlay === undefined) return;
  const device = vxlanDevice(backend, family, own.podCidr, own.mac, underlay);
  parts.devices.push(device);
  parts.mtus.push(device.mtu);
  const { name } = device;
  for (const { peer, facts, address } of reachable(peers, family)) {
    const { podCidr: destination, mac } = facts;
    if (backend.directRouting && input.onLink.has(address)) {
      parts.routes.push({ type: 'unicast', destination, via: address, device: underlay.device });
      continue;
    }
    if (mac === undefined) {
      parts.problems.set(peer.name, waiting('it has not told the MAC address of its VXLAN device'));
      continue;
    }
    const gateway = networkOf(destination);
    parts.forwarding.push({ device: name, mac, destination: address });
    parts.neighbours.push({ device: name, address: gateway, mac });
    parts.routes.push({ type: 'unicast', destination, via: gateway, device: name, onlink: true });
  }
}

function vxlanDevice(
  { id, port, gbp, mtu }: VxlanBackend,
  family: Family,
  podCidr: string,
  mac: string,
  underlay: Underlay,
): VxlanDevice {
  return {
    kind: 'vxlan',
    name: family === 'v4' ? `flannel.${id}` : `flannel-v6.${id}`,
    ...{ id, port, gbp, mac },
    local: underlay.address,
    underlay: underlay.device,
    mtu: mtu ?? underlay.mtu - overheads.vxlan[family],
    addresses: [hostAddress(podCidr)],
  };
}

function planHostGateway(family: Family, input: PlanInput, peers: readonly Peer[], parts: Parts): void {
  const underlay = input.underlay[family];
  if (input.own[family] === undefined || underlay === undefined) return;
  parts.mtus.push(underlay.mtu);
  for (const { peer, facts, address } of reachable(peers, family)) {
    if (!input.onLink.has(address)) {
      parts.problems.set(
        peer.name,
        lasting(`its address ${address} is behind a router, and host-gw needs all nodes on one link: use vxlan`),
      );
      continue;
    }
    parts.routes.push({ type: 'unicast', destination: facts.podCidr, via: address, device: underlay.device });
  }
}

function planWireGuard(backend: WireGuardBackend, input: PlanInput, peers: readonly Peer[], parts: Parts): void {
  const inside = families.filter((family) => input.own[family] !== undefined);
  // Which families travel in the tunnel between addresses of which family.
  const outside: Family =
    backend.mode === 'ipv6' || (backend.mode === 'auto' && input.underlay.v4 === undefined) ? 'v6' : 'v4';
  const tunnels: readonly { readonly outer: Family; readonly inner: readonly Family[] }[] =
    backend.mode === 'separate'
      ? inside.map((outer) => ({ outer, inner: [outer] }))
      : [{ outer: outside, inner: inside }];
  for (const { outer, inner } of tunnels) {
    const underlay = input.underlay[outer];
    if (underlay === undefined || input.privateKey === undefined) continue;
    const name = backend.mode === 'separate' && outer === 'v6' ? 'flannel-wg-v6' : 'flannel-wg';
    const mtu = backend.mtu ?? underlay.mtu - overheads.wireguard[outer];
    const addresses = inner.flatMap((family) => hostAddress(input.own[family]?.podCidr ?? ''));
    parts.devices.push({ kind: 'wireguard', name, mtu, addresses });
    parts.mtus.push(mtu);
    const known = reachable(peers, outer).flatMap(({ peer, facts, address }) => {
      if (facts.publicKey !== undefined) return [{ peer, address, publicKey: facts.publicKey }];
      parts.problems.set(peer.name, waiting('it has not told its WireGuard key'));
      return [];
    });
    parts.tunnels.push({
      name,
      privateKey: input.privateKey,
      port: outer === 'v6' && backend.mode === 'separate' ? backend.portV6 : backend.port,
      peers: known.map(({ peer, address, publicKey }) => ({
        publicKey,
        endpoint: address,
        port: outer === 'v6' && backend.mode === 'separate' ? backend.portV6 : backend.port,
        allowed: inner.flatMap((family) => peer[family]?.podCidr ?? []),
        presharedKey: backend.presharedKey,
        keepalive: backend.keepalive,
      })),
    });
    for (const { peer } of known)
      for (const family of inner) {
        const destination = peer[family]?.podCidr;
        if (destination !== undefined) parts.routes.push({ type: 'unicast', destination, device: name });
      }
  }
}

/** One device for both families; each travels between addresses of its own. */
function planIpsec(backend: IpsecBackend, input: PlanInput, peers: readonly Peer[], parts: Parts): void {
  const largest = input.ipsecDriver === 'libipsec' ? libipsecMtuMax : Number.POSITIVE_INFINITY;
  const addresses: string[] = [];
  for (const family of families) {
    const own = input.own[family];
    const underlay = input.underlay[family];
    if (own === undefined || underlay === undefined) continue;
    addresses.push(hostAddress(own.podCidr));
    parts.mtus.push(Math.min(underlay.mtu - overheads.ipsec[family], largest));
    for (const { peer, facts, address } of reachable(peers, family)) {
      parts.security.push({
        name: `${peer.name}/${family.slice(1)}`,
        ownNode: input.own.name,
        peerNode: peer.name,
        ownAddress: underlay.address,
        peerAddress: address,
        ownRange: own.podCidr,
        peerRange: facts.podCidr,
      });
      parts.routes.push({ type: 'unicast', destination: facts.podCidr, device: ipsecDevice });
    }
  }
  const mtu = Math.min(backend.mtu ?? Number.POSITIVE_INFINITY, ...parts.mtus);
  if (addresses.length > 0) parts.devices.push({ kind: 'ipsec', name: ipsecDevice, mtu, addresses });
}

/** The address that stands for a node on its tunnel devices: the first of its range, as in Flannel. */
function networkOf(cidr: string): string {
  return cidr.slice(0, cidr.indexOf('/'));
}

function hostAddress(podCidr: string): string {
  return `${networkOf(podCidr)}/${podCidr.includes(':') ? 128 : 32}`;
}

/** The MAC address of a node's VXLAN device: the same after every restart, so that nobody's neighbour table grows stale. */
export function macOf(node: string, family: Family, id: number): string {
  const bytes = createHash('sha256').update(`${node}/${family}/${id}`).digest().subarray(0, 6);
  // Locally administered, unicast (IEEE 802).
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** What this node tells the others of one family. */
export function ownFamily(
  node: string,
  family: Family,
  backend: Backend,
  facts: {
    readonly podCidr: string | undefined;
    readonly address: string | undefined;
    readonly publicKey: string | undefined;
  },
): PeerFamily | undefined {
  const { podCidr, address, publicKey } = facts;
  if (podCidr === undefined) return undefined;
  return { podCidr, address, mac: backend.name === 'vxlan' ? macOf(node, family, backend.id) : undefined, publicKey };
}
