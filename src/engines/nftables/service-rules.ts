import { createHash } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import type { Element, Fragment, TableFamily } from './rule-table.ts';

/**
 * What the kernel is to do with packets for Services on this node, for one address family. A packet's address, protocol
 * and port are looked up once in a verdict map. It leads to a chain that all Services of the same shape share (how many
 * endpoints, which policy), and that chain finds the endpoint in a second map under the same words and a random number.
 * So a Service is elements of maps and no chain of its own, unless it has session affinity.
 */
export interface ServiceSettings {
  readonly family: TableFamily;
  /** Addresses of pods in the whole cluster, e.g. 10.42.0.0/16: traffic from there keeps its source. */
  readonly clusterCidr: string;
  /** Where addresses of Services come from: what is sent there to no Service is refused, instead of leaving the node. */
  readonly serviceCidrs: readonly string[];
  /** Ranges of the node's addresses on which node ports answer; all of them when empty. */
  readonly nodePortAddresses: readonly string[];
}

const protocols = ['tcp', 'udp', 'sctp'] as const;
export type Protocol = (typeof protocols)[number];

/** One port of a Service, in one address family. */
export interface ServicePortRule {
  /** Unique and lasting, e.g. `default/web:http/tcp`. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly clusterIp: string | undefined;
  /** Other addresses on which the port answers: external IPs, and load balancers' that send packets here unchanged. */
  readonly externalIps: readonly string[];
  /** On every address of the node. */
  readonly nodePort: number | undefined;
  /** Traffic for the cluster IP, and for everything else, goes to endpoints of this node only. */
  readonly isInternalLocal: boolean;
  readonly isExternalLocal: boolean;
  readonly clusterEndpoints: readonly EndpointRule[];
  readonly localEndpoints: readonly EndpointRule[];
  /** Somewhere there is one: where none can be used here, packets are dropped; where there is none at all, refused. */
  readonly hasEndpoints: boolean;
  /** A client comes back to its endpoint for this long after its last connection. */
  readonly affinitySeconds: number | undefined;
  /** Addresses of load balancers that only these ranges may use; empty ranges: everybody. */
  readonly loadBalancerIps: readonly string[];
  readonly sourceRanges: readonly string[];
}

export interface EndpointRule {
  readonly address: string;
  readonly port: number;
  /** It may be on this node: then its own packets may come back to it. */
  readonly mayBeHere: boolean;
}

export interface HostPortRule {
  readonly protocol: Protocol;
  /** Absent: every address of the node. */
  readonly hostIp: string | undefined;
  readonly hostPort: number;
  readonly address: string;
  readonly port: number;
}

/** Mark of packets whose source becomes the node's address; k3s and kube-proxy use the same bit. */
const masqueradeMark = '0x4000';
const mark = `meta mark set meta mark | ${masqueradeMark}`;
/** Endpoints of this node are numbered from here, those of the cluster from 0. */
const firstLocalNumber = 65_536;
/** Clients that session affinity remembers for one endpoint; further ones are spread at random. */
const affinityClientsMax = 65_536;

/** Names of the sets of clients that session affinity keeps begin so. */
export const clientSetPrefix = 'clients-';

/**
 * Everything of the table that does not depend on Services. The maps with a number in their key are declared by `typeof`,
 * which alone can name a plain number. There is one a protocol, because nft takes the words of a declaration for a match
 * on their protocol once it has read them back from the kernel.
 */
