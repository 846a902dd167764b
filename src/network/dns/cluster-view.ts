import { endpointslices, services } from '../../kube/resources.gen.ts';
import type { EndpointSlice, Service } from '../../kube/types.gen.ts';
import type { Informers } from '../../runtime/controller.ts';

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
      clusterIp: (service) => (service.spec?.clusterIPs ?? []).filter((ip) => ip !== 'None'),
      namespace: (service) => [service.metadata.namespace ?? ''],
    },
  });
  const bySlice = informers.of(endpointslices, {
    indexes: {
      service: (slice) => [`${slice.metadata.namespace}/${slice.metadata.labels?.['kubernetes.io/service-name']}`],
      address: (slice) => (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses),
    },
  });
  return {
    synced: Promise.all([byService.synced, bySlice.synced]).then(() => {}),
    service: (namespace, name) => byService.get(`${namespace}/${name}`),
    slices: (namespace, service) => bySlice.byIndex('service', `${namespace}/${service}`),
    serviceByIp: (ip) => byService.byIndex('clusterIp', ip)[0],
    slicesByIp: (ip) => bySlice.byIndex('address', ip),
    hasNamespace: (name) => byService.byIndex('namespace', name).length > 0,
  };
}
