import type { KubeObject, OwnerReference } from '../kube/object.ts';
import type { PersistentVolumeClaim, Pod, PodTemplateSpec, StatefulSet } from '../kube/types.gen.ts';
import { controllerReference } from './support/ownership.ts';
import { podFromTemplate } from './support/pods.ts';

export const revisionLabel = 'controller-revision-hash';
const podNameLabel = 'statefulset.kubernetes.io/pod-name';
const podIndexLabel = 'apps.kubernetes.io/pod-index';

export function startOrdinal(set: StatefulSet): number {
  return set.spec?.ordinals?.start ?? 0;
}

export function podName(set: StatefulSet, ordinal: number): string {
  return `${set.metadata.name}-${ordinal}`;
}

/** The ordinal in a pod's name; -1 when the name is not one of the set's. */
export function ordinalOf(set: StatefulSet, pod: Pod): number {
  const match = /^(.*)-(\d+)$/.exec(pod.metadata.name ?? '');
  return match && match[1] === set.metadata.name ? Number(match[2]) : -1;
}

/** The labels that tie a pod to its ordinal. */
export function identityLabels(set: StatefulSet, ordinal: number): Readonly<Record<string, string>> {
  return { [podNameLabel]: podName(set, ordinal), [podIndexLabel]: String(ordinal) };
}

/** The pod of an ordinal, of the template that the revision holds. */
export function newPod(set: StatefulSet, template: PodTemplateSpec, revision: string, ordinal: number): Pod {
  const name = podName(set, ordinal);
  const pod = podFromTemplate(template, set, name);
  const { serviceName } = set.spec ?? {};
  const claims = claimsOf(set, ordinal).map(({ volume, claim }) => ({
    name: volume,
    persistentVolumeClaim: { claimName: claim.metadata.name ?? '', readOnly: false },
  }));
  const others = (pod.spec?.volumes ?? []).filter(({ name: own }) => !claims.some((volume) => volume.name === own));
  const volumes = [...claims, ...others];
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: { ...pod.metadata.labels, ...identityLabels(set, ordinal), [revisionLabel]: revision },
    },
    spec: {
      containers: [],
      ...pod.spec,
      hostname: name,
      ...(serviceName ? { subdomain: serviceName } : {}),
      ...(volumes.length > 0 ? { volumes } : {}),
    },
  };
}

/** True when pod and ordinal know of each other, and its volumes are the ordinal's. */
export function hasIdentity(set: StatefulSet, pod: Pod, ordinal: number): boolean {
  const labels = pod.metadata.labels ?? {};
  return Object.entries(identityLabels(set, ordinal)).every(([name, value]) => labels[name] === value);
}

/** The claims of an ordinal, one for each template. */
export function claimsOf(
  set: StatefulSet,
  ordinal: number,
): readonly { readonly volume: string; readonly claim: PersistentVolumeClaim }[] {
  return (set.spec?.volumeClaimTemplates ?? []).map((template) => {
    const volume = template.metadata.name ?? '';
    const labels = { ...template.metadata.labels, ...set.spec?.selector.matchLabels };
    const { annotations, finalizers } = template.metadata;
    const claim: PersistentVolumeClaim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name: `${volume}-${podName(set, ordinal)}`,
        namespace: set.metadata.namespace ?? '',
        labels,
        ...(annotations ? { annotations } : {}),
        ...(finalizers ? { finalizers } : {}),
      },
      ...(template.spec ? { spec: template.spec } : {}),
    };
    return { volume, claim };
  });
}

/** Whether a claim of that name is one that the set makes for its pods, by the form of its name. */
export function isClaimOf(set: StatefulSet, name: string): boolean {
  return (set.spec?.volumeClaimTemplates ?? []).some(({ metadata }) => {
    const prefix = `${metadata.name}-${set.metadata.name}-`;
    return name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
  });
}

/**
 * The owners that the retention policy wants a claim to have: with the set it goes when the set is deleted, with its
 * pod when the set was scaled down below it. Owners that others put there stay. Pure.
 */
export function claimOwners(
  set: StatefulSet,
  claim: PersistentVolumeClaim,
  pod: KubeObject,
  isCondemned: boolean,
): readonly OwnerReference[] {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
  const ours = new Set([set.metadata.uid, pod.metadata.uid]);
  const others = (claim.metadata.ownerReferences ?? []).filter(
    ({ uid, kind, name }) => !ours.has(uid) && !(kind === 'Pod' && name === pod.metadata.name),
  );
  if (isCondemned && whenScaled === 'Delete') return [...others, controllerReference(pod)];
  return whenDeleted === 'Delete' ? [...others, controllerReference(set)] : others;
}
