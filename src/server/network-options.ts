import { contains, familyOf, hostBitsOf, type IpFamily, nthAddress, overlaps, prefixOf } from './address-ranges.ts';
import { addressOf, type Machine } from './machine.ts';
import { addresses, bad, cidrs, flag, integer, list, type RawOptions, text, word } from './option-values.ts';

/** How pods of different nodes reach each other; k3s's names. */
export const flannelBackends = ['vxlan', 'host-gw', 'wireguard-native', 'ipsec', 'none'] as const;
export type FlannelBackend = (typeof flannelBackends)[number];

/** The network as the cluster's servers settle it for all nodes. Lists hold one entry a family, the primary one first. */
export interface ClusterNetworkOptions {
  readonly clusterCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  readonly flannelBackend: FlannelBackend;
  /** Whether what pods send out of the cluster over IPv6 is masqueraded too. */
  readonly flannelIpv6Masq: boolean;
  /** Whether nodes talk to each other under their external addresses. */
  readonly flannelExternalIp: boolean;
  readonly disableNetworkPolicy: boolean;
  /** Whether another program makes the rules of Services. */
  readonly disableKubeProxy: boolean;
}

/** What each node settles for itself. */
export interface NodeNetworkOptions {
  /** The addresses under which pods and other machines reach this node, one a family, the primary one first. */
  readonly nodeIps: readonly string[];
  /** Addresses by which this node is reached from outside, when they are others. */
  readonly nodeExternalIps: readonly string[];
  /** The interface that carries the pods' packets to other nodes; that of the node's address when absent. */
  readonly flannelIface: string | undefined;
  /** A net-conf.json that sets more of the pod network than flags do. */
  readonly flannelConf: string | undefined;
}

/** How large each node's part of the cluster range is. */
export interface NodeMaskOptions {
  readonly nodeCidrMaskSizeIpv4: number;
  readonly nodeCidrMaskSizeIpv6: number;
}

const defaultClusterCidrs = ['10.42.0.0/16'];
const defaultServiceCidrs = ['10.43.0.0/16'];
/** The smallest range of Services has 8 addresses; one of IPv6 has a prefix of 64 bits at least (KEP-1880). */
const serviceHostBitsMin = 3;
const serviceIpv6PrefixMin = 64;
const dnsPlace = 10;

/** What a server is told of the cluster's network. Throws WherryError INVALID_OPTION. */
export function resolveClusterNetwork(raw: RawOptions): ClusterNetworkOptions & NodeMaskOptions {
  const clusterCidrs = onePerFamily('cluster-cidr', cidrs(raw, 'cluster-cidr') ?? defaultClusterCidrs);
  const serviceCidrs = onePerFamily('service-cidr', cidrs(raw, 'service-cidr') ?? defaultServiceCidrs);
  if (!sameFamilies(clusterCidrs, serviceCidrs)) {
    throw bad(
      'service-cidr',
      `${serviceCidrs.join(',')} and --cluster-cidr ${clusterCidrs.join(',')} are not of the same IP families`,
      'give both one range of each family, in the same order (IPv4, IPv6 or both)',
    );
  }
  refuseOverlaps(clusterCidrs, serviceCidrs);
  for (const range of serviceCidrs) checkServiceRange(range);
  const clusterDns = onePerFamily(
    'cluster-dns',
    addresses(raw, 'cluster-dns') ?? serviceCidrs.map((range) => nthAddress(range, dnsPlace)),
  );
  for (const address of clusterDns) checkDns(address, serviceCidrs);
  return {
    clusterCidrs,
    serviceCidrs,
    clusterDns,
    ...nodeMasks(raw, clusterCidrs),
    clusterDomain: text(raw, 'cluster-domain') ?? 'cluster.local',
    flannelBackend: backendOf(raw),
    flannelIpv6Masq: flag(raw, 'flannel-ipv6-masq'),
    flannelExternalIp: flag(raw, 'flannel-external-ip'),
    disableNetworkPolicy: flag(raw, 'disable-network-policy') || list(raw, 'disable').includes('network-policy'),
    disableKubeProxy: flag(raw, 'disable-kube-proxy'),
  };
}

/** What a node is told of its own network; its addresses are settled once the cluster's families are known. */
export function resolveNodeNetwork(
  raw: RawOptions,
): Omit<NodeNetworkOptions, 'nodeIps'> & { readonly nodeIps: readonly string[] | undefined } {
  const nodeIps = addresses(raw, 'node-ip');
  return {
    nodeIps: nodeIps === undefined ? undefined : onePerFamily('node-ip', nodeIps),
    nodeExternalIps: onePerFamily('node-external-ip', addresses(raw, 'node-external-ip') ?? []),
    flannelIface: text(raw, 'flannel-iface'),
    flannelConf: text(raw, 'flannel-conf'),
  };
}

/**
 * The node's addresses in a cluster: those that were given, or this machine's own of the cluster's families. Throws
 * WherryError INVALID_OPTION when they don't fit the cluster.
 */
