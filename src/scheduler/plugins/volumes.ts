import { matchesLabelSelector } from '../../kube/label-selector.ts';
import { claimNames } from '../../kube/pod-claims.ts';
import { compareQuantities, parseQuantity } from '../../kube/quantity.ts';
import { matchesNodeSelector, matchesNodeSelectorTerm } from '../../kube/scheduling.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../../kube/types.gen.ts';
import { selectedNodeAnnotation } from '../../kube/volume-annotations.ts';
import type { NodeInfo, Plugin, Rejection, Snapshot } from '../plugin.ts';

const bindCompleted = 'pv.kubernetes.io/bind-completed';
const noProvisioner = 'kubernetes.io/no-provisioner';

/** What must be done for a pod's claims before it can be bound to a node. */
export interface VolumePlan {
  /** Existing volumes that are to be bound to claims which wait for this pod. */
  readonly bind: readonly { readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }[];
  /** Claims whose class provisions a volume for the chosen node. */
  readonly provision: readonly PersistentVolumeClaim[];
}

interface PodClaims {
  readonly bound: readonly { readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }[];
  readonly waiting: readonly { readonly claim: PersistentVolumeClaim; readonly storageClass: StorageClass }[];
}

/** Sorts a pod's claims into bound ones and ones that wait for their first consumer; anything else refuses the pod. */
export function claimsOf(pod: Pod, snapshot: Snapshot): PodClaims | Rejection {
  const bound = [];
  const waiting = [];
  const refuse = (reason: string): Rejection => ({ reasons: [reason], resolvable: false });
  for (const name of claimNames(pod)) {
    const claim = snapshot.claim(pod.metadata.namespace ?? '', name);
    if (claim === undefined) return refuse(`persistentvolumeclaim "${name}" not found`);
    if (claim.status?.phase === 'Lost') {
      return refuse(
        `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName}"`,
      );
    }
    if (claim.metadata.deletionTimestamp !== undefined)
      return refuse(`persistentvolumeclaim "${name}" is being deleted`);
    if (claim.spec?.volumeName && claim.metadata.annotations?.[bindCompleted] !== undefined) {
      const volume = snapshot.volume(claim.spec.volumeName);
      if (volume === undefined) {
        return refuse(
          `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec.volumeName}"`,
        );
      }
      bound.push({ claim, volume });
      continue;
    }
    const storageClass = snapshot.storageClass(claim.spec?.storageClassName ?? '');
    if (storageClass?.volumeBindingMode !== 'WaitForFirstConsumer' || claim.spec?.volumeName) {
      return refuse('pod has unbound immediate PersistentVolumeClaims');
    }
    waiting.push({ claim, storageClass });
  }
  return { bound, waiting };
}

/** How the pod's claims can be served on a node, or why not. Pure. */
export function planVolumes(claims: PodClaims, node: NodeInfo, snapshot: Snapshot): VolumePlan | Rejection {
  for (const { volume } of claims.bound) {
    if (!reaches(volume, node.node)) {
      return { reasons: ["node(s) didn't match PersistentVolume's node affinity"], resolvable: false };
    }
  }
  const bind: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = [];
  const provision: PersistentVolumeClaim[] = [];
  for (const { claim, storageClass } of claims.waiting) {
    const selected = claim.metadata.annotations?.[selectedNodeAnnotation];
    if (selected !== undefined && selected !== node.name) {
      return { reasons: ["node(s) didn't match PersistentVolume's node affinity"], resolvable: false };
    }
    const volume =
      selected === undefined
        ? smallestMatch(
            claim,
            node.node,
            snapshot,
            bind.map((b) => b.volume),
          )
        : undefined;
    if (volume !== undefined) {
      bind.push({ claim, volume });
    } else if (!canProvision(claim, storageClass, node.node)) {
      return { reasons: ["node(s) didn't find available persistent volumes to bind"], resolvable: true };
    } else if (!hasCapacity(claim, storageClass, node.node, snapshot)) {
      return { reasons: ['node(s) did not have enough free storage'], resolvable: true };
    } else {
      provision.push(claim);
    }
  }
  return { bind, provision };
}

/** Claims that are bound must be reachable from the node; claims that wait must find or get a volume there. */
export const volumeBinding: Plugin = {
  name: 'VolumeBinding',
  weight: 0,
  prepare({ pod }, snapshot) {
    if (claimNames(pod).length === 0) return {};
    const claims = claimsOf(pod, snapshot);
    if ('reasons' in claims) return claims;
    return {
      filter(node) {
        const plan = planVolumes(claims, node, snapshot);
        return 'reasons' in plan ? plan : null;
      },
    };
  },
};

/** A ReadWriteOncePod claim serves one pod of the cluster. */
export const volumeRestrictions: Plugin = {
  name: 'VolumeRestrictions',
  weight: 0,
  prepare({ pod }, snapshot) {
    const namespace = pod.metadata.namespace ?? '';
    const exclusive = claimNames(pod).filter((name) =>
      snapshot.claim(namespace, name)?.spec?.accessModes?.includes('ReadWriteOncePod'),
    );
    if (exclusive.length === 0) return {};
    const inUse = snapshot.nodes.some(({ pods }) =>
      pods.some(
        ({ pod: other }) =>
          other.metadata.namespace === namespace && claimNames(other).some((n) => exclusive.includes(n)),
      ),
    );
    const rejection: Rejection = {
      reasons: ['node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode'],
      resolvable: true,
    };
    return { filter: () => (inUse ? rejection : null) };
  },
};

