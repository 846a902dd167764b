import { TransientError } from '../core/errors.ts';
import { keyOf } from '../kube/resource.ts';
import { endpointslices, nodes, pods, services } from '../kube/resources.gen.ts';
import type {
  DiscoveryV1EndpointPort,
  Endpoint,
  EndpointHints,
  EndpointSlice,
  Node,
  Pod,
  Service,
} from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import {
  applySlices,
  managedByLabel,
  planSlices,
  type SliceGroup,
  serviceNameLabel,
} from './support/endpoint-slices.ts';
import { canonicalJson } from './support/equality.ts';
import { isPodReady } from './support/pods.ts';
import {
  familiesOf,
  hostnameUnder,
  isAddressable,
  isHeadless,
  podAddressOf,
  podReference,
  selectedPods,
  serviceKeysOf,
  targetPort,
} from './support/service-pods.ts';

const managedBy = 'endpointslice-controller.k8s.io';
const headlessLabel = 'service.kubernetes.io/headless';
const zoneLabel = 'topology.kubernetes.io/zone';

type NodeOf = (name: string) => Node | undefined;

/** The endpoints of a Service, by address family and ports. Pure. */
export function planGroups(service: Service, selected: readonly Pod[], nodeOf: NodeOf): readonly SliceGroup[] {
  return familiesOf(service).flatMap((family) => {
    const groups = new Map<string, { ports: readonly DiscoveryV1EndpointPort[]; endpoints: Endpoint[] }>();
    for (const pod of selected) {
      const endpoint = endpointOf(service, pod, family, nodeOf);
      if (!endpoint) continue;
      const ports = portsOf(service, pod);
      const key = canonicalJson(ports);
      const group = groups.get(key) ?? { ports, endpoints: [] };
      group.endpoints.push(endpoint);
      groups.set(key, group);
    }
    // Also a Service without endpoints has a slice, which says that somebody cares for it.
    if (groups.size === 0) return [{ addressType: family, ports: [], endpoints: [] }];
    return [...groups.values()].map((group) => ({ addressType: family, ...group }));
  });
}

function endpointOf(service: Service, pod: Pod, family: string, nodeOf: NodeOf): Endpoint | undefined {
  const address = podAddressOf(pod, family);
  if (address === undefined || !isAddressable(pod)) return undefined;
  const publishes = service.spec?.publishNotReadyAddresses === true;
  const nodeName = pod.spec?.nodeName;
  const node = nodeName === undefined ? undefined : nodeOf(nodeName);
  if (!node && !publishes) return undefined;
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = publishes || (serving && !terminating);
  const zone = node?.metadata.labels?.[zoneLabel];
  const hostname = hostnameUnder(pod, service);
  const hints = ready ? hintsOf(service.spec?.trafficDistribution, nodeName, zone) : undefined;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone ? { zone } : {}),
    ...(hints ? { hints } : {}),
    targetRef: podReference(pod),
  };
}

function hintsOf(
  distribution: string | undefined,
  nodeName: string | undefined,
  zone: string | undefined,
): EndpointHints | undefined {
  const forZones = zone ? { forZones: [{ name: zone }] } : {};
  switch (distribution) {
    case 'PreferSameZone':
    case 'PreferClose':
      return zone ? forZones : undefined;
    case 'PreferSameNode':
      return nodeName === undefined ? undefined : { ...forZones, forNodes: [{ name: nodeName }] };
    default:
      return undefined;
  }
}

function portsOf(service: Service, pod: Pod): readonly DiscoveryV1EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((servicePort) => {
    const port = targetPort(pod, servicePort);
    if (port === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = servicePort;
    return [{ name, protocol, port, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function labelsOf(service: Service): Readonly<Record<string, string>> {
  const { [headlessLabel]: _, ...own } = { ...service.metadata.labels };
  return {
    ...own,
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
    [serviceNameLabel]: service.metadata.name ?? '',
    [managedByLabel]: managedBy,
  };
}

const byService = (slice: EndpointSlice): readonly string[] => {
  const name = slice.metadata.labels?.[serviceNameLabel];
  return name === undefined ? [] : [`${slice.metadata.namespace}/${name}`];
};
const sliceOptions = { indexes: { service: byService } };

async function reconcile(key: string, context: ControllerContext): Promise<Outcome> {
  const { informers } = context;
  const service = informers.of(services).get(key);
  if (!service) return done;
  const selected = selectedPods(service, informers);
  if (!selected) return done;
  const groups = planGroups(service, selected, (name) => informers.of(nodes).get(name));
  const existing = informers
    .of(endpointslices, sliceOptions)
    .byIndex('service', key)
    .filter(({ metadata }) => metadata.labels?.[managedByLabel] === managedBy);
  await applySlices(context, planSlices({ owner: service, labels: labelsOf(service) }, groups, existing));
  requireNodes(context, service, selected);
  return done;
}

/** A pod on a node that the cache does not show was left out; it is tried again with back-off until one of both is settled. */
function requireNodes({ informers }: ControllerContext, service: Service, selected: readonly Pod[]): void {
  if (service.spec?.publishNotReadyAddresses) return;
  for (const pod of selected) {
    const name = pod.spec?.nodeName;
    if (name === undefined || !isAddressable(pod) || informers.of(nodes).get(name)) continue;
    throw new TransientError('NODE_UNKNOWN', `skipping Pod ${pod.metadata.name} for Service: Node ${name} Not Found`);
  }
}

/** Keeps the EndpointSlices of Services with a selector. */
export const endpointSliceController: Controller = {
  name: 'endpointslice-controller',
  eventSource: 'endpoint-slice-controller',
  watches: [
    watchOf(services, (service) => [keyOf(service)]),
    watchOf(pods, serviceKeysOf),
    watchOf(endpointslices, byService, sliceOptions),
  ],
  reads: [{ resource: nodes }],
  reconcile,
};
