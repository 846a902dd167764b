import type { Client } from '../client/client.ts';
import type { KubeObject } from '../kube/object.ts';
import type { Resource } from '../kube/resource.ts';
import { endpoints, endpointslices, services } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { EndpointSlice, Endpoints, Service } from '../kube/types.gen.ts';
import { isEqual } from './support/equality.ts';

const key = { namespace: 'default', name: 'kubernetes' };

export interface KubernetesServiceOptions {
  /** The first address of the service range, e.g. `10.43.0.1`. */
  readonly clusterIP: string;
  /** Where API servers can be reached. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly servicePort?: number;
}

/**
 * Makes the Service `default/kubernetes` lead to the API servers: the Service, its Endpoints and its EndpointSlice.
 * Called at start and again now and then; it writes only what differs. An API server's task, so no controller.
 */
export async function reconcileKubernetesService(client: Client, options: KubernetesServiceOptions): Promise<void> {
  const { clusterIP, port, servicePort = 443 } = options;
  const addresses = [...options.addresses].sort();
  const labels = { component: 'apiserver', provider: 'kubernetes' };
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...key, labels },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ports: [{ name: 'https', protocol: 'TCP', port: servicePort, targetPort: port }],
      sessionAffinity: 'None',
    },
  };
  const skipMirror = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  const target: Endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...key, labels: skipMirror },
    subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  };
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...key, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: clusterIP.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  };
  await ensure(client, services, service, (standing) => ({
    ...standing,
    spec: { ...standing.spec, ports: service.spec?.ports ?? [] },
  }));
  await ensure(client, endpoints, target, (standing) => ({ ...standing, subsets: target.subsets ?? [] }));
  await ensure(client, endpointslices, slice, (standing) => ({
    ...standing,
    endpoints: slice.endpoints ?? [],
    ports: slice.ports ?? [],
  }));
}

/** Creates the object, or brings what stands to `correct`; another server doing the same meanwhile is no failure. */
async function ensure<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  wanted: T,
  correct: (standing: T) => T,
): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      const standing = await find(client, resource);
      if (!standing) await client.create(resource, wanted);
      else if (!isEqual(standing, correct(standing))) await client.update(resource, correct(standing));
      return;
    } catch (thrown) {
      if (!isReason(thrown, 'Conflict', 'AlreadyExists') || tries >= 5) throw thrown;
    }
  }
}

async function find<T extends KubeObject>(client: Client, resource: Resource<T>): Promise<T | undefined> {
  try {
    return await client.get(resource, key);
  } catch (thrown) {
    if (isReason(thrown, 'NotFound')) return undefined;
    throw thrown;
  }
}
