import { isPodFinished } from '../kube/pod-phase.ts';
import { keyOf, parseKey } from '../kube/resource.ts';
import { endpoints as endpointsResource, pods, services } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import { canonicalJson, isEqual } from './support/equality.ts';
import {
  familiesOf,
  hostnameUnder,
  isAddressable,
  isHeadless,
  isReadyFor,
  podAddressOf,
  podReference,
  selectedPods,
  serviceKeysOf,
  targetPort,
} from './support/service-pods.ts';

const headlessLabel = 'service.kubernetes.io/headless';
const managedByLabel = 'endpoints.kubernetes.io/managed-by';
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';
/** Addresses of one Endpoints object. */
const capacity = 1000;

interface Target {
  readonly address: EndpointAddress;
  readonly isReady: boolean;
  readonly port: EndpointPort | null;
}

/** The subsets of a Service: addresses with the same ports stand together. Pure. */
export function planSubsets(service: Service, selected: readonly Pod[]): readonly EndpointSubset[] {
  return packSubsets(selected.filter((pod) => isEligible(service, pod)).flatMap((pod) => targetsOf(service, pod)));
}

function isEligible(service: Service, pod: Pod): boolean {
  if (!isAddressable(pod)) return false;
  if (pod.metadata.deletionTimestamp !== undefined && !service.spec?.publishNotReadyAddresses) return false;
  if (isReadyFor(service, pod)) return true;
  // A pod that ran and will not run again never becomes ready.
  return !(pod.spec?.restartPolicy === 'Never' && isPodFinished(pod));
}

function targetsOf(service: Service, pod: Pod): readonly Target[] {
  const ip = podAddressOf(pod, familiesOf(service)[0] ?? 'IPv4');
  if (ip === undefined) return [];
  const hostname = hostnameUnder(pod, service);
  const nodeName = pod.spec?.nodeName;
  const address: EndpointAddress = {
    ip,
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: podReference(pod),
  };
  const isReady = isReadyFor(service, pod);
  const ports = service.spec?.ports ?? [];
  if (ports.length === 0) return isHeadless(service) ? [{ address, isReady, port: null }] : [];
  return ports.flatMap((servicePort) => {
    const port = targetPort(pod, servicePort);
    if (port === undefined) return [];
    const { name, protocol = 'TCP', appProtocol } = servicePort;
    const found = { ...(name ? { name } : {}), port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) };
    return [{ address, isReady, port: found }];
  });
}

/** Groups addresses by the set of their ports, in an order that does not depend on the order of the input. */
function packSubsets(targets: readonly Target[]): readonly EndpointSubset[] {
  const byAddress = new Map<string, { readonly target: Target; readonly ports: Map<string, EndpointPort> }>();
  for (const target of targets) {
    const key = canonicalJson([target.address.ip, target.address.targetRef?.uid, target.isReady]);
    const entry = byAddress.get(key) ?? { target, ports: new Map() };
    if (target.port) entry.ports.set(canonicalJson(target.port), target.port);
    byAddress.set(key, entry);
  }
  const groups = new Map<string, { ports: EndpointPort[]; ready: EndpointAddress[]; notReady: EndpointAddress[] }>();
  for (const { target, ports } of byAddress.values()) {
    const sorted = [...ports.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    const key = sorted.map(([text]) => text).join();
    const group = groups.get(key) ?? { ports: sorted.map(([, port]) => port), ready: [], notReady: [] };
    (target.isReady ? group.ready : group.notReady).push(target.address);
    groups.set(key, group);
  }
  return [...groups.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ports, ready, notReady }]) => ({
      ...(ready.length > 0 ? { addresses: sortAddresses(ready) } : {}),
      ...(notReady.length > 0 ? { notReadyAddresses: sortAddresses(notReady) } : {}),
      ...(ports.length > 0 ? { ports } : {}),
    }));
}

function sortAddresses(addresses: readonly EndpointAddress[]): readonly EndpointAddress[] {
  const key = (address: EndpointAddress) => `${address.ip}\0${address.targetRef?.uid ?? ''}`;
  return [...addresses].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** Keeps at most the capacity, ready addresses before others, an even share of each subset. Pure. */
export function truncateSubsets(subsets: readonly EndpointSubset[]): {
  readonly subsets: readonly EndpointSubset[];
  readonly isTruncated: boolean;
} {
  const ready = subsets.reduce((sum, { addresses = [] }) => sum + addresses.length, 0);
  const notReady = subsets.reduce((sum, { notReadyAddresses = [] }) => sum + notReadyAddresses.length, 0);
  if (ready + notReady <= capacity) return { subsets, isTruncated: false };
  let readyLeft = Math.min(ready, capacity);
  let notReadyLeft = capacity - readyLeft;
  const kept = subsets.map(({ addresses = [], notReadyAddresses = [], ...rest }) => {
    const some = addresses.slice(0, readyLeft);
    const others = notReadyAddresses.slice(0, notReadyLeft);
    readyLeft -= some.length;
    notReadyLeft -= others.length;
    return {
      ...rest,
      ...(some.length > 0 ? { addresses: some } : {}),
      ...(others.length > 0 ? { notReadyAddresses: others } : {}),
    };
  });
  const subsetsLeft = kept.filter(({ addresses, notReadyAddresses }) => addresses || notReadyAddresses);
  return { subsets: subsetsLeft, isTruncated: true };
}

/** The Endpoints object that a Service should have, over the one that stands. Pure. */
export function planEndpoints(service: Service, selected: readonly Pod[], standing: Endpoints | undefined): Endpoints {
  const { subsets, isTruncated } = truncateSubsets(planSubsets(service, selected));
  const { name = '', namespace = '' } = service.metadata;
  const labels: Record<string, string> = { ...service.metadata.labels, [managedByLabel]: 'endpoint-controller' };
  if (isHeadless(service)) labels[headlessLabel] = '';
  else delete labels[headlessLabel];
  const { [overCapacityAnnotation]: _, ...annotations } = { ...standing?.metadata.annotations };
  const next = isTruncated ? { ...annotations, [overCapacityAnnotation]: 'truncated' } : annotations;
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...(standing?.metadata ?? { name, namespace }), labels, annotations: next },
    ...(subsets.length > 0 ? { subsets } : {}),
  };
}

async function reconcile(key: string, context: ControllerContext): Promise<Outcome> {
  const { informers, client } = context;
  const service = informers.of(services).get(key);
  const standing = informers.of(endpointsResource).get(key);
  if (!service) {
    if (standing && standing.metadata.labels?.[managedByLabel] !== undefined) await remove(key, context);
    return done;
  }
  const selected = selectedPods(service, informers);
  if (!selected) return done;
  const next = planEndpoints(service, selected, standing);
  if (!standing) {
    await client.create(endpointsResource, next);
    return done;
  }
  const { labels, annotations } = standing.metadata;
  const isSame =
    isEqual(standing.subsets, next.subsets) &&
    isEqual(labels, next.metadata.labels) &&
    isEqual(annotations, next.metadata.annotations);
  if (!isSame) await client.update(endpointsResource, next);
  return done;
}

async function remove(key: string, { client }: ControllerContext): Promise<void> {
  try {
    await client.delete(endpointsResource, parseKey(key));
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound')) throw thrown;
  }
}

/** Keeps the (deprecated, still read) Endpoints of Services with a selector. */
export const endpointsController: Controller = {
  name: 'endpoint-controller',
  watches: [
    watchOf(services, (service) => [keyOf(service)]),
    watchOf(pods, serviceKeysOf),
    watchOf(endpointsResource, (one) => [keyOf(one)]),
  ],
  reconcile,
};