export function serviceSkeleton(settings: ServiceSettings): string {
  const { family, clusterCidr, serviceCidrs, nodePortAddresses } = settings;
  const address = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const loopback = family === 'ip' ? '127.0.0.0/8' : '::1';
  const onlyAddresses =
    nodePortAddresses.length === 0
      ? ''
      : `\n    ${family} daddr != { ${distinctRanges(nodePortAddresses).join(', ')} } return`;
  const unallocated =
    serviceCidrs.length === 0
      ? ''
      : `\n    ${family} daddr { ${distinctRanges(serviceCidrs).join(', ')} } fib daddr type != local counter goto refuse-with`;
  const byProtocol = protocols
    .flatMap((p) => [
      `  map endpoints-${p} { typeof ${family} daddr . ${p} dport . numgen inc mod 2 : ${family} daddr . ${p} dport; }`,
      `  map node-endpoints-${p} { typeof ${p} dport . numgen inc mod 2 : ${family} daddr . ${p} dport; }`,
    ])
    .join('\n');
  return `
  map services { type ${address} . inet_proto . inet_service : verdict; }
  map node-ports { type inet_proto . inet_service : verdict; }
${byProtocol}
  map host-ports { type inet_proto . inet_service : ${address} . inet_service; }
  map host-address-ports { type ${address} . inet_proto . inet_service : ${address} . inet_service; }
  map guarded { type ${address} . inet_proto . inet_service : verdict; }
  set cluster-ips { type ${address}; }
  set no-endpoints { type ${address} . inet_proto . inet_service; }
  set no-endpoints-node { type inet_proto . inet_service; }
  set hairpin { type ${address} . ${address}; }

  chain services {
    ${family} daddr . meta l4proto . th dport vmap @services
    fib daddr type != local return
    jump node-services
    dnat ${family} to ${family} daddr . meta l4proto . th dport map @host-address-ports
    dnat ${family} to meta l4proto . th dport map @host-ports
  }
  chain node-services {${family === 'ip6' ? `\n    ip6 daddr ${loopback} return` : ''}${onlyAddresses}
    meta l4proto . th dport vmap @node-ports
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump services
  }
  chain output {
    type nat hook output priority -100; policy accept;
    jump services
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & ${masqueradeMark} == ${masqueradeMark} meta mark set meta mark & 0xffffbfff masquerade fully-random
    ct status dnat ${family} saddr . ${family} daddr @hairpin masquerade fully-random
    ct status dnat ${family} saddr ${loopback} oifname != "lo" masquerade fully-random
  }
  chain guard {
    ct state new ${family} daddr . meta l4proto . th dport vmap @guarded
  }
  chain before-routing {
    type filter hook prerouting priority -110; policy accept;
    iifname != "lo" ${family} daddr ${loopback} drop
    jump guard
  }
  chain before-output {
    type filter hook output priority -110; policy accept;
    jump guard
  }
  chain refuse {
    ${family} daddr . meta l4proto . th dport @no-endpoints counter goto refuse-with
    ${family} daddr @cluster-ips counter goto refuse-with${unallocated}
  }
  chain refuse-with {
    meta l4proto tcp reject with tcp reset
    reject
  }
  chain input {
    type filter hook input priority -110; policy accept;
    ct state new meta l4proto . th dport @no-endpoints-node fib daddr type local counter goto refuse-with
    ct state new ${family} daddr . meta l4proto . th dport @no-endpoints counter goto refuse-with
  }
  chain forward {
    type filter hook forward priority -110; policy accept;
    ct state new jump refuse
  }
  chain filter-output {
    type filter hook output priority -90; policy accept;
    ct state new jump refuse
  }
  chain cluster-sources { ${family} saddr != ${clusterCidr} ${mark}; }`;
}

