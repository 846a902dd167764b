import type { KubeObject } from '../../kube/object.ts';
import { endpointslices } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice } from '../../kube/types.gen.ts';
import type { ControllerContext } from '../../runtime/controller.ts';
import { canonicalJson, isEqual } from './equality.ts';
import { controllerReference, nameOf } from './ownership.ts';

export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
/** Endpoints of one slice (kube-controller-manager's default). */
const endpointsPerSlice = 100;

/** Endpoints of one address family that share their ports. */
export interface SliceGroup {
  readonly addressType: string;
  readonly ports: readonly DiscoveryV1EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

export interface SlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

/** What all slices of one owner have. */
export interface SliceShape {
  readonly owner: KubeObject;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Spreads endpoints over slices so that few objects change: an endpoint stays in its slice, new ones fill slices that
 * change anyway, then ones with room, then new slices. Pure.
 */
export function planSlices(
  shape: SliceShape,
  groups: readonly SliceGroup[],
  existing: readonly EndpointSlice[],
): SlicePlan {
  const plan: { create: EndpointSlice[]; update: EndpointSlice[]; remove: EndpointSlice[] } = {
    create: [],
    update: [],
    remove: [],
  };
  const unclaimed = new Set(existing.filter(({ metadata }) => metadata.deletionTimestamp === undefined));
  for (const group of groups) {
    const mine = [...unclaimed].filter((slice) => groupKey(slice) === groupKey(group));
    for (const slice of mine) unclaimed.delete(slice);
    planGroup(shape, group, mine, plan);
  }
  plan.remove.push(...unclaimed);
  return plan;
}

function planGroup(
  shape: SliceShape,
  group: SliceGroup,
  mine: readonly EndpointSlice[],
  plan: { create: EndpointSlice[]; update: EndpointSlice[]; remove: EndpointSlice[] },
): void {
  const wanted = new Map(group.endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
  const kept = mine.map((slice) => {
    const endpoints: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const current = wanted.get(endpointKey(endpoint));
      if (!current) continue;
      wanted.delete(endpointKey(endpoint));
      endpoints.push(current);
    }
    return { slice, endpoints, isChanged: !isEqual(endpoints, slice.endpoints ?? []) };
  });
  const missing = [...wanted.values()];
  for (const entry of [...kept.filter((one) => one.isChanged), ...kept.filter((one) => !one.isChanged)]) {
    const room = endpointsPerSlice - entry.endpoints.length;
    if (missing.length === 0 || room <= 0) continue;
    entry.endpoints.push(...missing.splice(0, room));
  }
  // Of a group that becomes empty one slice stays, so that the ports remain known.
  const isEmptied = kept.every((entry) => entry.endpoints.length === 0) && missing.length === 0;
  let standing = 0;
  for (const { slice, endpoints } of kept) {
    if (endpoints.length === 0 && !(isEmptied && standing === 0)) {
      plan.remove.push(slice);
      continue;
    }
    standing++;
    const next = withShape(shape, { ...slice, endpoints, ports: group.ports });
    const isSame =
      isEqual(slice.endpoints, endpoints) &&
      isEqual(slice.metadata.labels, next.metadata.labels) &&
      isEqual(slice.metadata.annotations, next.metadata.annotations);
    if (!isSame) plan.update.push(next);
  }
  const isPlaceholder = group.endpoints.length === 0 && standing === 0;
  if (isPlaceholder) plan.create.push(newSlice(shape, group, []));
  while (missing.length > 0) plan.create.push(newSlice(shape, group, missing.splice(0, endpointsPerSlice)));
}

function newSlice(shape: SliceShape, group: SliceGroup, endpoints: readonly Endpoint[]): EndpointSlice {
  const { name = '', namespace = '' } = shape.owner.metadata;
  return withShape(shape, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      namespace,
      ownerReferences: [controllerReference(shape.owner)],
    },
    addressType: group.addressType,
    endpoints,
    ports: group.ports,
  });
}

function withShape(shape: SliceShape, slice: EndpointSlice): EndpointSlice {
  const annotations = shape.annotations ?? slice.metadata.annotations;
  const metadata = { ...slice.metadata, labels: shape.labels, ...(annotations ? { annotations } : {}) };
  return { ...slice, metadata };
}

function groupKey(group: {
  readonly addressType: string;
  readonly ports?: readonly DiscoveryV1EndpointPort[];
}): string {
  const ports = (group.ports ?? []).map(({ name = '', protocol = 'TCP', port, appProtocol }) =>
    canonicalJson({ name, protocol, port, appProtocol }),
  );
  return `${group.addressType}\0${ports.sort().join()}`;
}

/** What makes an endpoint the same one when its conditions change. */
function endpointKey(endpoint: Endpoint): string {
  const { addresses, hostname, nodeName, targetRef } = endpoint;
  return canonicalJson([addresses, hostname, nodeName, targetRef?.kind, targetRef?.name, targetRef?.uid]);
}

/** Carries a plan out. A slice that is gone already needs no removal. */
export async function applySlices(context: ControllerContext, plan: SlicePlan): Promise<void> {
  for (const slice of plan.create) await context.client.create(endpointslices, slice);
  for (const slice of plan.update) await context.client.update(endpointslices, slice);
  for (const slice of plan.remove) {
    try {
      await context.client.delete(endpointslices, nameOf(slice));
    } catch (thrown) {
      if (!isReason(thrown, 'NotFound')) throw thrown;
    }
  }
}
