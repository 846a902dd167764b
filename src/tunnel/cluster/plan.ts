import { isIP } from 'node:net';
import { describeError } from '../../core/errors.ts';
import { keyOf } from '../../kube/resource.ts';
import type { LoadBalancerIngress, Service, ServicePort } from '../../kube/types.gen.ts';
import type { RouteVerdict } from '../../wire/tunnel-messages.ts';
import { parseHostPattern } from '../host-names.ts';
import { httpRoute, parseUpstreams, portRoute, type Upstream, type UpstreamTarget } from '../upstream.ts';
import {
  hostNamesAnnotation,
  proxyProtocolAnnotation,
  type Tunnel,
  tunnelAnnotation,
  tunnelClass,
} from './tunnel-kind.ts';

/** Something that stands in the way, with a reason as Events have it. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** True when a tunnel is to serve this Service. */
export function asksForTunnel({ spec, metadata }: Service): boolean {
  return (
    spec?.type === 'LoadBalancer' && spec.loadBalancerClass === tunnelClass && metadata.deletionTimestamp === undefined
  );
}

/** Which Tunnel serves a Service: the one it names, the only one, or the default one. */
export function chooseTunnel(service: Service, tunnels: readonly Tunnel[]): Tunnel | Problem {
  const standing = tunnels.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const named = service.metadata.annotations?.[tunnelAnnotation];
  if (named !== undefined) {
    const found = standing.find(({ metadata }) => metadata.name === named);
    return (
      found ?? {
        reason: 'TunnelNotFound',
        message: `there is no Tunnel ${named}: create it, or change the annotation ${tunnelAnnotation}`,
      }
    );
  }
  const [only, other] = standing;
  if (only === undefined)
    return {
      reason: 'TunnelNotFound',
      message: `there is no Tunnel: create one with the remote and the token of an exit`,
    };
  if (other === undefined) return only;
  const defaults = standing.filter(({ spec }) => spec.default === true);
  const [chosen, second] = defaults;
  if (chosen !== undefined && second === undefined) return chosen;
  const names = standing
    .map(({ metadata }) => metadata.name)
    .sort()
    .join(', ');
  const message = `there are several Tunnels (${names}): name one with the annotation ${tunnelAnnotation}, or make one the default`;
  return { reason: 'TunnelAmbiguous', message };
}

export function isProblem(choice: Tunnel | Problem): choice is Problem {
  return 'reason' in choice;
}

/** What of one Service a tunnel serves. */
export interface ServiceRoutes {
  readonly routes: readonly string[];
  readonly problems: readonly Problem[];
}

export interface TunnelPlan {
  readonly upstreams: readonly Upstream[];
  /** By the key of the Service. */
  readonly services: ReadonlyMap<string, ServiceRoutes>;
  /** What stands in the way of the Tunnel's own upstreams. */
  readonly problems: readonly Problem[];
}

/**
 * What a Tunnel serves: its own upstreams, then its Services, oldest first. A route that two want is the first one's, and the
 * other is told.
 */
export function planTunnel(
  tunnel: Tunnel,
  served: readonly Service[],
  serviceOf: (key: string) => Service | undefined,
): TunnelPlan {
  const upstreams = new Map<string, Upstream>();
  const owners = new Map<string, string>();
  const problems: Problem[] = [];
  for (const text of tunnel.spec.upstreams ?? []) {
    try {
      for (const upstream of parseUpstreams([text])) {
        const resolved = resolveService(upstream, serviceOf);
        if ('reason' in resolved) problems.push(resolved);
        else if (upstreams.has(upstream.route.id))
          problems.push({ reason: 'RouteTaken', message: `${upstream.route.id} stands in spec.upstreams twice` });
        else {
          upstreams.set(upstream.route.id, resolved);
          owners.set(upstream.route.id, `Tunnel ${tunnel.metadata.name}`);
        }
      }
    } catch (error) {
      problems.push({ reason: 'InvalidUpstream', message: `spec.upstreams: ${describeError(error)}` });
    }
  }
  const services = new Map<string, ServiceRoutes>();
  for (const service of [...served].sort(byAge)) {
    const key = keyOf(service);
    const wanted = upstreamsOf(service);
    const own: string[] = [];
    const told = [...wanted.problems];
    for (const upstream of wanted.upstreams) {
      const { id } = upstream.route;
      const owner = owners.get(id);
      if (owner !== undefined) {
        told.push({ reason: 'RouteTaken', message: `${id} of the exit is held by ${owner}` });
        continue;
      }
      owners.set(id, `Service ${key}`);
      upstreams.set(id, upstream);
      own.push(id);
    }
    services.set(key, { routes: own, problems: told });
  }
  return { upstreams: [...upstreams.values()], services, problems };
}

