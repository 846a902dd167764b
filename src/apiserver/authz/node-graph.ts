import type { KubeObject } from '../../kube/object.ts';
import { isPodFinished } from '../../kube/pod-phase.ts';
import type { Resource } from '../../kube/resource.ts';
import { persistentvolumes, pods, resourceslices, volumeattachments } from '../../kube/resources.gen.ts';
import type { PersistentVolume, Pod, ResourceSlice, VolumeAttachment } from '../../kube/types.gen.ts';
import type { ClusterReader } from '../reader.ts';
import { podReferences } from './pod-references.ts';

export type VertexKind =
  | 'secret'
  | 'configmap'
  | 'persistentvolumeclaim'
  | 'persistentvolume'
  | 'serviceaccount'
  | 'resourceclaim'
  | 'volumeattachment'
  | 'resourceslice'
  | 'pod';

/** How often each node reaches a vertex. A vertex that no node reaches has no entry. */
type Nodes = Map<string, number>;

/**
 * Which objects a node has to do with, because a pod on it uses them: its secrets, config maps, claims, the volumes
 * that are bound to these and the secrets that those need. Kept current from changes; a question is two look-ups.
 */
export class NodeGraph implements Disposable {
  private readonly reach = new Map<string, Nodes>();
  /** Keys of the vertices that hang behind a claim (its volume, that one's secrets), by the claim's key. */
  private readonly behindClaim = new Map<string, readonly string[]>();
  private readonly subscriptions = new DisposableStack();

  constructor(reader: ClusterReader) {
    this.follow(reader, pods, (pod, sign) => this.onPod(pod, sign));
    this.follow(reader, persistentvolumes, (volume, sign) => this.onVolume(volume, sign));
    this.follow(reader, volumeattachments, (attachment, sign) => this.onAttachment(attachment, sign));
    this.follow(reader, resourceslices, (slice, sign) => this.onSlice(slice, sign));
  }

  [Symbol.dispose](): void {
    this.subscriptions.dispose();
  }

  reaches(node: string, kind: VertexKind, namespace: string, name: string): boolean {
    return this.reach.get(vertex(kind, namespace, name))?.has(node) ?? false;
  }

  private follow<T extends KubeObject>(
    reader: ClusterReader,
    resource: Resource<T>,
    apply: (object: T, sign: 1 | -1) => void,
  ): void {
    const subscription = reader.subscribe(resource, ({ old, current }) => {
      if (old !== undefined) apply(old, -1);
      if (current !== undefined) apply(current, 1);
    });
    this.subscriptions.use(subscription);
  }

  private onPod(pod: Pod, sign: 1 | -1): void {
    const node = pod.spec?.nodeName ?? '';
    if (node === '') return;
    const { namespace = '', name = '' } = pod.metadata;
    this.count(vertex('pod', namespace, name), node, sign);
    // A finished pod needs nothing any more; a mirror pod shows what its node already has.
    if (isPodFinished(pod)) return;
    if (pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return;
    const needs = podReferences(pod);
    const account = pod.spec?.serviceAccountName ?? '';
    if (account !== '') this.count(vertex('serviceaccount', namespace, account), node, sign);
    for (const secret of needs.secrets) this.count(vertex('secret', namespace, secret), node, sign);
    for (const map of needs.configMaps) this.count(vertex('configmap', namespace, map), node, sign);
    for (const claim of needs.resourceClaims) this.count(vertex('resourceclaim', namespace, claim), node, sign);
    for (const claim of needs.claims) {
      const key = vertex('persistentvolumeclaim', namespace, claim);
      this.count(key, node, sign);
      for (const behind of this.behindClaim.get(key) ?? []) this.count(behind, node, sign);
    }
  }

  private onVolume(volume: PersistentVolume, sign: 1 | -1): void {
    const claim = volume.spec?.claimRef;
    if (claim === undefined) return;
    const claimKey = vertex('persistentvolumeclaim', claim.namespace ?? '', claim.name ?? '');
    const keys = [
      vertex('persistentvolume', '', volume.metadata.name ?? ''),
      ...volumeSecrets(volume, claim.namespace ?? '').map(({ namespace, name }) => vertex('secret', namespace, name)),
    ];
    // A list with repetitions: two volumes may need the same secret.
    const now = [...(this.behindClaim.get(claimKey) ?? [])];
    for (const key of keys) {
      if (sign > 0) now.push(key);
      else now.splice(now.indexOf(key), 1);
    }
    if (now.length === 0) this.behindClaim.delete(claimKey);
    else this.behindClaim.set(claimKey, now);
    for (const [node, times] of this.reach.get(claimKey) ?? []) {
      for (const key of keys) this.count(key, node, sign * times);
    }
  }

  private onAttachment(attachment: VolumeAttachment, sign: 1 | -1): void {
    const node = attachment.spec?.nodeName ?? '';
    if (node !== '') this.count(vertex('volumeattachment', '', attachment.metadata.name ?? ''), node, sign);
  }

  private onSlice(slice: ResourceSlice, sign: 1 | -1): void {
    const node = slice.spec?.nodeName ?? '';
    if (node !== '') this.count(vertex('resourceslice', '', slice.metadata.name ?? ''), node, sign);
  }

  private count(key: string, node: string, by: number): void {
    let nodes = this.reach.get(key);
    if (nodes === undefined) {
      nodes = new Map();
      this.reach.set(key, nodes);
    }
    const times = (nodes.get(node) ?? 0) + by;
    if (times > 0) nodes.set(node, times);
    else nodes.delete(node);
    if (nodes.size === 0) this.reach.delete(key);
  }
}

function vertex(kind: VertexKind, namespace: string, name: string): string {
  return `${kind}\n${namespace}\n${name}`;
}

interface SecretName {
  readonly namespace: string;
  readonly name: string;
}

/** The secrets that the source of a volume names, wherever its type puts them. */
function volumeSecrets(volume: PersistentVolume, claimNamespace: string): readonly SecretName[] {
  const { azureFile, cephfs, csi, flexVolume, iscsi, rbd, scaleIO, storageos } = volume.spec ?? {};
  const references = [
    cephfs?.secretRef,
    flexVolume?.secretRef,
    iscsi?.secretRef,
    rbd?.secretRef,
    scaleIO?.secretRef,
    storageos?.secretRef,
    csi?.controllerPublishSecretRef,
    csi?.nodePublishSecretRef,
    csi?.nodeStageSecretRef,
    csi?.nodeExpandSecretRef,
  ];
  const found = references.flatMap((ref) =>
    ref?.name === undefined || ref.name === '' ? [] : [{ namespace: ref.namespace || claimNamespace, name: ref.name }],
  );
  if (azureFile === undefined) return found;
  return [...found, { namespace: azureFile.secretNamespace || claimNamespace, name: azureFile.secretName }];
}
