import type { EndpointSlice, Service } from '../../kube/types.gen.ts';

/** A port that SRV records tell; protocols in lower case. */
export interface PortRecord {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

/** An endpoint that is ready, or published although it is not. */
export interface HostRecord {
  /** The pod's hostname, else its address with dashes: `10-42-0-7`. In lower case. */
  readonly hostname: string;
  /** Whether the pod has chosen the hostname: then its address leads back to it. */
  readonly isNamed: boolean;
  readonly address: string;
  readonly ports: readonly PortRecord[];
}

/** What the cluster's names say of one Service. Plain data: it travels to the thread that answers. */
export interface ServiceRecords {
  readonly namespace: string;
  readonly name: string;
  readonly kind: 'ClusterIP' | 'Headless' | 'ExternalName';
  readonly ips: readonly string[];
  readonly ports: readonly PortRecord[];
  readonly externalName: string;
  readonly hosts: readonly HostRecord[];
}

/** Retired with Kubernetes 1.11, when `publishNotReadyAddresses` took its place. */
const tolerateUnready = 'service.alpha.kubernetes.io/tolerate-unready-endpoints';

export function serviceRecords(service: Service, slices: readonly EndpointSlice[]): ServiceRecords {
  const { metadata, spec } = service;
  const isExternal = spec?.type === 'ExternalName';
  const clusterIps = spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : []);
  const ips = clusterIps.filter((ip) => ip !== 'None' && ip !== '');
  const isHeadless = clusterIps.includes('None') || spec?.clusterIP === 'None';
  const publishAll = spec?.publishNotReadyAddresses === true || metadata.annotations?.[tolerateUnready] === 'true';
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    kind: isExternal ? 'ExternalName' : isHeadless ? 'Headless' : 'ClusterIP',
    ips: isExternal ? [] : ips,
    ports: (spec?.ports ?? []).map(({ name = '', protocol = 'TCP', port }) => portRecord(name, protocol, port)),
    externalName: isExternal ? (spec.externalName ?? '') : '',
    hosts: isExternal ? [] : slices.flatMap((slice) => hostsOf(slice, publishAll)),
  };
}

function hostsOf(slice: EndpointSlice, publishAll: boolean): readonly HostRecord[] {
  if (slice.addressType === 'FQDN') return [];
  const ports = (slice.ports ?? []).flatMap(({ name = '', protocol = 'TCP', port }) =>
    port === undefined ? [] : [portRecord(name, protocol, port)],
  );
  return (slice.endpoints ?? [])
    .filter(({ conditions }) => publishAll || conditions?.ready !== false)
    .flatMap(({ hostname, addresses }) =>
      // All addresses of an endpoint are the same to clients: the first one counts (KEP-0752).
      addresses.slice(0, 1).map((address) => ({
        hostname: (hostname || address.replace(/[.:]/g, '-')).toLowerCase(),
        isNamed: Boolean(hostname),
        address,
        ports,
      })),
    );
}

function portRecord(name: string, protocol: string, port: number): PortRecord {
  return { name: name.toLowerCase(), protocol: protocol.toLowerCase(), port };
}
