import type { Draft } from '../draft.ts';
import type {
  AzureDiskVolumeSource,
  DownwardAPIVolumeFile,
  PersistentVolumeClaimSpec,
  PersistentVolumeSpec,
  ProjectedVolumeSource,
  RBDVolumeSource,
  ScaleIOVolumeSource,
  Volume,
} from '../types.gen.ts';
import { defaultPullPolicy } from './image-tag.ts';

/** 0644: readable for all, writable for the owner. */
const fileMode = 0o644;

/** Defaults of a pod's volume; one without a source is an emptyDir. */
export function setVolumeDefaults(volume: Draft<Volume>): void {
  if (Object.keys(volume).every((member) => member === 'name')) volume.emptyDir = {};
  if (volume.secret !== undefined) volume.secret.defaultMode ??= fileMode;
  if (volume.configMap !== undefined) volume.configMap.defaultMode ??= fileMode;
  if (volume.downwardAPI !== undefined) {
    volume.downwardAPI.defaultMode ??= fileMode;
    setDownwardFileDefaults(volume.downwardAPI.items);
  }
  if (volume.projected !== undefined) setProjectedDefaults(volume.projected);
  if (volume.image !== undefined) volume.image.pullPolicy ??= defaultPullPolicy(volume.image.reference);
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim !== undefined) setClaimSpecDefaults(claim);
  setSourceDefaults(volume);
}

function setProjectedDefaults(projected: Draft<ProjectedVolumeSource>): void {
  projected.defaultMode ??= fileMode;
  for (const source of projected.sources ?? []) {
    if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= 3600;
    if (source.podCertificate !== undefined) source.podCertificate.maxExpirationSeconds ??= 86400;
    setDownwardFileDefaults(source.downwardAPI?.items);
  }
}

function setDownwardFileDefaults(files: readonly Draft<DownwardAPIVolumeFile>[] | undefined): void {
  for (const file of files ?? []) if (file.fieldRef !== undefined) file.fieldRef.apiVersion ??= 'v1';
}

/** Defaults of a claim's spec, also where it stands in a template. */
export function setClaimSpecDefaults(spec: Draft<PersistentVolumeClaimSpec>): void {
  spec.volumeMode ??= 'Filesystem';
}

/** Sources that pods and persistent volumes share. */
export function setSourceDefaults(
  sources: Pick<Draft<PersistentVolumeSpec> | Draft<Volume>, 'hostPath' | 'iscsi' | 'rbd' | 'azureDisk' | 'scaleIO'>,
): void {
  if (sources.hostPath !== undefined) sources.hostPath.type ??= '';
  if (sources.iscsi !== undefined) sources.iscsi.iscsiInterface ??= 'default';
  if (sources.rbd !== undefined) setRbdDefaults(sources.rbd);
  if (sources.azureDisk !== undefined) setAzureDiskDefaults(sources.azureDisk);
  if (sources.scaleIO !== undefined) setScaleIoDefaults(sources.scaleIO);
}

function setRbdDefaults(rbd: Pick<Draft<RBDVolumeSource>, 'pool' | 'user' | 'keyring'>): void {
  rbd.pool ??= 'rbd';
  rbd.user ??= 'admin';
  rbd.keyring ??= '/etc/ceph/keyring';
}

function setAzureDiskDefaults(disk: Draft<AzureDiskVolumeSource>): void {
  disk.cachingMode ??= 'ReadWrite';
  disk.kind ??= 'Shared';
  disk.fsType ??= 'ext4';
  disk.readOnly ??= false;
}

function setScaleIoDefaults(source: Pick<Draft<ScaleIOVolumeSource>, 'storageMode' | 'fsType'>): void {
  source.storageMode ??= 'ThinProvisioned';
  source.fsType ??= 'xfs';
}
