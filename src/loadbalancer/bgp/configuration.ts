import { parseGoDuration } from '../../kube/go-duration.ts';
import type { LabelSelector } from '../../kube/types.gen.ts';
import type { Report, Scope } from '../configuration.ts';
import type { BFDProfile, BGPAdvertisement, BGPPeer, Community } from '../metallb/types.ts';
import { parseAddress } from '../pools/address.ts';
import type { AddressRange } from '../pools/address-range.ts';
import type { Pool } from '../pools/pool.ts';

/** A router that nodes speak BGP with. */
export interface Peer {
  readonly name: string;
  readonly myASN: number;
  /** A number, or what kind of neighbour is expected where the number is not known. */
  readonly peerASN: number | 'internal' | 'external';
  /** Where it is dialled, or the interface behind which it is. */
  readonly address: string | undefined;
  readonly interface: string | undefined;
  readonly port: number;
  readonly sourceAddress: string | undefined;
  /** Seconds; undefined: the engine's own. */
  readonly holdTime: number | undefined;
  readonly keepaliveTime: number | undefined;
  readonly connectTime: number | undefined;
  readonly routerID: string | undefined;
  readonly nodeSelectors: readonly LabelSelector[];
  readonly password: string | undefined;
  /** A Secret of type kubernetes.io/basic-auth that has it. */
  readonly passwordSecret: { readonly namespace: string; readonly name: string } | undefined;
  readonly bfdProfile: string | undefined;
  readonly gracefulRestart: boolean;
  readonly multiHop: boolean;
  readonly vrf: string | undefined;
  /** Routes of both families over this one session. */
  readonly bothFamilies: boolean;
}

/** Times in milliseconds. */
export interface Bfd {
  readonly name: string;
  readonly receiveInterval: number;
  readonly transmitInterval: number;
  readonly detectMultiplier: number;
  readonly passiveMode: boolean;
}

/** `[1234, 5]` of RFC 1997, or `[1, 2, 3]` of RFC 8092. */
export type CommunityValue = readonly number[];

export interface BgpAdvertisement extends Scope {
  readonly name: string;
  readonly aggregationLength: number;
  readonly aggregationLengthV6: number;
  readonly localPref: number | undefined;
  readonly communities: readonly CommunityValue[];
  /** Names of peers; empty: all. */
  readonly peers: readonly string[];
}

export interface BgpConfiguration {
  readonly peers: readonly Peer[];
  readonly advertisements: readonly BgpAdvertisement[];
  readonly bfdProfiles: ReadonlyMap<string, Bfd>;
}

export interface BgpInput {
  readonly advertisements: readonly BGPAdvertisement[];
  readonly peers: readonly BGPPeer[];
  readonly bfdProfiles: readonly BFDProfile[];
  readonly communities: readonly Community[];
  readonly pools: readonly Pool[];
  scopeOf(advertisement: BGPAdvertisement): Scope;
}

/** What BGP needs of the configuration. Whatever is malformed is reported and left out; see configurationOf. */
export function bgpConfiguration(input: BgpInput, report: Report): BgpConfiguration {
  const bfdProfiles = new Map(
    input.bfdProfiles.map((profile) => [profile.metadata.name ?? '', bfdOf(profile, report)]),
  );
  const aliases = aliasesOf(input.communities, report);
  const peers: Peer[] = [];
  for (const object of input.peers) {
    const peer = peerOf(object, bfdProfiles, report);
    if (peer !== undefined) peers.push(peer);
  }
  const names = new Set(peers.map(({ name }) => name));
  const advertisements = input.advertisements.map((object) => advertisementOf(object, input, aliases, names, report));
  return { peers, advertisements, bfdProfiles };
}

function bfdOf(object: BFDProfile, report: Report): Bfd {
  const { metadata, spec = {} } = object;
  if (spec.echoMode)
    report(object, 'spec.echoMode', 'BIRD has no echo mode; paths are watched by control packets alone');
  if (spec.minimumTtl !== undefined && spec.minimumTtl !== 254) {
    report(object, 'spec.minimumTtl', 'BIRD does not look at the TTL of packets that came over several hops');
  }
  return {
    name: metadata.name ?? '',
    receiveInterval: spec.receiveInterval ?? 300,
    transmitInterval: spec.transmitInterval ?? 300,
    detectMultiplier: spec.detectMultiplier ?? 3,
    passiveMode: spec.passiveMode ?? false,
  };
}