/** The elements, chains and sets of one Service port. */
export function compileServicePort(settings: ServiceSettings, rule: ServicePortRule): Fragment {
  const { protocol, port, clusterIp, nodePort } = rule;
  const external = rule.externalIps.filter((ip) => ip !== clusterIp);
  const front = (ip: string) => `${ip} . ${protocol} . ${port}`;
  const elements: Element[] = clusterIp === undefined ? [] : [{ set: 'cluster-ips', key: clusterIp }];
  const fragment = { chains: new Map<string, readonly string[]>(), sets: new Map<string, string>(), elements };
  guard(settings, rule, fragment);
  if (!rule.hasEndpoints) {
    for (const ip of [clusterIp, ...external]) {
      if (ip !== undefined) elements.push({ set: 'no-endpoints', key: front(ip) });
    }
    if (nodePort !== undefined) elements.push({ set: 'no-endpoints-node', key: `${protocol} . ${nodePort}` });
    return fragment;
  }
  const chains =
    rule.affinitySeconds === undefined ? sharedChains(settings, rule) : affinityChains(settings, rule, fragment);
  const use = (entry: Entry): string => {
    for (const [name, rules] of entry.chains) fragment.chains.set(name, rules);
    return entry.verdict;
  };
  if (clusterIp !== undefined) {
    const entry = rule.isInternalLocal ? chains.local('address') : chains.cluster('address');
    elements.push({ set: 'services', key: front(clusterIp), value: use(entry) });
    if (chains.isByNumber)
      elements.push(
        ...numbered(rule, 'endpoints', `${clusterIp} . ${port}`, !rule.isInternalLocal, rule.isInternalLocal),
      );
  }
  for (const ip of external) {
    elements.push({ set: 'services', key: front(ip), value: use(chains.external('address')) });
    if (chains.isByNumber) elements.push(...numbered(rule, 'endpoints', `${ip} . ${port}`, true, rule.isExternalLocal));
  }
  if (nodePort !== undefined) {
    const key = `${protocol} . ${nodePort}`;
    elements.push({ set: 'node-ports', key, value: use(chains.external('node')) });
    if (chains.isByNumber)
      elements.push(...numbered(rule, 'node-endpoints', `${nodePort}`, true, rule.isExternalLocal));
  }
  const here = new Set(
    [...rule.clusterEndpoints, ...rule.localEndpoints].filter((e) => e.mayBeHere).map((e) => e.address),
  );
  for (const ip of here) elements.push({ set: 'hairpin', key: `${ip} . ${ip}` });
  return fragment;

  function numbered(of: ServicePortRule, map: string, key: string, cluster: boolean, local: boolean): Element[] {
    const set = `${map}-${of.protocol}`;
    const number = (endpoints: readonly EndpointRule[], first: number) =>
      endpoints.map((e, i) => ({ set, key: `${key} . ${first + i}`, value: `${e.address} . ${e.port}` }));
    return [
      ...(cluster ? number(of.clusterEndpoints, 0) : []),
      ...(local ? number(of.localEndpoints, firstLocalNumber) : []),
    ];
  }

  function guard({ family: f }: ServiceSettings, of: ServicePortRule, into: typeof fragment): void {
    const ranges = distinctRanges(of.sourceRanges);
    if (of.sourceRanges.length === 0 || ranges.some((range) => range.endsWith('/0'))) return;
    const chain = `from-${hashOf(ranges.join())}`;
    for (const ip of of.loadBalancerIps) {
      into.chains.set(chain, [`${f} saddr != { ${ranges.join(', ')} } counter drop`]);
      into.elements.push({ set: 'guarded', key: front(ip), value: `goto ${chain}` });
    }
  }
}

/** Host ports of one pod. */
export function compileHostPorts(ports: readonly HostPortRule[]): Fragment {
  const elements = ports.flatMap((p): Element[] => {
    const key = `${p.protocol} . ${p.hostPort}`;
    const value = `${p.address} . ${p.port}`;
    return [
      p.hostIp === undefined
        ? { set: 'host-ports', key, value }
        : { set: 'host-address-ports', key: `${p.hostIp} . ${key}`, value },
      { set: 'hairpin', key: `${p.address} . ${p.address}` },
    ];
  });
  return { chains: new Map(), sets: new Map(), elements };
}

type Front = 'address' | 'node';

/** Where a map leads, and the chains that must be there for it. */
interface Entry {
  readonly verdict: string;
  readonly chains: ReadonlyMap<string, readonly string[]>;
}

interface Chains {
  /** The chains find endpoints under the front's words and a number. */
  readonly isByNumber: boolean;
  cluster(front: Front): Entry;
  local(front: Front): Entry;
  external(front: Front): Entry;
}

/** Chains by shape: any number of Services with as many endpoints and the same policies use them. */
function sharedChains({ family, clusterCidr }: ServiceSettings, rule: ServicePortRule): Chains {
  const all = rule.clusterEndpoints.length;
  const here = rule.localEndpoints.length;
  const { protocol } = rule;
  const prefix = (front: Front) => (front === 'node' ? `node-${protocol}-` : `${protocol}-`);
  const pick = (front: Front, count: number, first: number) => {
    const words = front === 'node' ? `${protocol} dport` : `${family} daddr . ${protocol} dport`;
    const number = `numgen random mod ${count}${first === 0 ? '' : ` offset ${first}`}`;
    return `dnat ${family} to ${words} . ${number} map @${front === 'node' ? 'node-endpoints' : 'endpoints'}-${protocol}`;
  };
  const cluster = (front: Front): Entry =>
    entry(`${prefix(front)}cluster-${all}`, ['jump cluster-sources', pick(front, all, 0)]);
  const everybody = (front: Front): Entry => entry(`${prefix(front)}external-${all}`, [mark, pick(front, all, 0)]);
  return {
    isByNumber: true,
    cluster,
    local: (front) =>
      here === 0
        ? dropped
        : entry(`${prefix(front)}local-${here}`, ['jump cluster-sources', pick(front, here, firstLocalNumber)]),
    external(front) {
      if (!rule.isExternalLocal) return everybody(front);
      const pods = cluster(front);
      const node = everybody(front);
      const outside = here === 0 ? 'counter drop' : pick(front, here, firstLocalNumber);
      return shortcut(`${prefix(front)}external-local-${all}-${here}`, pods, node, outside, { family, clusterCidr });
    },
  };
}

