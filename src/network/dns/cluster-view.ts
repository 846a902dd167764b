import { endpointslices, services } from '../../kube/resources.gen.ts';
import type { EndpointSlice, Service } from '../../kube/types.gen.ts';
import type { Informers } from '../../runtime/controller.ts';
import { slicesByService } from '../slice-index.ts';

/** What the names of the cluster are answered from. */
export interface ClusterView {
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  /** The Service whose cluster IP this is. */
  serviceByIp(ip: string): Service | undefined;
  /** Slices with an endpoint of this address. */
  slicesByIp(ip: string): readonly EndpointSlice[];
  hasNamespace(name: string): boolean;
}

/** A view that follows the informers; `synced` resolves when they are filled. */
export function createClusterView(informers: Informers): ClusterView & { readonly synced: Promise<void> } {
  const byService = informers.of(services, {
    indexes: {
      'dns-cluster-ip': (service) => (service.spec?.clusterIPs ?? []).filter((ip) => ip !== 'None'),
      'dns-namespace': (service) => [service.metadata.namespace ?? ''],
    },
  });
  const bySlice = informers.of(endpointslices, {
    indexes: {
      ...slicesByService,
      'dns-address': (slice) => (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses),
    },
  });
  return {
    synced: Promise.all([byService.synced, bySlice.synced]).then(() => {}),
    service: (namespace, name) => byService.get(`${namespace}/${name}`),
    slices: (namespace, service) => bySlice.byIndex('network-service', `${namespace}/${service}`),
    serviceByIp: (ip) => byService.byIndex('dns-cluster-ip', ip)[0],
    slicesByIp: (ip) => bySlice.byIndex('dns-address', ip),
    hasNamespace: (name) => byService.byIndex('dns-namespace', name).length > 0,
  };
}
