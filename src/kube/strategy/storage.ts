import type { Draft } from '../draft.ts';
import { formatTime } from '../time.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../types.gen.ts';
import { restore } from './status.ts';

/** dataSource takes claims and snapshots only (KEP-1495); anything else in it was ignored before, and still is. */
function dropUnknownDataSource(spec: Draft<PersistentVolumeClaimSpec> | undefined): void {
  const source = spec?.dataSource;
  if (spec === undefined || source === undefined) return;
  const { apiGroup } = source;
  const isClaim = !apiGroup && source.kind === 'PersistentVolumeClaim';
  const isSnapshot = apiGroup === 'snapshot.storage.k8s.io' && source.kind === 'VolumeSnapshot';
  if (!isClaim && !isSnapshot) delete spec.dataSource;
}

/** dataSource and dataSourceRef say the same for sources in the claim's namespace: each fills the other in. */
function alignDataSources(spec: Draft<PersistentVolumeClaimSpec> | undefined): void {
  if (spec === undefined) return;
  const { dataSource, dataSourceRef } = spec;
  if (dataSource !== undefined && dataSourceRef === undefined) spec.dataSourceRef = { ...dataSource };
  if (dataSourceRef !== undefined && dataSource === undefined && !dataSourceRef.namespace) {
    const { namespace: _, ...reference } = dataSourceRef;
    spec.dataSource = reference;
  }
}

export function prepareClaimForCreate(claim: Draft<PersistentVolumeClaim>): void {
  claim.status = { phase: 'Pending' };
  dropUnknownDataSource(claim.spec);
  alignDataSources(claim.spec);
}

export function prepareClaimForUpdate(claim: Draft<PersistentVolumeClaim>, old: PersistentVolumeClaim): void {
  restore(claim, old, 'status');
  if (old.spec?.dataSource === undefined) dropUnknownDataSource(claim.spec);
  alignDataSources(claim.spec);
}

export function prepareVolumeForCreate(volume: Draft<PersistentVolume>): void {
  volume.status = { phase: 'Pending', lastPhaseTransitionTime: formatTime(Date.now()) };
}

/** Of the status endpoint: stamps the time when the phase changes and the client did not say when. */
export function stampPhaseTransition(volume: Draft<PersistentVolume>, old: PersistentVolume): void {
  if (volume.status === undefined) return;
  const { phase, lastPhaseTransitionTime: stamp } = volume.status;
  const former = old.status?.lastPhaseTransitionTime;
  if (phase !== old.status?.phase && (stamp === undefined || stamp === former)) {
    volume.status.lastPhaseTransitionTime = formatTime(Date.now());
  } else if (stamp === undefined && former !== undefined) volume.status.lastPhaseTransitionTime = former;
}
