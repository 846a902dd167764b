import { isTrue } from '../../kube/conditions.ts';
import { matchesLabelSelector } from '../../kube/label-selector.ts';
import { keyOf } from '../../kube/resource.ts';
import type { EndpointSlice, Node, Service } from '../../kube/types.gen.ts';
import { shownAddresses } from '../addresses/service.ts';
import type { Configuration, Layer2Advertisement } from '../configuration.ts';
import { type Family, formatAddress, parseAddress } from '../pools/address.ts';
import { poolOf } from '../pools/pool.ts';
import { serviceKeyOf } from '../ready-endpoints.ts';
import { rankNodes } from './election.ts';
import type { WantedAddress } from './speaker.ts';

export interface Layer2PlanInput {
  readonly configuration: Configuration;
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly nodes: readonly Node[];
  /** This node's name. */
  readonly nodeName: string;
}

/** An address that is announced by ARP or NDP. */
export interface PlannedAddress extends WantedAddress {
  /** Names of this node's interfaces that serve it; empty: all. */
  readonly interfaces: readonly string[];
  /** Keys of the Services that have it. */
  readonly services: readonly string[];
}

const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** Which addresses the nodes are to answer for, and which nodes may. The same on every node that sees the same. Pure. */
export function planLayer2(input: Layer2PlanInput): readonly PlannedAddress[] {
  const { configuration, nodeName } = input;
  if (configuration.layer2.length === 0) return [];
  const serving = servingEndpoints(input.slices);
  const nodes = input.nodes.filter(mayAnnounce);
  const planned = new Map<string, { nodes: Set<string>; interfaces: Set<string> | undefined; services: string[] }>();
  for (const service of input.services) {
    if (service.spec?.type !== 'LoadBalancer') continue;
    const endpoints = serving.get(keyOf(service));
    // Nobody could take what comes in.
    if (endpoints === undefined) continue;
    for (const shown of shownAddresses(service)) {
      const parsed = parseAddress(shown);
      const pool = poolOf(configuration.pools, shown);
      if (parsed === undefined || pool === undefined) continue;
      const advertisements = configuration.layer2.filter(({ pools }) => pools.has(pool.name));
      if (advertisements.length === 0) continue;
      const address = formatAddress(parsed.family, parsed.value);
      const entry = planned.get(address) ?? { nodes: new Set(), interfaces: new Set(), services: [] };
      planned.set(address, entry);
      entry.services.push(keyOf(service));
      for (const node of nodes) {
        const name = node.metadata.name ?? '';
        if (service.spec.externalTrafficPolicy === 'Local' && !endpoints.has(name)) continue;
        const own = advertisements.filter((advertisement) => isChosen(advertisement, node));
        if (own.length === 0) continue;
        entry.nodes.add(name);
        if (name === nodeName) entry.interfaces = joined(entry.interfaces, own);
      }
    }
  }
  const standIns = new Set(
    nodes.filter(({ spec }) => spec?.unschedulable === true).map(({ metadata }) => metadata.name),
  );
  return [...planned].map(([address, { nodes: names, interfaces, services }]) => {
    const ranked = rankNodes(address, [...names]);
    const preferred = ranked.filter((name) => !standIns.has(name));
    return {
      address,
      ranked: [...preferred, ...ranked.filter((name) => standIns.has(name))],
      preferred: preferred.length,
      interfaces: [...(interfaces ?? [])].sort(),
      services: services.sort(),
    };
  });
}

// An advertisement without interfaces serves all of them, whatever others say.
function joined(standing: Set<string> | undefined, own: readonly Layer2Advertisement[]): Set<string> | undefined {
  if (standing === undefined || own.some(({ interfaces }) => interfaces.length === 0)) return undefined;
  return new Set([...standing, ...own.flatMap(({ interfaces }) => interfaces)]);
}

function isChosen({ nodeSelectors }: Layer2Advertisement, node: Node): boolean {
  if (nodeSelectors.length === 0) return true;
  return nodeSelectors.some((selector) => matchesLabelSelector(selector, node.metadata.labels));
}

// Not whether it is Ready: the API server learns that late or, being away, not at all. Nodes know who lives.
function mayAnnounce({ metadata, status }: Node): boolean {
  if (metadata.deletionTimestamp !== undefined || metadata.labels?.[excludeLabel] !== undefined) return false;
  return !isTrue(status?.conditions, 'NetworkUnavailable');
}

/** Names of the nodes with an endpoint that takes connections, also one that is ending, by the Service's key. */
function servingEndpoints(slices: readonly EndpointSlice[]): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const slice of slices) {
    const key = serviceKeyOf(slice);
    if (key === undefined) continue;
    for (const { conditions, nodeName = '' } of slice.endpoints ?? []) {
      const isReady = conditions?.ready ?? true;
      if (!isReady && conditions?.serving !== true) continue;
      const names = found.get(key) ?? new Set();
      found.set(key, names.add(nodeName));
    }
  }
  return found;
}

/** The other nodes' addresses in this node's own family, by name. */
export function peersOf(nodes: readonly Node[], nodeName: string, family: Family): ReadonlyMap<string, string> {
  const peers = new Map<string, string>();
  for (const node of nodes) {
    const name = node.metadata.name ?? '';
    const address = name === nodeName ? undefined : addressOfNode(node, family);
    if (address !== undefined) peers.set(name, address);
  }
  return peers;
}

/** A node's first address of a family, in canonical form. */
export function addressOfNode({ status }: Node, family: Family): string | undefined {
  for (const { type, address } of status?.addresses ?? []) {
    const parsed = type === 'InternalIP' ? parseAddress(address) : undefined;
    if (parsed?.family === family) return formatAddress(family, parsed.value);
  }
  return undefined;
}

/** Interfaces of containers and their networks, which nobody asks from outside: MetalLB leaves out the same. */
const insidePattern =
  /^(docker|cbr|dummy|virbr|lxcbr|veth|cali|tunl|flannel|kube-ipvs|cni|nodelocaldns|lxc|br-|wherry)/;

/** Whether an interface is one that the world outside is on. */
export function isOutside(name: string): boolean {
  return !insidePattern.test(name);
}
