import type { Answer, SrvAnswer } from 'dns-packet';
import ipaddr from 'ipaddr.js';
import type { Endpoint, EndpointSlice, Service } from '../../kube/types.gen.ts';
import type { ClusterView } from './cluster-view.ts';

/** Seconds that clients may keep an answer about the cluster. */
const ttl = 5;

/** `null`: the name is not ours. `answers` empty and `exists`: there is the name, but nothing of that type. */
export interface Resolution {
  readonly exists: boolean;
  readonly answers: readonly Answer[];
  readonly additionals: readonly Answer[];
  /** Set for ExternalName: the client (or we) must go on with this name. */
  readonly alias?: string;
}

const nothing: Resolution = { exists: false, answers: [], additionals: [] };

/**
 * Answers a question about the cluster's own names (Kubernetes DNS-based service discovery 1.1.0): Services, headless
 * ones with their endpoints, ports (SRV), pods by address, and addresses (PTR). Pure. `name` is in lower case, without
 * the last dot; `zone` is e.g. `cluster.local`.
 */
export function resolve(name: string, type: string, zone: string, view: ClusterView): Resolution | null {
  if (name.endsWith('.in-addr.arpa') || name.endsWith('.ip6.arpa')) return resolveReverse(name, type, zone, view);
  if (name === zone) return apex(type, zone);
  if (!name.endsWith(`.${zone}`)) return null;
  const labels = name.slice(0, -zone.length - 1).split('.');
  if (labels.length === 1 && labels[0] === 'dns-version') {
    return found(type === 'TXT' ? [{ type: 'TXT', name, ttl, data: '1.1.0' }] : []);
  }
  const area = labels.pop();
  if (area === 'svc') return resolveService(name, type, labels, zone, view);
  if (area === 'pod') return resolvePod(name, type, labels, view);
  return nothing;
}

function found(answers: readonly Answer[], additionals: readonly Answer[] = []): Resolution {
  return { exists: true, answers, additionals };
}

