import { setMember } from '../../core/json.ts';
import type { Draft } from '../draft.ts';
import type {
  Endpoints,
  LimitRange,
  LimitRangeItem,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  PodTemplate,
  ReplicationController,
  Secret,
} from '../types.gen.ts';
import { setPodSpecDefaults } from './pod-spec.ts';
import { setClaimSpecDefaults, setSourceDefaults } from './volumes.ts';

export function setEndpointsDefaults(endpoints: Draft<Endpoints>): void {
  for (const subset of endpoints.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ??= 'TCP';
}

export function setLimitRangeDefaults(range: Draft<LimitRange>): void {
  for (const item of range.spec?.limits ?? []) if (item.type === 'Container') setContainerLimitDefaults(item);
}

// A limit falls back on the maximum, a request on the limit and then on the minimum.
function setContainerLimitDefaults(item: Draft<LimitRangeItem>): void {
  const limits = { ...item.max, ...item.default };
  const requests = { ...item.min, ...limits, ...item.defaultRequest };
  if (Object.keys(limits).length > 0) item.default = limits;
  if (Object.keys(requests).length > 0) item.defaultRequest = requests;
}

export function setNamespaceDefaults(namespace: Draft<Namespace>): void {
  const { name } = namespace.metadata;
  if (name) {
    namespace.metadata.labels ??= {};
    namespace.metadata.labels['kubernetes.io/metadata.name'] ??= name;
  }
  namespace.status ??= {};
  namespace.status.phase ??= 'Active';
}

export function setNodeDefaults(node: Draft<Node>): void {
  const { spec, status } = node;
  if (spec !== undefined) alignFirst(spec, 'podCIDR', 'podCIDRs');
  if (status?.capacity !== undefined) status.allocatable ??= { ...status.capacity };
}

export function setPersistentVolumeDefaults(volume: Draft<PersistentVolume>): void {
  volume.status ??= {};
  volume.status.phase ??= 'Pending';
  if (volume.spec === undefined) return;
  volume.spec.persistentVolumeReclaimPolicy ??= 'Retain';
  volume.spec.volumeMode ??= 'Filesystem';
  setSourceDefaults(volume.spec);
}

export function setPersistentVolumeClaimDefaults(claim: Draft<PersistentVolumeClaim>): void {
  claim.status ??= {};
  claim.status.phase ??= 'Pending';
  if (claim.spec !== undefined) setClaimSpecDefaults(claim.spec);
}

export function setPodTemplateDefaults(template: Draft<PodTemplate>): void {
  if (template.template?.spec !== undefined) setPodSpecDefaults(template.template.spec);
}

export function setReplicationControllerDefaults(controller: Draft<ReplicationController>): void {
  const { spec } = controller;
  if (spec === undefined) return;
  const labels = spec.template?.metadata?.labels ?? {};
  if (Object.keys(labels).length > 0) {
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
    if (Object.keys(controller.metadata.labels ?? {}).length === 0) controller.metadata.labels = { ...labels };
  }
  spec.replicas ??= 1;
  if (spec.template?.spec !== undefined) setPodSpecDefaults(spec.template.spec);
}

/** The type, and stringData, which is written only: it joins data. */
export function setSecretDefaults(secret: Draft<Secret>): void {
  secret.type ??= 'Opaque';
  if (secret.stringData === undefined) return;
  secret.data ??= {};
  for (const [key, value] of Object.entries(secret.stringData)) {
    setMember(secret.data, key, Buffer.from(value).toString('base64'));
  }
  delete secret.stringData;
}

/** A field for one value and a list that came after it say the same: the one is the first of the list, and it decides. */
export function alignFirst<One extends string, Many extends string>(
  object: { [_ in One]?: string } & { [_ in Many]?: string[] },
  one: One,
  many: Many,
): void {
  const single: string | undefined = object[one];
  const list: readonly string[] = object[many] ?? [];
  if (single) {
    if (list[0] !== single) Object.assign(object, { [many]: [single] });
  } else if (list[0] !== undefined) Object.assign(object, { [one]: list[0] });
}
