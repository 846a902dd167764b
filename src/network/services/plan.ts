import ipaddr from 'ipaddr.js';
import type {
  EndpointRule,
  HostPortRule,
  ServicePortRule,
  ServiceRules,
} from '../../engines/nftables/service-rules.ts';
import { runningContainers } from '../../kube/pod-containers.ts';
import { isPodFinished } from '../../kube/pod-phase.ts';
import type { EndpointSlice, Pod, Service } from '../../kube/types.gen.ts';

/** What the plan needs to know of the cluster and of this node. */
export interface ServicesInput {
  readonly services: readonly Service[];
  /** Slices by `namespace/service`. */
  slicesOf(namespace: string, service: string): readonly EndpointSlice[];
  /** Pods of this node. */
  readonly pods: readonly Pod[];
  readonly nodeName: string;
  readonly clusterCidr: string;
  readonly podCidr: string;
  /** Service addresses that this node answers itself (the cluster DNS): they get no rules. */
  readonly ownAddresses: ReadonlySet<string>;
}

const protocols = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const;

/** Services and endpoints as rules. Pure; the order of its parts does not depend on the order of the input. */
export function planServices(input: ServicesInput): ServiceRules {
  const ports = new Map<string, ServicePortRule>();
  const clusterIps = new Set<string>();
  const sorted = [...input.services].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  for (const service of sorted) {
    const addresses = addressesOf(service).filter((ip) => !input.ownAddresses.has(ip));
    if (addresses.length === 0) continue;
    for (const ip of addresses) if (service.spec?.clusterIPs?.includes(ip)) clusterIps.add(ip);
    const slices = input.slicesOf(service.metadata.namespace ?? '', service.metadata.name ?? '');
    for (const port of service.spec?.ports ?? []) {
      const protocol = protocolOf(port.protocol);
      if (protocol === undefined) continue;
      ports.set(`${nameOf(service)}:${port.name ?? ''}/${protocol}`, {
        protocol,
        addresses,
        port: port.port,
        nodePort:
          service.spec?.type === 'NodePort' || service.spec?.type === 'LoadBalancer'
            ? port.nodePort || undefined
            : undefined,
        endpoints: endpointsOf(service, slices, port.name ?? '', port.protocol ?? 'TCP', input.nodeName),
      });
    }
  }
  const { clusterCidr, podCidr } = input;
  return { clusterCidr, podCidr, ports, clusterIps, hostPorts: input.pods.flatMap(hostPortsOf) };
}

function nameOf(service: Service): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}

function protocolOf(name: string | undefined): 'tcp' | 'udp' | 'sctp' | undefined {
  return name === 'UDP' || name === 'SCTP' ? protocols[name] : name === undefined || name === 'TCP' ? 'tcp' : undefined;
}

/** Cluster IP and external IPs of IPv4; headless and ExternalName Services have none. */
function addressesOf(service: Service): string[] {
  const { clusterIP, clusterIPs, externalIPs, type } = service.spec ?? {};
  if (type === 'ExternalName' || !clusterIP || clusterIP === 'None') return [];
  return [...new Set([...(clusterIPs ?? [clusterIP]), ...(externalIPs ?? [])])].filter((ip) => ipaddr.IPv4.isValid(ip));
}

/**
 * The endpoints that get new connections: ready ones; failing those, ones that still serve while they terminate
 * (KEP-1669). internalTrafficPolicy Local keeps to this node's.
 */
function endpointsOf(
  service: Service,
  slices: readonly EndpointSlice[],
  portName: string,
  protocol: string,
  nodeName: string,
): EndpointRule[] {
  const local = service.spec?.internalTrafficPolicy === 'Local';
  const ready = new Map<string, EndpointRule>();
  const terminating = new Map<string, EndpointRule>();
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    const port = slice.ports?.find((p) => (p.name ?? '') === portName && (p.protocol ?? 'TCP') === protocol)?.port;
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      if (local && endpoint.nodeName !== nodeName) continue;
      const { conditions } = endpoint;
      const isReady = conditions?.ready ?? true;
      const isServing = (conditions?.serving ?? isReady) && (conditions?.terminating ?? false);
      const target = isReady ? ready : isServing ? terminating : undefined;
      for (const address of endpoint.addresses) target?.set(`${address}:${port}`, { address, port });
    }
  }
  const chosen = ready.size > 0 ? ready : terminating;
  return [...chosen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

/** Host ports of a pod that has an address of its own and has not ended. */
function hostPortsOf(pod: Pod): HostPortRule[] {
  const address = pod.status?.podIP;
  if (address === undefined || pod.spec?.hostNetwork || isPodFinished(pod) || !ipaddr.IPv4.isValid(address)) return [];
  return runningContainers(pod.spec).flatMap((container) =>
    (container.ports ?? []).flatMap((port): HostPortRule[] => {
      const protocol = protocolOf(port.protocol);
      if (!port.hostPort || protocol === undefined) return [];
      const hostIp = port.hostIP && port.hostIP !== '0.0.0.0' ? port.hostIP : undefined;
      return [{ protocol, hostIp, hostPort: port.hostPort, address, port: port.containerPort }];
    }),
  );
}
