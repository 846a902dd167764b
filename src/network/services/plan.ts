import type { EndpointRule, HostPortRule, Protocol, ServicePortRule } from '../../engines/nftables/service-rules.ts';
import { canonicalCidr, canonicalIp } from '../../kube/ip-text.ts';
import { runningContainers } from '../../kube/pod-containers.ts';
import { isPodFinished } from '../../kube/pod-phase.ts';
import type { EndpointSlice, Pod, Service } from '../../kube/types.gen.ts';
import { chooseEndpoints, countLocalReady, type NodePlace } from './endpoints.ts';

export type IpFamily = 'IPv4' | 'IPv6';

/** What the plan needs to know of this node. */
export interface NodeView {
  readonly place: NodePlace;
  readonly families: readonly IpFamily[];
  readonly addresses: readonly string[];
  /** Service addresses that this node answers itself (the cluster DNS): they get no rules. */
  readonly ownAddresses: ReadonlySet<string>;
}

/** A rule, and the endpoints to which flows that are under way may go on. */
export interface PlannedPort extends ServicePortRule {
  readonly serving: readonly EndpointRule[];
}

export interface ServicePlan {
  /** Rules by family; a family without an entry is none of the Service's. */
  readonly ports: ReadonlyMap<IpFamily, readonly PlannedPort[]>;
  /** Load balancers ask this port how many endpoints the node has. */
  readonly healthCheck: { readonly port: number; readonly localEndpoints: number } | undefined;
}

/** The order in which Services get what two of them want: the older first. */
export function rankOf({ metadata }: Service): string {
  return `${metadata.creationTimestamp ?? ''} ${metadata.namespace}/${metadata.name}`;
}

const nothing: ServicePlan = { ports: new Map(), healthCheck: undefined };
const otherProxyLabel = 'service.kubernetes.io/service-proxy-name';
const sourceRangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges';

/** A Service and its endpoints as rules. Pure; the order of its parts does not depend on the order of the input. */
export function planService(service: Service, slices: readonly EndpointSlice[], node: NodeView): ServicePlan {
  const { metadata, spec = {} } = service;
  const hasAddress = spec.clusterIP !== undefined && spec.clusterIP !== '' && spec.clusterIP !== 'None';
  if (!hasAddress || spec.type === 'ExternalName' || metadata.labels?.[otherProxyLabel] !== undefined) return nothing;
  const ports = new Map<IpFamily, readonly PlannedPort[]>();
  for (const family of node.families) {
    const rules = planFamily(service, slices, family, node);
    if (rules !== undefined) ports.set(family, rules);
  }
  const isAsked = spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local' && spec.healthCheckNodePort;
  return {
    ports,
    healthCheck: isAsked
      ? { port: spec.healthCheckNodePort ?? 0, localEndpoints: countLocalReady(slices, node.place.name) }
      : undefined,
  };
}