/** CSINode says how many volumes of each driver a node can have attached. */
export const nodeVolumeLimits: Plugin = {
  name: 'NodeVolumeLimits',
  weight: 0,
  prepare({ pod }, snapshot) {
    const wanted = csiVolumes(pod, snapshot);
    if (wanted.size === 0) return {};
    return {
      filter(node) {
        const there = new Map(node.pods.flatMap((p) => [...csiVolumes(p.pod, snapshot)]));
        for (const driver of new Set(wanted.values())) {
          const limit = snapshot.csiNode(node.name)?.spec?.drivers.find((d) => d.name === driver)?.allocatable?.count;
          if (limit === undefined) continue;
          const handles = [...there, ...wanted].filter(([, d]) => d === driver).map(([handle]) => handle);
          if (new Set(handles).size > limit) return { reasons: ['node(s) exceed max volume count'], resolvable: true };
        }
        return null;
      },
    };
  },
};

function csiVolumes(pod: Pod, snapshot: Snapshot): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of claimNames(pod)) {
    const claim = snapshot.claim(pod.metadata.namespace ?? '', name);
    const csi = snapshot.volume(claim?.spec?.volumeName ?? '')?.spec?.csi;
    if (csi !== undefined) found.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver);
  }
  return found;
}

function reaches(volume: PersistentVolume, node: Node): boolean {
  const required = volume.spec?.nodeAffinity?.required;
  return required === undefined || matchesNodeSelector(required, node);
}

/** The smallest available volume that fits the claim and can be reached from the node. */
function smallestMatch(
  claim: PersistentVolumeClaim,
  node: Node,
  snapshot: Snapshot,
  taken: readonly PersistentVolume[],
): PersistentVolume | undefined {
  const wanted = parseQuantity(claim.spec?.resources?.requests?.['storage'] ?? '0');
  const size = (v: PersistentVolume) => parseQuantity(v.spec?.capacity?.['storage'] ?? '0');
  return snapshot
    .volumes()
    .filter(
      (v) =>
        !taken.includes(v) &&
        isFreeFor(v, claim) &&
        (v.spec?.storageClassName ?? '') === (claim.spec?.storageClassName ?? '') &&
        (v.spec?.volumeMode ?? 'Filesystem') === (claim.spec?.volumeMode ?? 'Filesystem') &&
        (claim.spec?.accessModes ?? []).every((m) => v.spec?.accessModes?.includes(m)) &&
        (claim.spec?.selector === undefined || matchesLabelSelector(claim.spec.selector, v.metadata.labels)) &&
        compareQuantities(size(v), wanted) >= 0 &&
        reaches(v, node),
    )
    .sort((a, b) => compareQuantities(size(a), size(b)))[0];
}

function isFreeFor(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  if (volume.metadata.deletionTimestamp !== undefined) return false;
  const reference = volume.spec?.claimRef;
  if (reference === undefined) return volume.status?.phase === 'Available';
  if (reference.name !== claim.metadata.name || reference.namespace !== claim.metadata.namespace) return false;
  return !reference.uid || reference.uid === claim.metadata.uid;
}

function canProvision(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node): boolean {
  // A claim that names labels wants a volume that exists; nothing can be provisioned for it.
  if (storageClass.provisioner === noProvisioner || claim.spec?.selector !== undefined) return false;
  const topologies = storageClass.allowedTopologies ?? [];
  if (topologies.length === 0) return true;
  return topologies.some((term) =>
    matchesNodeSelectorTerm(
      {
        matchExpressions: (term.matchLabelExpressions ?? []).map((e) => ({
          key: e.key,
          operator: 'In',
          values: e.values,
        })),
      },
      node,
    ),
  );
}

function hasCapacity(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Node,
  snapshot: Snapshot,
): boolean {
  if (!snapshot.publishesCapacity(storageClass.provisioner)) return true;
  const wanted = parseQuantity(claim.spec?.resources?.requests?.['storage'] ?? '0');
  return snapshot.storageCapacities().some((capacity) => {
    const limit = capacity.maximumVolumeSize ?? capacity.capacity;
    return (
      capacity.storageClassName === storageClass.metadata.name &&
      limit !== undefined &&
      compareQuantities(parseQuantity(limit), wanted) >= 0 &&
      matchesLabelSelector(capacity.nodeTopology, node.metadata.labels)
    );
  });
}

/** The plan for a node that the filters have accepted. */
export function volumePlanFor(pod: Pod, node: NodeInfo, snapshot: Snapshot): VolumePlan | Rejection {
  if (claimNames(pod).length === 0) return { bind: [], provision: [] };
  const claims = claimsOf(pod, snapshot);
  return 'reasons' in claims ? claims : planVolumes(claims, node, snapshot);
}