export function settleNodeIps(
  given: readonly string[] | undefined,
  { clusterCidrs, serviceCidrs }: Pick<ClusterNetworkOptions, 'clusterCidrs' | 'serviceCidrs'>,
  machine: Machine,
): readonly string[] {
  const families = clusterCidrs.map(familyOf);
  const nodeIps = given ?? families.flatMap((family) => addressOf(machine, family) ?? []);
  const missing = families.filter((family) => !nodeIps.some((ip) => familyOf(ip) === family));
  if (missing.length > 0) {
    const what = given === undefined ? 'this machine has no address of' : `${given.join(',')} lacks an address of`;
    throw bad(
      'node-ip',
      `${what} ${missing.join(' and ')}, which the cluster's ranges ${clusterCidrs.join(',')} are of`,
      given === undefined
        ? `give this machine an address of ${missing.join(' and ')}, or a cluster without that family`
        : `give one address of each family: ${families.join(',')}`,
    );
  }
  for (const ip of nodeIps) {
    const range = [...clusterCidrs, ...serviceCidrs].find((one) => contains(one, ip));
    if (range === undefined) continue;
    const option = clusterCidrs.includes(range) ? 'cluster-cidr' : 'service-cidr';
    throw bad(
      option,
      `this node's address ${ip} lies in ${range}`,
      `give the server a --${option} that no machine of the cluster has an address in`,
    );
  }
  // The cluster's primary family leads, whatever order was given.
  return nodeIps.toSorted((a, b) => rank(families, a) - rank(families, b));
}

/** Networks of this machine that share addresses with the cluster's ranges: each a sentence. Pure. */
export function networkConflicts(
  { clusterCidrs, serviceCidrs }: Pick<ClusterNetworkOptions, 'clusterCidrs' | 'serviceCidrs'>,
  machine: Machine,
): readonly string[] {
  return machine.addresses.flatMap(({ cidr, interface: name }) =>
    [
      ...clusterCidrs.map((range) => ['pods', range] as const),
      ...serviceCidrs.map((range) => ['Services', range] as const),
    ]
      .filter(([, range]) => familyOf(range) === familyOf(cidr) && overlaps(range, cidr))
      .map(
        ([what, range]) =>
          `the network ${cidr} of interface ${name} overlaps ${range}, the addresses of ${what}: machines with these addresses can't be reached`,
      ),
  );
}

function onePerFamily(option: string, values: readonly string[]): readonly string[] {
  for (const family of ['IPv4', 'IPv6'] as const) {
    const same = values.filter((value) => familyOf(value) === family);
    if (same.length > 1)
      throw bad(
        option,
        `${same.join(' and ')} are both of ${family}`,
        'give one of each family at most, comma-separated',
      );
  }
  return values;
}

function sameFamilies(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => familyOf(value) === familyOf(b[index] ?? ''));
}

function refuseOverlaps(clusterCidrs: readonly string[], serviceCidrs: readonly string[]): void {
  for (const service of serviceCidrs) {
    const pods = clusterCidrs.find((one) => familyOf(one) === familyOf(service) && overlaps(one, service));
    if (pods !== undefined)
      throw bad(
        'service-cidr',
        `${service} overlaps --cluster-cidr ${pods}`,
        'give the two ranges no address in common',
      );
  }
}

function checkServiceRange(range: string): void {
  if (hostBitsOf(range) < serviceHostBitsMin) {
    const size = 2 ** serviceHostBitsMin;
    throw bad('service-cidr', `${range} has fewer than ${size} addresses`, 'give a larger range, such as 10.43.0.0/16');
  }
  if (familyOf(range) === 'IPv6' && prefixOf(range) < serviceIpv6PrefixMin)
    throw bad(
      'service-cidr',
      `${range} is larger than a /${serviceIpv6PrefixMin}`,
      'give a smaller range, such as fd00:43::/112',
    );
}

function checkDns(address: string, serviceCidrs: readonly string[]): void {
  if (serviceCidrs.some((range) => contains(range, address))) return;
  throw bad(
    'cluster-dns',
    `${address} is not in --service-cidr ${serviceCidrs.join(',')}`,
    `choose an address of that range${serviceCidrs.some((range) => hostBitsOf(range) <= serviceHostBitsMin) ? ` (it has no ${dnsPlace}th one, the default)` : ''}`,
  );
}

function nodeMasks(raw: RawOptions, clusterCidrs: readonly string[]): NodeMaskOptions {
  const of = (family: IpFamily, otherwise: number) => {
    const option = `node-cidr-mask-size-${family === 'IPv4' ? 'ipv4' : 'ipv6'}`;
    const size = integer(raw, option, 1, family === 'IPv4' ? 32 : 128);
    const range = clusterCidrs.find((one) => familyOf(one) === family);
    const settled = size ?? otherwise;
    if (range === undefined || settled >= prefixOf(range)) return settled;
    throw size === undefined
      ? bad('cluster-cidr', `${range} holds no /${settled}, the part of a node`, `give a larger range, or --${option}`)
      : bad(option, `--cluster-cidr ${range} holds no /${size}`, `write a number from ${prefixOf(range)} on`);
  };
  return { nodeCidrMaskSizeIpv4: of('IPv4', 24), nodeCidrMaskSizeIpv6: of('IPv6', 64) };
}

function backendOf(raw: RawOptions): FlannelBackend {
  // k3s called the kernel's WireGuard so when it also had another one.
  if (text(raw, 'flannel-backend') === 'wireguard')
    throw bad('flannel-backend', '"wireguard" is no longer its name', 'write wireguard-native');
  return word(raw, 'flannel-backend', flannelBackends) ?? 'vxlan';
}

function rank(families: readonly IpFamily[], ip: string): number {
  const place = families.indexOf(familyOf(ip));
  return place < 0 ? families.length : place;
}
