import type { BirdWish } from '../../engines/bird/bird.ts';
import {
  type BirdBfd,
  type BirdChannel,
  type BirdPeer,
  type BirdRoute,
  passwordBytesMax,
  protocolName,
} from '../../engines/bird/config.ts';
import { isTrue } from '../../kube/conditions.ts';
import { matchesLabelSelector } from '../../kube/label-selector.ts';
import { keyOf } from '../../kube/resource.ts';
import type { LabelSelector, Node, Service } from '../../kube/types.gen.ts';
import { shownAddresses } from '../addresses/service.ts';
import type { Configuration } from '../configuration.ts';
import { formatAddress, parseAddress } from '../pools/address.ts';
import { poolOf } from '../pools/pool.ts';
import type { Bfd, BgpAdvertisement, CommunityValue, Peer } from './configuration.ts';

export interface BgpPlanInput {
  readonly configuration: Configuration;
  readonly services: readonly Service[];
  /** This node. */
  readonly node: Node;
  /** Ready endpoints of a Service: on this node, and anywhere. */
  endpoints(key: string): { readonly here: boolean; readonly anywhere: boolean };
  /** Whether an address is on a network of this machine. */
  isConnected(address: string): boolean;
  /** What Secrets say, by `namespace/name`; undefined: not there, or of another type. */
  password(secret: { readonly namespace: string; readonly name: string }): string | undefined;
}

export interface BgpPlan {
  readonly bird: BirdWish;
  /** Names of the peers that are told of each Service, by its key. */
  readonly announced: ReadonlyMap<string, readonly string[]>;
  /** Peers that this node can't speak with, and why. */
  readonly problems: ReadonlyMap<string, string>;
}

/** A Service is announced no longer by a node with this label (Kubernetes' own). */
const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** What this node is to tell its BGP peers. Pure. */
export function planBgp(input: BgpPlanInput): BgpPlan {
  const { configuration, node } = input;
  const routerId = addressOf(node, 'ipv4') ?? numberOf(node.metadata.name ?? '');
  const problems = new Map<string, string>();
  const peers = new Map<string, BirdPeer>();
  const holders = new Map<string, string>();
  for (const peer of configuration.bgp.peers) {
    if (!isChosen(peer.nodeSelectors, node)) continue;
    const compiled = peerOf(peer, input);
    if (typeof compiled === 'string') {
      problems.set(peer.name, compiled);
      continue;
    }
    // A router has one session with a neighbour: two would end each other's without end.
    const holder = holders.get(`${compiled.address} ${peer.vrf ?? ''}`);
    if (holder !== undefined) {
      problems.set(peer.name, `the peer ${holder} has the same address ${compiled.address} already`);
      continue;
    }
    holders.set(`${compiled.address} ${peer.vrf ?? ''}`, peer.name);
    peers.set(peer.name, compiled);
  }
  const announced = new Map<string, readonly string[]>();
  const routes = new Map<string, Map<string, BirdRoute>>();
  if (mayAnnounce(node)) {
    for (const service of input.services) {
      const told = new Set<string>();
      for (const [advertisement, prefix] of advertisementsOf(service, input)) {
        const family = familyOf(prefix);
        for (const [name, { channels }] of peers) {
          if (advertisement.peers.length > 0 && !advertisement.peers.includes(name)) continue;
          if (!channels.some((channel) => channel.family === family)) continue;
          const own = routes.get(name) ?? new Map<string, BirdRoute>();
          own.set(prefix, joined(own.get(prefix), prefix, advertisement));
          routes.set(name, own);
          told.add(name);
        }
      }
      if (told.size > 0) announced.set(keyOf(service), [...told].sort());
    }
  }
  const withRoutes = [...peers].map(([name, peer]) => ({ ...peer, routes: [...(routes.get(name)?.values() ?? [])] }));
  return { bird: { routerId, peers: withRoutes }, announced, problems };
}

function advertisementsOf(service: Service, input: BgpPlanInput): readonly (readonly [BgpAdvertisement, string])[] {
  const { configuration, node } = input;
  if (service.spec?.type !== 'LoadBalancer') return [];
  const { here, anywhere } = input.endpoints(keyOf(service));
  if (!(service.spec.externalTrafficPolicy === 'Local' ? here : anywhere)) return [];
  return shownAddresses(service).flatMap((address) => {
    const pool = poolOf(configuration.pools, address);
    if (pool === undefined) return [];
    return configuration.bgp.advertisements
      .filter((one) => one.pools.has(pool.name) && isChosen(one.nodeSelectors, node))
      .map((one) => [one, prefixOf(address, one)] as const);
  });
}

// Two advertisements of one prefix to one peer make one route: BGP knows no more than one.
function joined(
  standing: BirdRoute | undefined,
  prefix: string,
  { localPref, communities }: BgpAdvertisement,
): BirdRoute {
  const all = new Map<string, CommunityValue>();
  for (const value of [...(standing?.communities ?? []), ...communities]) all.set(value.join(':'), value);
  const preferences = [standing?.localPref, localPref].filter((value) => value !== undefined);
  return {
    prefix,
    localPref: preferences.length === 0 ? undefined : Math.max(...preferences),
    communities: [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value),
  };
}

