import { claimNameOf } from '../../kube/pod-claims.ts';
import type { Container, EphemeralContainer, Pod, PodSpec, Volume } from '../../kube/types.gen.ts';

/** Names of the objects in a pod's own namespace that it uses. */
export interface PodReferences {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  /** PersistentVolumeClaims, also those that ephemeral volumes make. */
  readonly claims: ReadonlySet<string>;
  readonly resourceClaims: ReadonlySet<string>;
}

/** All containers of a pod: init, regular, ephemeral. */
export function containersOf(spec: PodSpec): readonly (Container | EphemeralContainer)[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
}

export function podReferences(pod: Pod): PodReferences {
  const secrets = new Set<string>();
  const configMaps = new Set<string>();
  const claims = new Set<string>();
  const spec = pod.spec;
  if (spec === undefined) return { secrets, configMaps, claims, resourceClaims: new Set() };
  for (const { name } of spec.imagePullSecrets ?? []) add(secrets, name);
  for (const container of containersOf(spec)) {
    for (const source of container.envFrom ?? []) {
      add(secrets, source.secretRef?.name);
      add(configMaps, source.configMapRef?.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      add(secrets, valueFrom?.secretKeyRef?.name);
      add(configMaps, valueFrom?.configMapKeyRef?.name);
    }
  }
  for (const volume of spec.volumes ?? []) {
    for (const name of volumeSecretNames(volume)) add(secrets, name);
    add(configMaps, volume.configMap?.name);
    for (const source of volume.projected?.sources ?? []) add(configMaps, source.configMap?.name);
    add(claims, claimNameOf(pod.metadata.name, volume));
  }
  const made = new Map(
    (pod.status?.resourceClaimStatuses ?? []).map((status) => [status.name, status.resourceClaimName]),
  );
  const resourceClaims = new Set<string>();
  for (const { name, resourceClaimName } of spec.resourceClaims ?? [])
    add(resourceClaims, resourceClaimName ?? made.get(name));
  add(resourceClaims, pod.status?.extendedResourceClaimStatus?.resourceClaimName);
  return { secrets, configMaps, claims, resourceClaims };
}

/** The secrets that one volume of a pod names. */
export function volumeSecretNames(volume: Volume): readonly string[] {
  const names = [
    volume.secret?.secretName,
    volume.azureFile?.secretName,
    volume.cephfs?.secretRef?.name,
    volume.flexVolume?.secretRef?.name,
    volume.iscsi?.secretRef?.name,
    volume.rbd?.secretRef?.name,
    volume.scaleIO?.secretRef?.name,
    volume.storageos?.secretRef?.name,
    volume.csi?.nodePublishSecretRef?.name,
    ...(volume.projected?.sources ?? []).map((source) => source.secret?.name),
  ];
  return names.flatMap((name) => (name === undefined || name === '' ? [] : [name]));
}

function add(set: Set<string>, name: string | undefined): void {
  if (name !== undefined && name !== '') set.add(name);
}
