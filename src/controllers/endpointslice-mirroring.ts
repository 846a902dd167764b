import { keyOf } from '../kube/resource.ts';
import { endpointslices, endpoints as endpointsResource, services } from '../kube/resources.gen.ts';
import type {
  DiscoveryV1EndpointPort,
  Endpoint,
  EndpointAddress,
  EndpointSlice,
  Endpoints,
} from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import {
  applySlices,
  managedByLabel,
  planSlices,
  type SliceGroup,
  serviceNameLabel,
} from './support/endpoint-slices.ts';
import { isIPv6, isSelecting } from './support/service-pods.ts';

const managedBy = 'endpointslicemirroring-controller.k8s.io';
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror';
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';
/** Annotations that say something of the Endpoints object only. */
const notMirrored = new Set([
  'endpoints.kubernetes.io/last-change-trigger-time',
  'kubectl.kubernetes.io/last-applied-configuration',
  'endpoints.kubernetes.io/over-capacity',
]);
/** Addresses of each subset that are mirrored. */
const addressesPerSubset = 1000;

/** The slices' content for hand-made Endpoints. Pure. */
export function mirrorGroups(endpoints: Endpoints): readonly SliceGroup[] {
  return (endpoints.subsets ?? []).flatMap((subset) => {
    const ports: readonly DiscoveryV1EndpointPort[] = (subset.ports ?? []).map(
      ({ name = '', port, protocol = 'TCP', appProtocol }) => ({
        name,
        port,
        protocol,
        ...(appProtocol === undefined ? {} : { appProtocol }),
      }),
    );
    const all = [
      ...(subset.addresses ?? []).map((address) => mirrored(address, true)),
      ...(subset.notReadyAddresses ?? []).map((address) => mirrored(address, false)),
    ].slice(0, addressesPerSubset);
    return ['IPv4', 'IPv6'].flatMap((addressType) => {
      const members = all.filter(({ addresses: [ip = ''] }) => isIPv6(ip) === (addressType === 'IPv6'));
      return members.length === 0 ? [] : [{ addressType, ports, endpoints: members }];
    });
  });
}

function mirrored(address: EndpointAddress, ready: boolean): Endpoint {
  const { ip, hostname, nodeName, targetRef } = address;
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(targetRef === undefined ? {} : { targetRef }),
  };
}

const byService = (slice: EndpointSlice): readonly string[] => {
  const name = slice.metadata.labels?.[serviceNameLabel];
  return name === undefined ? [] : [`${slice.metadata.namespace}/${name}`];
};
const sliceOptions = { indexes: { service: byService } };

async function reconcile(key: string, context: ControllerContext): Promise<Outcome> {
  const { informers } = context;
  const endpoints = informers.of(endpointsResource).get(key);
  const service = informers.of(services).get(key);
  const existing = informers
    .of(endpointslices, sliceOptions)
    .byIndex('service', key)
    .filter(({ metadata }) => metadata.labels?.[managedByLabel] === managedBy);
  if (!endpoints || !service || !isMirrored(endpoints) || isSelecting(service.spec?.selector)) {
    await applySlices(context, { create: [], update: [], remove: existing });
    return done;
  }
  const labels = {
    ...endpoints.metadata.labels,
    [serviceNameLabel]: endpoints.metadata.name ?? '',
    [managedByLabel]: managedBy,
  };
  const annotations = Object.fromEntries(
    Object.entries(endpoints.metadata.annotations ?? {}).filter(([name]) => !notMirrored.has(name)),
  );
  await applySlices(context, planSlices({ owner: endpoints, labels, annotations }, mirrorGroups(endpoints), existing));
  return done;
}

function isMirrored({ metadata }: Endpoints): boolean {
  return metadata.labels?.[skipLabel] !== 'true' && metadata.annotations?.[leaderAnnotation] === undefined;
}

/** Gives hand-made Endpoints of Services without a selector the slices that proxies read. */
export const endpointSliceMirroringController: Controller = {
  name: 'endpointslicemirroring-controller',
  eventSource: 'endpoint-slice-mirroring-controller',
  watches: [
    watchOf(endpointsResource, (one) => [keyOf(one)]),
    watchOf(services, (service) => [keyOf(service)]),
    watchOf(endpointslices, byService, sliceOptions),
  ],
  reconcile,
};
