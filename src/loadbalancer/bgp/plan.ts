import {
  type BirdBfd,
  type BirdConfig,
  type BirdPeer,
  type BirdRoute,
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
  /** What Secrets say, by `namespace/name`; undefined: not there, or of another type. */
  password(secret: { readonly namespace: string; readonly name: string }): string | undefined;
}

export interface BgpPlan {
  readonly bird: BirdConfig;
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
  const routerId = addressOf(node, 'IPv4') ?? numberOf(node.metadata.name ?? '');
  const problems = new Map<string, string>();
  const peers = new Map<string, BirdPeer>();
  for (const peer of configuration.bgp.peers) {
    if (!isChosen(peer.nodeSelectors, node)) continue;
    const compiled = peerOf(peer, input);
    if (typeof compiled === 'string') problems.set(peer.name, compiled);
    else peers.set(peer.name, compiled);
  }
  const announced = new Map<string, readonly string[]>();
  const routes = new Map<string, Map<string, BirdRoute>>();
  if (mayAnnounce(node)) {
    for (const service of input.services) {
      const told = new Set<string>();
      for (const [advertisement, prefix] of advertisementsOf(service, input)) {
        for (const name of peers.keys()) {
          if (advertisement.peers.length > 0 && !advertisement.peers.includes(name)) continue;
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

function peerOf(peer: Peer, { configuration, node, password: passwordOf }: BgpPlanInput): BirdPeer | string {
  const { address } = peer;
  if (address === undefined) return 'peers behind an interface without an address are not supported: give peerAddress';
  const password = peer.passwordSecret === undefined ? peer.password : passwordOf(peer.passwordSecret);
  if (peer.passwordSecret !== undefined && password === undefined) {
    const { namespace, name } = peer.passwordSecret;
    return `there is no Secret ${namespace}/${name} of type kubernetes.io/basic-auth with a password`;
  }
  if (password !== undefined && /["\r\n]/.test(password))
    return 'the password has a quotation mark or a line end in it';
  const family = address.includes(':') ? 'IPv6' : 'IPv4';
  const bfd = peer.bfdProfile === undefined ? undefined : configuration.bgp.bfdProfiles.get(peer.bfdProfile);
  const isInternal = peer.peerASN === 'internal' || peer.peerASN === peer.myASN;
  // BFD over several hops must know where it begins; sessions of one system count as such.
  const localAddress =
    peer.sourceAddress ?? (bfd !== undefined && (peer.multiHop || isInternal) ? addressOf(node, family) : undefined);
  const both = peer.bothFamilies ? (['ipv4', 'ipv6'] as const) : ([family === 'IPv6' ? 'ipv6' : 'ipv4'] as const);
  return {
    name: protocolName(peer.name),
    localAsn: peer.myASN,
    localAddress,
    peerAsn: peer.peerASN,
    address,
    port: peer.port,
    routerId: peer.routerID,
    holdTime: peer.holdTime,
    keepaliveTime: peer.keepaliveTime,
    connectTime: peer.connectTime,
    password,
    bfd: bfd === undefined ? undefined : bfdOf(bfd),
    gracefulRestart: peer.gracefulRestart,
    multiHop: peer.multiHop,
    vrf: peer.vrf,
    families: both,
    routes: [],
  };
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

function addressOf({ status }: Node, family: 'IPv4' | 'IPv6'): string | undefined {
  return status?.addresses?.find(
    ({ type, address }) => type === 'InternalIP' && address.includes(':') === (family === 'IPv6'),
  )?.address;
}

// A router's id must be there and be its own, also on a node without IPv4: a number made of its name.
function numberOf(name: string): string {
  let hash = 2166136261;
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619) >>> 0;
  return [10, (hash >>> 16) & 255, (hash >>> 8) & 255, hash & 255 || 1].join('.');
}
