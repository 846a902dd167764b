import type { EndpointRule } from '../../engines/nftables/service-rules.ts';
import { canonicalIp } from '../../kube/ip-text.ts';
import type { Endpoint, EndpointSlice } from '../../kube/types.gen.ts';

/** Where this node stands. */
export interface NodePlace {
  readonly name: string;
  /** Its topology.kubernetes.io/zone, when it has one. */
  readonly zone: string | undefined;
}

/** The endpoints of one port of a Service, as far as this node sends new connections to them. */
export interface ChosenEndpoints {
  readonly cluster: readonly EndpointRule[];
  readonly local: readonly EndpointRule[];
  /** All that still answer, also those that get no new connections: flows to them go on. */
  readonly serving: readonly EndpointRule[];
  /** Some node could answer, if this one can't. */
  readonly exist: boolean;
}

interface Candidate extends EndpointRule {
  readonly isReady: boolean;
  readonly isServing: boolean;
  /** It still answers while its pod ends. */
  readonly isLeaving: boolean;
  readonly isLocal: boolean;
  readonly hints: Endpoint['hints'];
}

/**
 * The endpoints that get new connections: ready ones, near ones where the hints of all agree (KEP-2433, KEP-4444,
 * KEP-3015); failing those, ones that still serve while they terminate (KEP-1669). Sorted by address.
 */
export function chooseEndpoints(
  slices: readonly EndpointSlice[],
  port: { readonly name: string; readonly protocol: string },
  family: 'IPv4' | 'IPv6',
  node: NodePlace,
): ChosenEndpoints {
  const all = candidates(slices, port, family, node);
  const ready = all.filter((e) => e.isReady);
  const leaving = all.filter((e) => e.isLeaving);
  const near = nearest(ready, node);
  const hereReady = ready.filter((e) => e.isLocal);
  const here = hereReady.length > 0 ? hereReady : leaving.filter((e) => e.isLocal);
  return {
    cluster: rulesOf(ready.length > 0 ? near : leaving),
    local: rulesOf(here),
    serving: rulesOf(all.filter((e) => e.isReady || e.isServing)),
    exist: ready.length > 0 || leaving.length > 0,
  };
}

/**
 * How many ready endpoints the node has, over all ports: what a load balancer weighs it by. Pods of two families are
 * not counted twice.
 */
export function countLocalReady(slices: readonly EndpointSlice[], nodeName: string): number {
  const byFamily = new Map<string, Set<string>>();
  for (const { addressType, endpoints = [] } of slices) {
    const found = byFamily.get(addressType) ?? new Set();
    byFamily.set(addressType, found);
    for (const { addresses, conditions, nodeName: at } of endpoints) {
      if (at === nodeName && (conditions?.ready ?? true)) for (const address of addresses) found.add(address);
    }
  }
  return Math.max(0, ...[...byFamily.values()].map(({ size }) => size));
}

function candidates(
  slices: readonly EndpointSlice[],
  port: { readonly name: string; readonly protocol: string },
  family: 'IPv4' | 'IPv6',
  node: NodePlace,
): readonly Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== family || slice.metadata.deletionTimestamp !== undefined) continue;
    const number = slice.ports?.find(
      (p) => (p.name ?? '') === port.name && (p.protocol ?? 'TCP') === port.protocol,
    )?.port;
    if (number === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const address = canonicalIp(endpoint.addresses[0] ?? '');
      if (address?.family !== family) continue;
      const { conditions, nodeName, hints } = endpoint;
      const isReady = conditions?.ready ?? true;
      const isServing = conditions?.serving ?? isReady;
      const candidate: Candidate = {
        address: address.text,
        port: number,
        mayBeHere: nodeName === undefined || nodeName === node.name,
        isReady,
        isServing,
        isLeaving: isServing && (conditions?.terminating ?? false),
        isLocal: nodeName === node.name,
        hints,
      };
      const key = `${candidate.address} ${number}`;
      // While an endpoint moves from slice to slice it is in both: the ready one counts.
      if (!found.get(key)?.isReady) found.set(key, candidate);
    }
  }
  return [...found.values()];
}

/** Those with a hint for this node or, failing that, its zone; all of them unless every one has such hints. */
function nearest(ready: readonly Candidate[], node: NodePlace): readonly Candidate[] {
  const among = (
    hintsOf: (e: Candidate) => readonly { readonly name: string }[] | undefined,
    name: string | undefined,
  ) => {
    if (name === undefined || name === '' || !ready.every((e) => (hintsOf(e) ?? []).length > 0)) return [];
    return ready.filter((e) => hintsOf(e)?.some((hint) => hint.name === name));
  };
  const onNode = among((e) => e.hints?.forNodes, node.name);
  if (onNode.length > 0) return onNode;
  const inZone = among((e) => e.hints?.forZones, node.zone);
  return inZone.length > 0 ? inZone : ready;
}

function rulesOf(chosen: readonly Candidate[]): readonly EndpointRule[] {
  const key = (e: EndpointRule) => `${e.address} ${e.port}`;
  return [...chosen]
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
    .map(({ address, port, mayBeHere }) => ({ address, port, mayBeHere }));
}
