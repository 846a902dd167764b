import { types } from '../../wire/dns/constants.ts';
import { isWithin, type Labels, parseName } from '../../wire/dns/name.ts';
import type { ResourceRecord } from '../../wire/dns/writer.ts';
import type { PortRecord } from './service-records.ts';
import {
  type Address,
  addressKey,
  type HostEntry,
  parseAddress,
  type ServiceEntry,
  type ZoneData,
} from './zone-data.ts';

/** Seconds that clients may keep an answer about the cluster; CoreDNS' own. */
export const clusterTtl = 5;

/** The version of "Kubernetes DNS-Based Service Discovery" that is served. */
const schemaVersion = '1.1.0';

/** What there is to say to a question. No records although the name `exists`: it has nothing of that type. */
export interface Resolution {
  readonly exists: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
  /** Set for ExternalName: who asks for more than the alias is told what stands there. */
  readonly alias?: Labels;
}

/** There is no such name. */
const nothing: Resolution = { exists: false, answers: [], additionals: [] };
/** There is such a name, and it has nothing of the type. */
const empty: Resolution = { exists: true, answers: [], additionals: [] };

/**
 * Answers a question about the cluster's own names (Kubernetes DNS-Based Service Discovery 1.1.0): Services, headless ones
 * with their endpoints, ports (SRV), pods by address, and addresses (PTR). Pure. `labels` are in lower case. Null: the name is
 * not the cluster's. `own` are the addresses that this server answers at.
 */
export function resolve(labels: Labels, type: number, data: ZoneData, own: readonly Address[] = []): Resolution | null {
  const { zone } = data;
  if (!isWithin(labels, zone)) return labels.at(-1) === 'arpa' ? resolveReverse(labels, type, data) : null;
  const depth = labels.length - zone.length;
  if (depth === 0) return apex(labels, type, own);
  const area = labels[depth - 1];
  if (area === 'svc') return resolveService(labels, type, depth - 1, data);
  if (area === 'pod') return resolvePod(labels, type, depth - 1, data);
  if (area === 'dns-version' && depth === 1) {
    if (type !== types.TXT && type !== types.ANY) return empty;
    return found([
      { name: labels, type: types.TXT, ttl: clusterTtl, data: { kind: 'bytes', bytes: text(schemaVersion) } },
    ]);
  }
  if (area === 'dns') {
    if (depth === 1) return empty;
    if (depth === 2 && labels[0] === 'ns') return found(addressRecords(labels, type, own));
  }
  return nothing;
}

function found(answers: readonly ResourceRecord[], additionals: readonly ResourceRecord[] = []): Resolution {
  return { exists: true, answers, additionals };
}

function text(value: string): Uint8Array {
  return Buffer.from(`${String.fromCharCode(value.length)}${value}`, 'latin1');
}

/** The zone's start of authority; its minimum says how long a negative answer may be kept (RFC 2308). */
export function startOfAuthority(zone: Labels): ResourceRecord {
  const primary = ['ns', 'dns', ...zone];
  const mailbox = ['hostmaster', ...zone];
  const numbers = [1, 7200, 1800, 86_400, clusterTtl] as const;
  return { name: zone, type: types.SOA, ttl: clusterTtl, data: { kind: 'soa', primary, mailbox, numbers } };
}

function apex(zone: Labels, type: number, own: readonly Address[]): Resolution {
  if (type === types.SOA) return found([startOfAuthority(zone)]);
  if (type !== types.NS) return empty;
  const target = ['ns', 'dns', ...zone];
  return found(
    [{ name: zone, type: types.NS, ttl: clusterTtl, data: { kind: 'name', target } }],
    addressRecords(target, types.ANY, own),
  );
}

/** The first `depth` labels stand before `svc`: [host, or _port._protocol,] service, namespace. */
function resolveService(labels: Labels, type: number, depth: number, data: ZoneData): Resolution {
  if (depth === 0) return empty;
  const namespace = labels[depth - 1] ?? '';
  if (depth === 1) return data.hasNamespace(namespace) ? empty : nothing;
  const service = data.service(namespace, labels[depth - 2] ?? '');
  if (service === undefined) return nothing;
  const heads = depth - 2;
  if (service.records.kind === 'ExternalName') return heads === 0 ? resolveExternal(labels, service) : nothing;
  const [first = '', second = ''] = labels;
  if (heads === 0) {
    // Without a ready endpoint there is no such name (specification 2.4.1).
    if (service.records.kind === 'Headless' && service.hosts.size === 0) return nothing;
    return type === types.SRV
      ? resolvePorts(labels, type, service, '', '')
      : found(addressRecords(labels, type, service.addresses));
  }
  if (heads === 1 && !first.startsWith('_')) {
    const hosts = service.hosts.get(first);
    if (hosts === undefined) return nothing;
    if (type === types.SRV) return hostPorts(labels, hosts);
    return found(
      addressRecords(
        labels,
        type,
        hosts.map(({ address }) => address),
      ),
    );
  }
  if (heads === 2 && first.startsWith('_') && second.startsWith('_')) {
    return resolvePorts(labels, type, service, first.slice(1), second.slice(1));
  }
  return nothing;
}

function resolveExternal(labels: Labels, { records }: ServiceEntry): Resolution {
  // An address is no name to point to; what it leads to is nobody's to say.
  const alias = parseAddress(records.externalName) === null ? parseName(records.externalName) : null;
  if (alias === null) return empty;
  const record: ResourceRecord = {
    name: labels,
    type: types.CNAME,
    ttl: clusterTtl,
    data: { kind: 'name', target: alias },
  };
  return { exists: true, answers: [record], additionals: [], alias };
}