/** The route of an address: a prefix of the advertisement's length around it. */
function prefixOf(address: string, { aggregationLength, aggregationLengthV6 }: BgpAdvertisement): string {
  const parsed = parseAddress(address);
  const family = parsed?.family ?? 'IPv4';
  const length = family === 'IPv4' ? aggregationLength : aggregationLengthV6;
  const hostBits = BigInt((family === 'IPv4' ? 32 : 128) - length);
  return `${formatAddress(family, ((parsed?.value ?? 0n) >> hostBits) << hostBits)}/${length}`;
}

function peerOf(peer: Peer, input: BgpPlanInput): BirdPeer | string {
  const { configuration, node } = input;
  if (peer.address === undefined) {
    return 'peers behind an interface without an address are not supported: give peerAddress';
  }
  const address = canonical(peer.address);
  if (/^fe[89ab]/.test(address)) return `the link-local address ${address} is not supported: give one that is routed`;
  const password = passwordOf(peer, input);
  if (password?.problem !== undefined) return password.problem;
  const family = familyOf(address);
  const bfd = peer.bfdProfile === undefined ? undefined : configuration.bgp.bfdProfiles.get(peer.bfdProfile);
  const isInternal = peer.peerASN === 'internal' || peer.peerASN === peer.myASN;
  const isNear = input.isConnected(address);
  if (!isInternal && !peer.multiHop && !isNear) {
    return `${address} is on no network of this node: set ebgpMultiHop, or choose the nodes beside it with nodeSelectors`;
  }
  // A neighbour on the same network that watches by BFD expects the packets of one hop.
  const reach = peer.multiHop ? 'multihop' : isInternal && isNear && bfd !== undefined ? 'direct' : undefined;
  // BFD over several hops must know where it begins.
  const isFar = bfd !== undefined && (reach === 'multihop' || (isInternal && !isNear));
  const families: readonly BirdChannel['family'][] = peer.bothFamilies ? ['ipv4', 'ipv6'] : [family];
  return {
    name: protocolName(peer.name),
    localAsn: peer.myASN,
    localAddress: peer.sourceAddress ?? (isFar ? addressOf(node, family) : undefined),
    peerAsn: peer.peerASN,
    address,
    port: peer.port,
    routerId: peer.routerID,
    holdTime: peer.holdTime,
    keepaliveTime: peer.keepaliveTime,
    connectTime: peer.connectTime,
    password: password?.text,
    bfd: bfd === undefined ? undefined : bfdOf(bfd),
    gracefulRestart: peer.gracefulRestart,
    reach,
    vrf: peer.vrf,
    channels: families.map((own) => ({ family: own, nextHop: own === family ? undefined : addressOf(node, own) })),
    routes: [],
  };
}

function passwordOf(
  { password, passwordSecret }: Peer,
  input: BgpPlanInput,
): { readonly text?: string; readonly problem?: string } | undefined {
  const text = passwordSecret === undefined ? password : input.password(passwordSecret);
  if (text === undefined) {
    if (passwordSecret === undefined) return undefined;
    const { namespace, name } = passwordSecret;
    return {
      problem: `there is no Secret ${namespace}/${name} of type kubernetes.io/basic-auth with a password that nodes may read`,
    };
  }
  if (/["\r\n\0]/.test(text)) return { problem: 'the password has a quotation mark or a line end in it' };
  if (Buffer.byteLength(text) > passwordBytesMax) {
    return { problem: `the password is longer than ${passwordBytesMax} bytes` };
  }
  return { text };
}

function familyOf(text: string): BirdChannel['family'] {
  return text.includes(':') ? 'ipv6' : 'ipv4';
}

function canonical(address: string): string {
  const parsed = parseAddress(address);
  return parsed === undefined ? address : formatAddress(parsed.family, parsed.value);
}

function bfdOf({ receiveInterval, transmitInterval, detectMultiplier, passiveMode }: Bfd): BirdBfd {
  return { receiveInterval, transmitInterval, multiplier: detectMultiplier, passive: passiveMode };
}

function mayAnnounce({ metadata, status }: Node): boolean {
  if (metadata.labels?.[excludeLabel] !== undefined || metadata.deletionTimestamp !== undefined) return false;
  return !isTrue(status?.conditions, 'NetworkUnavailable');
}

function isChosen(selectors: readonly LabelSelector[], { metadata }: Node): boolean {
  return selectors.length === 0 || selectors.some((selector) => matchesLabelSelector(selector, metadata.labels));
}

function addressOf({ status }: Node, family: 'ipv4' | 'ipv6'): string | undefined {
  return status?.addresses?.find(
    ({ type, address }) => type === 'InternalIP' && address.includes(':') === (family === 'ipv6'),
  )?.address;
}

// A router's id must be there and be its own, also on a node without IPv4: a number made of its name.
function numberOf(name: string): string {
  let hash = 2166136261;
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619) >>> 0;
  return [10, (hash >>> 16) & 255, (hash >>> 8) & 255, hash & 255 || 1].join('.');
}