/** The zone's start of authority; it also says how long a negative answer may be kept. */
export function startOfAuthority(zone: string): Answer {
  return {
    type: 'SOA',
    name: zone,
    ttl,
    data: {
      mname: `ns.dns.${zone}`,
      rname: `hostmaster.${zone}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86400,
      minimum: ttl,
    },
  };
}

function apex(type: string, zone: string): Resolution {
  if (type === 'SOA') return found([startOfAuthority(zone)]);
  if (type === 'NS') return found([{ type: 'NS', name: zone, ttl, data: `ns.dns.${zone}` }]);
  return found([]);
}

/** Labels before `svc`: [...host or _port._protocol,] service, namespace. */
function resolveService(
  name: string,
  type: string,
  labels: readonly string[],
  zone: string,
  view: ClusterView,
): Resolution {
  const namespace = labels.at(-1);
  if (namespace === undefined) return found([]);
  const serviceName = labels.at(-2);
  if (serviceName === undefined) return view.hasNamespace(namespace) ? found([]) : nothing;
  const service = view.service(namespace, serviceName);
  if (service === undefined) return nothing;
  const slices = view.slices(namespace, serviceName);
  const head = labels.slice(0, -2);
  const base = `${serviceName}.${namespace}.svc.${zone}`;
  if (service.spec?.type === 'ExternalName') {
    if (head.length > 0) return nothing;
    const target = (service.spec.externalName ?? '').replace(/\.$/, '');
    return { exists: true, answers: [{ type: 'CNAME', name, ttl, data: target }], additionals: [], alias: target };
  }
  if (head.length === 0) return found(addressRecords(name, type, addressesOf(service, slices)));
  const [first = '', second = ''] = head;
  if (head.length <= 2 && first.startsWith('_') && (head.length === 1 || second.startsWith('_'))) {
    return resolvePort(name, type, first.slice(1), second.slice(1), { service, slices, base });
  }
  if (head.length === 1) {
    const hosts = usable(service, slices).filter(({ hostname }) => hostname === first);
    return hosts.length === 0
      ? nothing
      : found(
          addressRecords(
            name,
            type,
            hosts.map((h) => h.address),
          ),
        );
  }
  return nothing;
}

interface Host {
  readonly hostname: string;
  readonly address: string;
  readonly slice: EndpointSlice;
}

/** Endpoints that DNS shows: ready ones, all of them when the Service publishes those too. */
function usable(service: Service, slices: readonly EndpointSlice[]): Host[] {
  const all = service.spec?.publishNotReadyAddresses ?? false;
  return slices.flatMap((slice) =>
    (slice.endpoints ?? [])
      .filter((endpoint) => all || (endpoint.conditions?.ready ?? true))
      .flatMap((endpoint) =>
        endpoint.addresses.map((address) => ({ hostname: hostnameOf(endpoint, address), address, slice })),
      ),
  );
}

/** The pod's hostname, else its address with dashes: `10-42-0-7`. */
function hostnameOf(endpoint: Endpoint, address: string): string {
  return endpoint.hostname || address.replace(/[.:]/g, '-');
}

function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

function addressesOf(service: Service, slices: readonly EndpointSlice[]): readonly string[] {
  if (isHeadless(service)) return [...new Set(usable(service, slices).map((h) => h.address))];
  return service.spec?.clusterIPs ?? (service.spec?.clusterIP ? [service.spec.clusterIP] : []);
}

function addressRecords(name: string, type: string, addresses: readonly string[]): Answer[] {
  return addresses.flatMap((data): Answer[] => {
    const kind = data.includes(':') ? 'AAAA' : 'A';
    return type === kind || type === 'ANY' ? [{ type: kind, name, ttl, data }] : [];
  });
}

function resolvePort(
  name: string,
  type: string,
  port: string,
  protocol: string,
  at: { readonly service: Service; readonly slices: readonly EndpointSlice[]; readonly base: string },
): Resolution {
  const matches = (p: { readonly name?: string; readonly protocol?: string }) =>
    p.name === port && (protocol === '' || (p.protocol ?? 'TCP').toLowerCase() === protocol);
  const targets: { host: string; port: number; addresses: readonly string[] }[] = [];
  if (isHeadless(at.service)) {
    for (const host of usable(at.service, at.slices)) {
      for (const p of host.slice.ports ?? []) {
        if (matches(p) && p.port !== undefined)
          targets.push({ host: `${host.hostname}.${at.base}`, port: p.port, addresses: [host.address] });
      }
    }
  } else {
    for (const p of at.service.spec?.ports ?? []) {
      if (matches(p)) targets.push({ host: at.base, port: p.port, addresses: addressesOf(at.service, at.slices) });
    }
  }
  if (targets.length === 0) return nothing;
  if (type !== 'SRV') return found([]);
  const weight = Math.max(1, Math.floor(100 / targets.length));
  const answers = targets.map(
    (t): SrvAnswer => ({ type: 'SRV', name, ttl, data: { priority: 0, weight, port: t.port, target: t.host } }),
  );
  return found(
    answers,
    targets.flatMap((t) => addressRecords(t.host, 'ANY', t.addresses)),
  );
}

/** `10-42-0-7.default.pod.ZONE`: the address is in the name; whether such a pod runs is not checked, as k3s has it. */
function resolvePod(name: string, type: string, labels: readonly string[], view: ClusterView): Resolution {
  const [encoded = '', namespace] = labels;
  if (namespace === undefined) return encoded === '' || view.hasNamespace(encoded) ? found([]) : nothing;
  if (labels.length !== 2) return nothing;
  const address = /^\d+-\d+-\d+-\d+$/.test(encoded) ? encoded.replaceAll('-', '.') : encoded.replaceAll('-', ':');
  if (!ipaddr.isValid(address) || (!address.includes(':') && !ipaddr.IPv4.isValidFourPartDecimal(address)))
    return nothing;
  return found(addressRecords(name, type, [address]));
}

/** PTR of cluster IPs and of the endpoints of headless Services; null for addresses that are not the cluster's. */
function resolveReverse(name: string, type: string, zone: string, view: ClusterView): Resolution | null {
  const ip = addressOfReverseName(name);
  if (ip === null) return null;
  const pointer = (target: string) =>
    found(type === 'PTR' || type === 'ANY' ? [{ type: 'PTR', name, ttl, data: target }] : []);
  const service = view.serviceByIp(ip);
  if (service !== undefined) return pointer(`${service.metadata.name}.${service.metadata.namespace}.svc.${zone}`);
  for (const slice of view.slicesByIp(ip)) {
    const namespace = slice.metadata.namespace ?? '';
    const owner = view.service(namespace, slice.metadata.labels?.['kubernetes.io/service-name'] ?? '');
    const endpoint = slice.endpoints?.find((e) => e.addresses.includes(ip));
    if (owner === undefined || endpoint === undefined) continue;
    if (isHeadless(owner) || endpoint.hostname) {
      return pointer(`${hostnameOf(endpoint, ip)}.${owner.metadata.name}.${namespace}.svc.${zone}`);
    }
  }
  return null;
}

/** RFC 1035 3.5 and RFC 3596 2.5; null when the name is not a whole address. */
export function addressOfReverseName(name: string): string | null {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (v4 !== null) return v4.slice(1).reverse().join('.');
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  if (v6 === null) return null;
  const digits = (v6[1] ?? '').replaceAll('.', '').split('').reverse().join('');
  return ipaddr.parse(digits.match(/.{4}/g)?.join(':') ?? '::').toString();
}