function addressRecords(name: Labels, type: number, addresses: readonly Address[]): readonly ResourceRecord[] {
  if (type !== types.A && type !== types.AAAA && type !== types.ANY) return [];
  const records: ResourceRecord[] = [];
  for (const { bytes, isIpv6 } of addresses) {
    const kind = isIpv6 ? types.AAAA : types.A;
    if (type === kind || type === types.ANY)
      records.push({ name, type: kind, ttl: clusterTtl, data: { kind: 'bytes', bytes } });
  }
  return records;
}

interface Target {
  readonly labels: Labels;
  readonly port: number;
  readonly addresses: readonly Address[];
}

/** With an empty `port` all ports of the Service, also those without a name. */
function resolvePorts(labels: Labels, type: number, service: ServiceEntry, port: string, protocol: string): Resolution {
  const matches = (p: PortRecord) => port === '' || (p.name === port && p.protocol === protocol);
  const targets: Target[] = [];
  if (service.records.kind === 'Headless') {
    for (const hosts of service.hosts.values()) targets.push(...targetsOf(hosts, service.labels, matches));
  } else {
    for (const p of service.records.ports) {
      if (matches(p)) targets.push({ labels: service.labels, port: p.port, addresses: service.addresses });
    }
  }
  if (targets.length === 0) return port === '' ? empty : nothing;
  return type === types.SRV ? srvRecords(labels, targets) : empty;
}

function hostPorts(labels: Labels, hosts: readonly HostEntry[]): Resolution {
  const targets = targetsOf(hosts, labels.slice(1), () => true);
  return targets.length === 0 ? empty : srvRecords(labels, targets);
}

/** One target for each name and port; a host of two families has both addresses behind the one name. */
function targetsOf(
  hosts: readonly HostEntry[],
  service: Labels,
  matches: (port: PortRecord) => boolean,
): readonly Target[] {
  const byPort = new Map<number, Address[]>();
  for (const { ports, address } of hosts) {
    for (const p of ports) {
      if (!matches(p)) continue;
      const addresses = byPort.get(p.port) ?? [];
      addresses.push(address);
      byPort.set(p.port, addresses);
    }
  }
  const labels = [hosts[0]?.hostname ?? '', ...service];
  return [...byPort].map(([port, addresses]) => ({ labels, port, addresses }));
}

function srvRecords(name: Labels, targets: readonly Target[]): Resolution {
  const weight = Math.max(1, Math.floor(100 / targets.length));
  const answers = targets.map(
    ({ labels, port }): ResourceRecord => ({
      name,
      type: types.SRV,
      ttl: clusterTtl,
      data: { kind: 'srv', priority: 0, weight, port, target: labels },
    }),
  );
  const hosts = new Map(targets.map((target) => [target.labels.join('.'), target]));
  return found(
    answers,
    [...hosts.values()].flatMap(({ labels, addresses }) => addressRecords(labels, types.ANY, addresses)),
  );
}

/** `10-42-0-7.default.pod.ZONE`: the address is in the name; whether such a pod runs is not checked (`pods insecure`, as k3s has it). */
function resolvePod(labels: Labels, type: number, depth: number, data: ZoneData): Resolution {
  if (depth === 0) return empty;
  if (depth > 2 || !data.hasNamespace(labels[depth - 1] ?? '')) return nothing;
  if (depth === 1) return empty;
  const [encoded = ''] = labels;
  const address = parseAddress(encoded.replaceAll('-', /^\d+(-\d+){3}$/.test(encoded) ? '.' : ':'));
  return address === null ? nothing : found(addressRecords(labels, type, [address]));
}

/** PTR of cluster IPs and of endpoints that have a name; null for addresses that are not the cluster's. */
function resolveReverse(labels: Labels, type: number, data: ZoneData): Resolution | null {
  const bytes = addressOfReverseName(labels);
  if (bytes === null) return null;
  const key = addressKey(bytes);
  const targets: Labels[] = [];
  for (const service of data.withAddress(key)) {
    if (service.records.kind === 'ClusterIP' && service.addresses.some((a) => addressKey(a.bytes) === key)) {
      return pointers(labels, type, [service.labels]);
    }
    for (const hosts of service.hosts.values()) {
      for (const host of hosts) {
        const isTold = host.isNamed || service.records.kind === 'Headless';
        if (host.key === key && isTold) targets.push([host.hostname, ...service.labels]);
      }
    }
  }
  return targets.length === 0 ? null : pointers(labels, type, targets);
}

function pointers(name: Labels, type: number, targets: readonly Labels[]): Resolution {
  if (type !== types.PTR && type !== types.ANY) return empty;
  return found(targets.map((target) => ({ name, type: types.PTR, ttl: clusterTtl, data: { kind: 'name', target } })));
}

/** RFC 1035 3.5 and RFC 3596 2.5; null when the name is not a whole address. */
export function addressOfReverseName(labels: Labels): Uint8Array | null {
  const digits = labels.slice(0, -2).reverse();
  if (labels.at(-2) === 'in-addr' && digits.length === 4) {
    const isByte = (digit: string) => /^(0|[1-9]\d{0,2})$/.test(digit) && Number(digit) < 256;
    return digits.every(isByte) ? Uint8Array.from(digits.map(Number)) : null;
  }
  if (labels.at(-2) !== 'ip6' || digits.length !== 32 || !digits.every((digit) => /^[0-9a-f]$/.test(digit)))
    return null;
  return Uint8Array.from(Buffer.from(digits.join(''), 'hex'));
}