/** With session affinity: chains of the port's own, and for each endpoint a set of the clients that it has. */
function affinityChains(
  { family, clusterCidr }: ServiceSettings,
  rule: ServicePortRule,
  into: { readonly sets: Map<string, string>; readonly chains: Map<string, readonly string[]> },
): Chains {
  const seconds = rule.affinitySeconds ?? 0;
  const hash = hashOf(`${rule.name} ${seconds}`);
  const readable = rule.name.replace(/[^A-Za-z0-9.-]/g, '_').slice(0, 80);
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const own = (e: EndpointRule) => `${hash}-${hashOf(`${e.address} ${e.port}`)}`;
  for (const e of [...rule.clusterEndpoints, ...rule.localEndpoints]) {
    into.sets.set(
      `${clientSetPrefix}${own(e)}`,
      `type ${type}; size ${affinityClientsMax}; flags dynamic,timeout; timeout ${seconds}s;`,
    );
    const target = family === 'ip' ? `${e.address}:${e.port}` : `[${e.address}]:${e.port}`;
    into.chains.set(`to-${own(e)}`, [
      `update @${clientSetPrefix}${own(e)} { ${family} saddr }`,
      `meta l4proto ${rule.protocol} dnat ${family} to ${target}`,
    ]);
  }
  const choose = (endpoints: readonly EndpointRule[]) => [
    ...endpoints.map((e) => `${family} saddr @${clientSetPrefix}${own(e)} goto to-${own(e)}`),
    endpoints.length === 1 && endpoints[0] !== undefined
      ? `goto to-${own(endpoints[0])}`
      : `numgen random mod ${endpoints.length} vmap { ${endpoints.map((e, i) => `${i} : goto to-${own(e)}`).join(', ')} }`,
  ];
  const name = (what: string) => `${what}-${hash}-${readable}`;
  const cluster = entry(name('cluster'), ['jump cluster-sources', ...choose(rule.clusterEndpoints)]);
  const everybody = entry(name('external'), [mark, `goto ${name('cluster')}`], cluster);
  const isNoneHere = rule.localEndpoints.length === 0;
  return {
    isByNumber: false,
    cluster: () => cluster,
    local: () =>
      isNoneHere ? dropped : entry(name('internal'), ['jump cluster-sources', ...choose(rule.localEndpoints)]),
    external() {
      if (!rule.isExternalLocal) return everybody;
      if (isNoneHere)
        return shortcut(name('external-local'), cluster, everybody, 'counter drop', { family, clusterCidr });
      const here = entry(name('local'), choose(rule.localEndpoints));
      const way = shortcut(name('external-local'), cluster, everybody, here.verdict, { family, clusterCidr });
      return { ...way, chains: new Map([...here.chains, ...way.chains]) };
    },
  };
}

/** Pods and the node itself may use every endpoint, also of a Service whose external traffic stays local. */
function shortcut(
  name: string,
  pods: Entry,
  node: Entry,
  outside: string,
  { family, clusterCidr }: Pick<ServiceSettings, 'family' | 'clusterCidr'>,
): Entry {
  const rules = [`${family} saddr ${clusterCidr} ${pods.verdict}`, `fib saddr type local ${node.verdict}`, outside];
  return { verdict: `goto ${name}`, chains: new Map([...pods.chains, ...node.chains, [name, rules]]) };
}

function entry(name: string, rules: readonly string[], beside?: Entry): Entry {
  return { verdict: `goto ${name}`, chains: new Map([...(beside?.chains ?? []), [name, rules]]) };
}

const dropped: Entry = { verdict: 'drop', chains: new Map() };

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** Ranges without those that lie in others: nft refuses a set whose intervals overlap. */
function distinctRanges(ranges: readonly string[]): readonly string[] {
  const parsed = [...new Set(ranges)].map((range) => ({ range, bits: bitsOf(range) }));
  const outer = parsed.filter(
    ({ bits }) => !parsed.some((other) => other.bits.length < bits.length && bits.startsWith(other.bits)),
  );
  return [...new Map(outer.map(({ range, bits }) => [bits, range])).values()].sort();
}

/** The bits of a range's prefix, as digits. */
function bitsOf(range: string): string {
  const [address, length] = ipaddr.parseCIDR(range);
  return address
    .toByteArray()
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(0, length);
}
