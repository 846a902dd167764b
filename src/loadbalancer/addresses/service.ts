import { keyOf } from '../../kube/resource.ts';
import type { Service } from '../../kube/types.gen.ts';
import type { Family } from '../pools/address.ts';
import type { AddressRequest } from '../pools/allocation.ts';

/** MetalLB's annotations have had two prefixes. */
const prefixes = ['metallb.io/', 'metallb.universe.tf/'] as const;

/** Says on a Service from which pool its addresses are. */
export const poolOfServiceAnnotation = 'metallb.io/ip-allocated-from-pool';

/** A MetalLB annotation of a Service, by its name without a prefix. */
export function annotationOf(service: Service, name: string): string | undefined {
  for (const prefix of prefixes) {
    const value = service.metadata.annotations?.[`${prefix}${name}`];
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
}

/** The addresses that a Service shows to the outside now. */
export function shownAddresses(service: Service): readonly string[] {
  return (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
}

/** Whether a Service's addresses are ours to give: of type LoadBalancer, of no class that is somebody else's. */
export function wantsAddress(service: Service, ownClass: string): boolean {
  const { type, loadBalancerClass } = service.spec ?? {};
  return (
    type === 'LoadBalancer' &&
    (loadBalancerClass === undefined || loadBalancerClass === ownClass) &&
    service.metadata.deletionTimestamp === undefined
  );
}

/** Whether the Service names a pool or an address, so that only a pool can serve it. */
export function asksForPool(service: Service): boolean {
  return requestedAddresses(service).length > 0 || annotationOf(service, 'address-pool') !== undefined;
}

function requestedAddresses(service: Service): readonly string[] {
  const text = annotationOf(service, 'loadBalancerIPs') ?? service.spec?.loadBalancerIP ?? '';
  return text
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
}

/** What a Service asks of the pools. */
export function addressRequestOf(service: Service, namespaceLabels: Readonly<Record<string, string>>): AddressRequest {
  const { spec } = service;
  const isLocal = spec?.externalTrafficPolicy === 'Local';
  return {
    key: keyOf(service),
    namespace: service.metadata.namespace ?? '',
    namespaceLabels,
    labels: service.metadata.labels ?? {},
    families: (spec?.ipFamilies ?? ['IPv4']).filter(
      (family): family is Family => family === 'IPv4' || family === 'IPv6',
    ),
    familyPolicy: familyPolicyOf(spec?.ipFamilyPolicy),
    ports: (spec?.ports ?? []).map(({ protocol = 'TCP', port }) => `${protocol}/${port}`),
    addresses: requestedAddresses(service),
    pool: annotationOf(service, 'address-pool'),
    sharingKey: annotationOf(service, 'allow-shared-ip') ?? '',
    backendKey: isLocal ? `Local ${JSON.stringify(Object.entries(spec.selector ?? {}).sort())}` : '',
    // Addresses of nodes are in no pool, so a Service that they served finds itself without.
    current: shownAddresses(service),
  };
}

function familyPolicyOf(policy: string | undefined): AddressRequest['familyPolicy'] {
  return policy === 'PreferDualStack' || policy === 'RequireDualStack' ? policy : 'SingleStack';
}