// A peer of which anything is wrong is left out: half of what it says would be another session than the one that was meant.
function peerOf(object: BGPPeer, profiles: ReadonlyMap<string, Bfd>, report: Report): Peer | undefined {
  const { spec } = object;
  let isValid = true;
  const wrong = (field: string, message: string) => {
    isValid = false;
    report(object, `spec.${field}`, message);
  };
  const address = (field: 'peerAddress' | 'sourceAddress' | 'routerID') => {
    const text = spec[field] || undefined;
    if (text !== undefined && parseAddress(text) === undefined)
      wrong(field, `${JSON.stringify(text)} is not an address`);
    return text;
  };
  const seconds = (field: 'holdTime' | 'keepaliveTime' | 'connectTime') => {
    const text = spec[field] || undefined;
    if (text === undefined) return undefined;
    const { nanoseconds = -1 } = parseGoDuration(text);
    if (nanoseconds < 0) {
      wrong(field, `${JSON.stringify(text)} is not a duration such as 90s`);
      return undefined;
    }
    return Math.floor(nanoseconds / 1e9);
  };
  const peerAddress = address('peerAddress');
  const sourceAddress = address('sourceAddress');
  const routerID = address('routerID');
  if (routerID?.includes(':')) wrong('routerID', `${JSON.stringify(routerID)} is not an IPv4 address`);
  if ((peerAddress === undefined) === !spec.interface)
    wrong('peerAddress', 'one of peerAddress and interface is needed, not both');
  if (
    peerAddress !== undefined &&
    sourceAddress !== undefined &&
    peerAddress.includes(':') !== sourceAddress.includes(':')
  ) {
    wrong('sourceAddress', 'sourceAddress and peerAddress are of different families');
  }
  if (!spec.myASN) wrong('myASN', 'the number of the own autonomous system is needed');
  if (!spec.peerASN === (spec.dynamicASN === undefined))
    wrong('peerASN', 'one of peerASN and dynamicASN is needed, not both');
  if (spec.vrf && !/^[\w.-]{1,15}$/.test(spec.vrf))
    wrong('vrf', `${JSON.stringify(spec.vrf)} is not the name of a VRF`);
  const holdTime = seconds('holdTime');
  const keepaliveTime = seconds('keepaliveTime');
  const connectTime = seconds('connectTime');
  // RFC 4271, 4.2: none, or three seconds and more.
  if (holdTime !== undefined && holdTime !== 0 && holdTime < 3) wrong('holdTime', 'holdTime is 0, or 3s and more');
  if (keepaliveTime !== undefined && holdTime !== undefined && keepaliveTime > holdTime) {
    wrong('keepaliveTime', 'keepaliveTime is longer than holdTime');
  }
  if (spec.password && spec.passwordSecret?.name) wrong('password', 'one of password and passwordSecret, not both');
  if (spec.bfdProfile && !profiles.has(spec.bfdProfile)) {
    wrong('bfdProfile', `there is no BFDProfile ${JSON.stringify(spec.bfdProfile)}`);
  }
  const isInternal = spec.dynamicASN === 'internal' || spec.peerASN === spec.myASN;
  if (spec.ebgpMultiHop && isInternal) wrong('ebgpMultiHop', 'ebgpMultiHop is for peers of other autonomous systems');
  if (!isValid) return undefined;
  const secret = spec.passwordSecret?.name;
  return {
    name: object.metadata.name ?? '',
    ...{ myASN: spec.myASN, peerASN: spec.dynamicASN ?? spec.peerASN ?? 'external' },
    ...{ address: peerAddress, interface: spec.interface || undefined, port: spec.peerPort || 179, sourceAddress },
    ...{ holdTime, keepaliveTime, connectTime, routerID },
    nodeSelectors: spec.nodeSelectors ?? [],
    password: spec.password || undefined,
    passwordSecret:
      secret === undefined
        ? undefined
        : { name: secret, namespace: spec.passwordSecret?.namespace || (object.metadata.namespace ?? '') },
    bfdProfile: spec.bfdProfile || undefined,
    gracefulRestart: spec.enableGracefulRestart ?? false,
    multiHop: spec.ebgpMultiHop ?? false,
    vrf: spec.vrf || undefined,
    bothFamilies: spec.dualStackAddressFamily ?? false,
  };
}