function planFamily(
  service: Service,
  slices: readonly EndpointSlice[],
  family: IpFamily,
  node: NodeView,
): readonly PlannedPort[] | undefined {
  const { metadata, spec = {} } = service;
  const isServed = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  const clusterIp = ofFamily(spec.clusterIPs ?? [spec.clusterIP ?? ''], family)[0];
  if (clusterIp === undefined) return undefined;
  const ingress = spec.type === 'LoadBalancer' ? (service.status?.loadBalancer?.ingress ?? []) : [];
  // A load balancer of mode Proxy ends connections itself: packets for its address must reach it (KEP-1860).
  const vips = ingress.flatMap(({ ip, ipMode }) => (ip !== undefined && (ipMode ?? 'VIP') === 'VIP' ? [ip] : []));
  const loadBalancerIps = ofFamily(vips, family);
  const externalIps = [...new Set([...ofFamily(spec.externalIPs ?? [], family), ...loadBalancerIps])];
  const isOwn = node.ownAddresses.has(clusterIp);
  const isInternalLocal = spec.internalTrafficPolicy === 'Local';
  const isExternalLocal = (isServed || externalIps.length > 0) && spec.externalTrafficPolicy === 'Local';
  const sourceRanges = loadBalancerIps.length === 0 ? [] : rangesOf(service, family, node, loadBalancerIps);
  return (spec.ports ?? []).flatMap((port): PlannedPort[] => {
    const protocol = protocolOf(port.protocol);
    if (protocol === undefined) return [];
    const name = port.name ?? '';
    const chosen = chooseEndpoints(slices, { name, protocol: port.protocol ?? 'TCP' }, family, node.place);
    return [
      {
        name: `${metadata.namespace}/${metadata.name}:${name}/${protocol}`,
        protocol,
        port: port.port,
        clusterIp: isOwn ? undefined : clusterIp,
        externalIps: externalIps.filter((ip) => !node.ownAddresses.has(ip)),
        nodePort: isServed ? port.nodePort || undefined : undefined,
        isInternalLocal,
        isExternalLocal,
        clusterEndpoints: chosen.cluster,
        localEndpoints: isInternalLocal || isExternalLocal ? chosen.local : [],
        hasEndpoints: chosen.exist,
        serving: chosen.serving,
        affinitySeconds:
          spec.sessionAffinity === 'ClientIP'
            ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800)
            : undefined,
        loadBalancerIps,
        sourceRanges,
      },
    ];
  });
}

function protocolOf(name: string | undefined): Protocol | undefined {
  if (name === undefined || name === 'TCP') return 'tcp';
  if (name === 'UDP') return 'udp';
  return name === 'SCTP' ? 'sctp' : undefined;
}

/** The addresses of one family, as the kernel's tools write them. */
function ofFamily(addresses: readonly string[], family: IpFamily): readonly string[] {
  return addresses.flatMap((text) => {
    const address = canonicalIp(text);
    return address?.family === family ? [address.text] : [];
  });
}

/** From where a load balancer's address may be used; none: from everywhere. */
function rangesOf(
  { metadata, spec }: Service,
  family: IpFamily,
  node: NodeView,
  loadBalancerIps: readonly string[],
): readonly string[] {
  const given = spec?.loadBalancerSourceRanges ?? [];
  const annotation = (metadata.annotations?.[sourceRangesAnnotation] ?? '').split(',');
  const ranges = (given.length > 0 ? given : annotation).flatMap((text) => {
    const range = canonicalCidr(text.trim());
    return range?.family === family ? [range.text] : [];
  });
  // The node may use the address as its own source, where it carries it itself.
  const isNodeIn = node.addresses.some((ip) => ranges.some((range) => contains(range, ip)));
  const bits = family === 'IPv4' ? 32 : 128;
  return isNodeIn ? [...ranges, ...loadBalancerIps.map((ip) => `${ip}/${bits}`)] : ranges;
}

function contains(range: string, ip: string): boolean {
  const [, length = ''] = range.split('/');
  return canonicalCidr(`${ip}/${length}`)?.text === range;
}

/** Host ports of a pod that has an address of its own and has not ended, by family. */
export function planHostPorts(pod: Pod, family: IpFamily): readonly HostPortRule[] {
  const { podIP, podIPs } = pod.status ?? {};
  const address = ofFamily(podIPs?.map(({ ip }) => ip) ?? [podIP ?? ''], family)[0];
  if (address === undefined || pod.spec?.hostNetwork || isPodFinished(pod)) return [];
  return runningContainers(pod.spec).flatMap((container) =>
    (container.ports ?? []).flatMap((port): HostPortRule[] => {
      const protocol = protocolOf(port.protocol);
      if (!port.hostPort || protocol === undefined) return [];
      const rule = { protocol, hostPort: port.hostPort, address, port: port.containerPort };
      const isEverywhere = !port.hostIP || port.hostIP === '0.0.0.0' || port.hostIP === '::';
      if (isEverywhere) return [{ ...rule, hostIp: undefined }];
      return ofFamily([port.hostIP ?? ''], family).map((hostIp) => ({ ...rule, hostIp }));
    }),
  );
}
