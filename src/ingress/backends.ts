import { createHash } from 'node:crypto';
import type { Backend, BackendProtocol, Endpoint, Rule } from '../engines/haproxy/config.ts';
import { isLinkLocalUnicast, isLoopback, isUnspecified, parseIp } from '../kube/ip.ts';
import { canonicalIp } from '../kube/ip-text.ts';
import type { EndpointSlice, IngressBackend, Service, ServicePort } from '../kube/types.gen.ts';
import { type IngressSettings, type Problem, parseServiceAnnotations } from './annotations.ts';

/** What of the cluster a backend is made of. Keys are `namespace/name`. */
export interface ServiceView {
  service(key: string): Service | undefined;
  slices(key: string): readonly EndpointSlice[];
}

/** A backend for HAProxy, which answers 503 while it has no endpoint, and what is wrong with it. */
export interface PlannedBackend {
  readonly backend: Backend;
  readonly problems: readonly Problem[];
}

/** The backend that an Ingress names, spoken to as it asks. `rules` are those of the path. Pure. */
export function planBackend(
  namespace: string,
  { service: named, resource }: IngressBackend,
  settings: IngressSettings,
  rules: readonly Rule[],
  view: ServiceView,
): PlannedBackend {
  const problem = (reason: string, message: string, label: string): PlannedBackend => ({
    backend: { name: nameOf(namespace, label, settings, rules), protocol: 'http', endpoints: [], rules },
    problems: [{ reason, message }],
  });
  if (named === undefined)
    return problem('UnsupportedBackend', `a backend must be a Service, not a ${resource?.kind ?? 'resource'}`, 'none');
  const key = `${namespace}/${named.name}`;
  const asked = String(named.port?.name ?? named.port?.number ?? '');
  const label = `${named.name}_${asked}`;
  const service = view.service(key);
  if (service === undefined)
    return problem('ServiceNotFound', `there is no Service ${key}: requests are answered with 503`, label);
  const own = parseServiceAnnotations(service.metadata.annotations ?? {});
  const affinity = settings.affinity ?? own.affinity;
  const make = (port: ServicePort | undefined, where: Pick<Backend, 'endpoints' | 'external'>): Backend => ({
    name: nameOf(namespace, label, settings, rules),
    protocol: settings.protocol ?? own.protocol ?? protocolOf(port),
    ...where,
    ...(affinity === undefined ? {} : { affinity }),
    ...(settings.connectTimeoutMs === undefined ? {} : { connectTimeoutMs: settings.connectTimeoutMs }),
    ...(settings.serverTimeoutMs === undefined ? {} : { serverTimeoutMs: settings.serverTimeoutMs }),
    rules,
  });
  const ports = service.spec?.ports ?? [];
  const port = ports.find(
    (one) =>
      (one.protocol ?? 'TCP') === 'TCP' &&
      (named.port?.name === undefined ? one.port === named.port?.number : one.name === named.port.name),
  );
  if (service.spec?.type === 'ExternalName') {
    const number = port?.port ?? named.port?.number;
    const host = service.spec.externalName?.replace(/\.$/, '').toLowerCase() ?? '';
    if (number === undefined)
      return problem('PortNotFound', `the Service ${key} has no port ${asked}: requests are answered with 503`, label);
    if (isOwn(host)) {
      const why = `the Service ${key} leads to ${host}, which is the node itself: requests are answered with 503`;
      return problem('UnsupportedBackend', why, label);
    }
    const address = canonicalIp(host)?.text;
    const endpoints = address === undefined ? [] : [{ address, port: number }];
    const external = address === undefined ? { external: { host, port: number } } : {};
    return { backend: make(port ?? { port: number }, { endpoints, ...external }), problems: [] };
  }
  if (port === undefined) {
    const there = ports.map((one) => (one.name === undefined ? one.port : `${one.port} (${one.name})`)).join(', ');
    return problem(
      'PortNotFound',
      `the Service ${key} has no TCP port ${asked}, only ${there || 'none'}: requests are answered with 503`,
      label,
    );
  }
  const endpoints = endpointsOf(port, service, view.slices(key));
  const problems =
    endpoints.length > 0
      ? []
      : [
          {
            reason: 'NoEndpoints',
            message: `the Service ${key} has no ready endpoint for port ${asked}: requests are answered with 503 until it has one`,
          },
        ];
  return { backend: make(port, { endpoints }), problems };
}

/** Names and addresses that mean whoever asks: behind them is what a node tells nobody else, which no Ingress may show. */
function isOwn(host: string): boolean {
  const address = parseIp(host);
  // `127.1` is no address in its usual form, and some readers take it for one: the last label of a name is no number.
  if (address === undefined) return /(^|\.)(localhost|\d+|0x[\da-f]*)$/.test(host);
  return isLoopback(address) || isLinkLocalUnicast(address) || isUnspecified(address);
}

/** As Traefik has it: by the port's application protocol, its name or its number. */
function protocolOf(port: ServicePort | undefined): BackendProtocol {
  switch (port?.appProtocol) {
    case 'kubernetes.io/h2c':
    case 'grpc':
      return 'h2c';
    case 'https':
    case 'kubernetes.io/wss':
      return 'https';
    case undefined:
      return port?.port === 443 || port?.name?.startsWith('https') ? 'https' : 'http';
    default:
      return 'http';
  }
}

/** Those that are ready; while none is, those that still serve though they end (KEP-1669). Of the Service's first family. */
function endpointsOf(port: ServicePort, service: Service, slices: readonly EndpointSlice[]): readonly Endpoint[] {
  const family = service.spec?.ipFamilies?.[0] ?? 'IPv4';
  const found = slices
    .filter(({ addressType }) => addressType === family)
    .flatMap((slice) => {
      const number = slice.ports?.find(({ name }) => (name ?? '') === (port.name ?? ''))?.port;
      if (number === undefined) return [];
      return (slice.endpoints ?? []).flatMap(({ addresses, conditions }) => {
        const address = canonicalIp(addresses[0] ?? '')?.text;
        return address === undefined ? [] : [{ conditions, endpoint: { address, port: number } }];
      });
    });
  const ready = found.filter(({ conditions }) => conditions?.ready !== false);
  const serving = ready.length > 0 ? ready : found.filter(({ conditions }) => conditions?.serving === true);
  const unique = new Map(serving.map(({ endpoint }) => [`${endpoint.address} ${endpoint.port}`, endpoint]));
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

/** Paths that ask the same of the same port share a backend; `_` stands in no name of Kubernetes. */
function nameOf(namespace: string, label: string, settings: IngressSettings, rules: readonly Rule[]): string {
  const { protocol, affinity, connectTimeoutMs, serverTimeoutMs } = settings;
  const special = JSON.stringify([protocol, affinity, connectTimeoutMs, serverTimeoutMs, rules]);
  const plain = '[null,null,null,null,[]]';
  const suffix = special === plain ? '' : `_${createHash('sha256').update(special).digest('hex').slice(0, 12)}`;
  return `${namespace}_${label}${suffix}`;
}