function aliasesOf(objects: readonly Community[], report: Report): ReadonlyMap<string, CommunityValue> {
  const aliases = new Map<string, CommunityValue>();
  for (const object of objects) {
    for (const [index, { name = '', value = '' }] of (object.spec?.communities ?? []).entries()) {
      const field = `spec.communities[${index}]`;
      const parsed = parseCommunity(value);
      if (parsed === undefined) report(object, field, `${JSON.stringify(value)} is not a community such as 64512:100`);
      else if (aliases.has(name)) report(object, field, `the name ${JSON.stringify(name)} has a value already`);
      else aliases.set(name, parsed);
    }
  }
  return aliases;
}

/** `1234:5` or `large:1:2:3`; undefined for other text. */
export function parseCommunity(text: string): CommunityValue | undefined {
  const parts = text.split(':');
  const isLarge = parts[0] === 'large';
  const numbers = isLarge ? parts.slice(1) : parts;
  const max = isLarge ? 0xffff_ffff : 0xffff;
  if (numbers.length !== (isLarge ? 3 : 2)) return undefined;
  if (!numbers.every((number) => /^\d{1,10}$/.test(number) && Number(number) <= max)) return undefined;
  return numbers.map(Number);
}

function advertisementOf(
  object: BGPAdvertisement,
  input: BgpInput,
  aliases: ReadonlyMap<string, CommunityValue>,
  peerNames: ReadonlySet<string>,
  report: Report,
): BgpAdvertisement {
  const spec = object.spec ?? {};
  const scope = input.scopeOf(object);
  const aggregationLength = spec.aggregationLength ?? 32;
  const aggregationLengthV6 = spec.aggregationLengthV6 ?? 128;
  const pools = new Set(scope.pools);
  for (const pool of input.pools) {
    if (!pools.has(pool.name)) continue;
    const length = (range: AddressRange) => (range.family === 'IPv4' ? aggregationLength : aggregationLengthV6);
    const wide = pool.ranges.find((range) => !holdsBlocks(range, length(range)));
    if (wide === undefined) continue;
    pools.delete(pool.name);
    const field = wide.family === 'IPv4' ? 'aggregationLength' : 'aggregationLengthV6';
    report(
      object,
      `spec.${field}`,
      `routes of /${length(wide)} would reach beyond ${wide.text} of the pool ${pool.name}`,
    );
  }
  const communities: CommunityValue[] = [];
  for (const [index, text] of (spec.communities ?? []).entries()) {
    const value = aliases.get(text) ?? parseCommunity(text);
    if (value !== undefined) communities.push(value);
    else
      report(
        object,
        `spec.communities[${index}]`,
        `${JSON.stringify(text)} is neither a community nor the name of one`,
      );
  }
  const peers = spec.peers ?? [];
  for (const [index, name] of peers.entries()) {
    if (!peerNames.has(name))
      report(object, `spec.peers[${index}]`, `there is no valid BGPPeer ${JSON.stringify(name)}`);
  }
  return {
    ...{ name: object.metadata.name ?? '', pools, nodeSelectors: scope.nodeSelectors },
    ...{ aggregationLength, aggregationLengthV6, localPref: spec.localPref, communities, peers },
  };
}

// Whether prefixes of this length around all addresses of a range stay within it.
function holdsBlocks(range: AddressRange, length: number): boolean {
  const size = 1n << BigInt((range.family === 'IPv4' ? 32 : 128) - length);
  return range.first % size === 0n && (range.last + 1n) % size === 0n;
}