function byAge(a: Service, b: Service): number {
  const ageOf = ({ metadata }: Service) => `${metadata.creationTimestamp ?? ''} ${metadata.uid ?? ''}`;
  return ageOf(a) < ageOf(b) ? -1 : 1;
}

function resolveService(upstream: Upstream, serviceOf: (key: string) => Service | undefined): Upstream | Problem {
  const match = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\..*)?$/.exec(upstream.target?.host ?? '');
  if (match === null || upstream.target === null) return upstream;
  const key = `${match[2]}/${match[1]}`;
  const clusterIP = serviceOf(key)?.spec?.clusterIP ?? '';
  if (isIP(clusterIP) !== 0) return { ...upstream, target: { ...upstream.target, host: clusterIP } };
  return { reason: 'ServiceNotFound', message: `${upstream.route.id}: there is no Service ${key} with a cluster IP` };
}

function upstreamsOf({ spec, metadata }: Service): {
  readonly upstreams: readonly Upstream[];
  readonly problems: readonly Problem[];
} {
  const host = spec?.clusterIP ?? '';
  const problem = (reason: string, message: string) => ({ upstreams: [], problems: [{ reason, message }] });
  if (isIP(host) === 0) return problem('NoClusterIP', 'a tunnel leads to the cluster IP, and this Service has none');
  if ((spec?.loadBalancerSourceRanges ?? []).length > 0) {
    const message =
      'a tunnel knows no loadBalancerSourceRanges: take them away, and limit who comes by the firewall of the exit';
    return problem('SourceRangesNotSupported', message);
  }
  const annotations = metadata.annotations ?? {};
  const proxy = annotations[proxyProtocolAnnotation];
  const problems: Problem[] = [];
  if (proxy !== undefined && proxy !== 'v2')
    return problem(
      'InvalidAnnotation',
      `${proxyProtocolAnnotation}: there is no PROXY protocol ${JSON.stringify(proxy)}, only v2`,
    );
  const target = (protocol: UpstreamTarget['protocol'], port: number): UpstreamTarget => ({
    ...{ protocol, host, port, insecure: false },
    proxyProtocol: protocol === 'tcp' && proxy === 'v2',
  });
  const names: string[] = [];
  for (const text of (annotations[hostNamesAnnotation] ?? '').split(',').filter((name) => name.trim() !== '')) {
    const name = parseHostPattern(text);
    if (name === undefined)
      problems.push({
        reason: 'InvalidHostName',
        message: `${hostNamesAnnotation}: ${JSON.stringify(text)} is no host name`,
      });
    else names.push(name);
  }
  const ports = spec?.ports ?? [];
  const byName = names.length > 0 ? httpPortOf(ports) : undefined;
  const upstreams = ports.flatMap((port): readonly Upstream[] => {
    if (port === byName) return names.map((name) => ({ route: httpRoute(name), target: target('http', port.port) }));
    const protocol = port.protocol ?? 'TCP';
    if (protocol !== 'TCP' && protocol !== 'UDP') {
      problems.push({
        reason: 'ProtocolNotSupported',
        message: `port ${port.port}: a tunnel carries TCP and UDP, not ${protocol}`,
      });
      return [];
    }
    const kind = protocol === 'UDP' ? 'udp' : 'tcp';
    return [{ route: portRoute(kind, port.port), target: target(kind, port.port) }];
  });
  return { upstreams, problems };
}

/** The port that host names lead to. */
function httpPortOf(ports: readonly ServicePort[]): ServicePort | undefined {
  const tcp = ports.filter(({ protocol }) => protocol === undefined || protocol === 'TCP');
  return (
    tcp.find(({ name, appProtocol }) => name === 'http' || appProtocol === 'http') ??
    tcp.find(({ port }) => port === 80) ??
    tcp[0]
  );
}

/** What a Service shows as its way in: the exit's addresses as soon as the exit serves one of its routes. */
export function ingressOf(
  addresses: readonly string[],
  routes: readonly string[],
  verdicts: ReadonlyMap<string, RouteVerdict>,
): readonly LoadBalancerIngress[] {
  if (!routes.some((id) => verdicts.get(id)?.state === 'open')) return [];
  // The exit is a proxy: what goes to its address from inside the cluster must go there too (KEP-1860).
  return addresses.map((address) => (isIP(address) === 0 ? { hostname: address } : { ip: address, ipMode: 'Proxy' }));
}
