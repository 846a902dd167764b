import { matchesLabelSelector } from '../kube/label-selector.ts';
import { compareQuantities, parseQuantity } from '../kube/quantity.ts';
import { keyOf } from '../kube/resource.ts';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../kube/types.gen.ts';
import { selectedNodeAnnotation } from '../kube/volume-annotations.ts';

export const bindCompletedAnnotation = 'pv.kubernetes.io/bind-completed';
export const boundByControllerAnnotation = 'pv.kubernetes.io/bound-by-controller';
export const provisionedByAnnotation = 'pv.kubernetes.io/provisioned-by';
const betaStorageClassAnnotation = 'volume.beta.kubernetes.io/storage-class';
const defaultClassAnnotation = 'storageclass.kubernetes.io/is-default-class';
const betaDefaultClassAnnotation = 'storageclass.beta.kubernetes.io/is-default-class';

type Annotated = { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> } };

export function hasAnnotation(object: Annotated, name: string): boolean {
  return object.metadata.annotations?.[name] !== undefined;
}

/** The class that the claim names, by its former annotation or its field; empty for none. */
export function claimClass(claim: PersistentVolumeClaim): string {
  return claim.metadata.annotations?.[betaStorageClassAnnotation] ?? claim.spec?.storageClassName ?? '';
}

export function volumeClass(volume: PersistentVolume): string {
  return volume.metadata.annotations?.[betaStorageClassAnnotation] ?? volume.spec?.storageClassName ?? '';
}

/** A claim that leaves its class open gets the default one; an empty name says that it wants none. */
export function wantsDefaultClass(claim: PersistentVolumeClaim): boolean {
  return claim.spec?.storageClassName === undefined && !hasAnnotation(claim, betaStorageClassAnnotation);
}

/** The default class; of several the newest, then the first by name. */
export function defaultClass(classes: readonly StorageClass[]): StorageClass | undefined {
  const isDefault = ({ metadata }: StorageClass) =>
    metadata.annotations?.[defaultClassAnnotation] === 'true' ||
    metadata.annotations?.[betaDefaultClassAnnotation] === 'true';
  const age = ({ metadata }: StorageClass) => metadata.creationTimestamp ?? '';
  return classes
    .filter(isDefault)
    .sort((a, b) => (age(a) === age(b) ? (keyOf(a) < keyOf(b) ? -1 : 1) : age(a) > age(b) ? -1 : 1))[0];
}

/** The volume names this claim: by uid, or (pre-bound by an administrator) by name alone. */
export function isBoundTo(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const reference = volume.spec?.claimRef;
  if (!reference) return false;
  const { name, namespace, uid } = claim.metadata;
  if (reference.name !== name || reference.namespace !== namespace) return false;
  return !reference.uid || reference.uid === uid;
}

/** Why the volume does not do for the claim; undefined when it does. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (compareCapacity(volume, claim) < 0) return 'requested PV is too small';
  if (claimClass(claim) !== volumeClass(volume)) return 'storageClassName does not match';
  if (!hasSameAttributesClass(volume, claim)) return 'volumeAttributesClassName does not match';
  if (!hasSameMode(volume, claim)) return 'incompatible volumeMode';
  if (!offersModes(volume, claim)) return 'incompatible accessMode';
  return undefined;
}

export function hasSameMode(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return (volume.spec?.volumeMode ?? 'Filesystem') === (claim.spec?.volumeMode ?? 'Filesystem');
}

function hasSameAttributesClass(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return (volume.spec?.volumeAttributesClassName ?? '') === (claim.spec?.volumeAttributesClassName ?? '');
}

function offersModes(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const offered = volume.spec?.accessModes ?? [];
  return (claim.spec?.accessModes ?? []).every((mode) => offered.includes(mode));
}

function compareCapacity(volume: PersistentVolume, claim: PersistentVolumeClaim): number {
  const offered = parseQuantity(volume.spec?.capacity?.['storage'] ?? '0');
  return compareQuantities(offered, parseQuantity(claim.spec?.resources?.requests?.['storage'] ?? '0'));
}

/**
 * The volume to bind: one that already names the claim, else (where binding does not wait for a pod) the smallest
 * available one that fits, with as few access modes beyond the wanted ones as possible.
 */
export function findVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  isDelayed: boolean,
): PersistentVolume | undefined {
  const usable = volumes.filter(
    (volume) =>
      volume.metadata.deletionTimestamp === undefined &&
      hasSameMode(volume, claim) &&
      offersModes(volume, claim) &&
      compareCapacity(volume, claim) >= 0,
  );
  const prebound = usable.find((volume) => isBoundTo(volume, claim));
  if (prebound || isDelayed) return prebound;
  const { selector } = claim.spec ?? {};
  return usable
    .filter(
      (volume) =>
        !volume.spec?.claimRef &&
        volume.status?.phase === 'Available' &&
        volumeClass(volume) === claimClass(claim) &&
        hasSameAttributesClass(volume, claim) &&
        (selector === undefined || matchesLabelSelector(selector, volume.metadata.labels)),
    )
    .sort(
      (a, b) =>
        (a.spec?.accessModes?.length ?? 0) - (b.spec?.accessModes?.length ?? 0) ||
        compareQuantities(
          parseQuantity(a.spec?.capacity?.['storage'] ?? '0'),
          parseQuantity(b.spec?.capacity?.['storage'] ?? '0'),
        ) ||
        (keyOf(a) < keyOf(b) ? -1 : 1),
    )[0];
}

export interface ClaimNote {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export type ClaimPlan =
  | { readonly action: 'bind'; readonly volume: PersistentVolume }
  | { readonly action: 'wait'; readonly note?: ClaimNote }
  | { readonly action: 'lost'; readonly note: ClaimNote }
  | { readonly action: 'provision'; readonly provisioner: string; readonly note: ClaimNote }
  | { readonly action: 'set-class'; readonly name: string };

/** What is known around a claim. */
export interface ClaimWorld {
  readonly volumes: readonly PersistentVolume[];
  readonly classes: readonly StorageClass[];
  /** Names of pods that use the claim and have no node yet. */
  readonly unscheduledPods: readonly string[];
}

/** What to do about a claim (the persistent volume controller's syncClaim). Pure. */
export function planClaim(claim: PersistentVolumeClaim, world: ClaimWorld): ClaimPlan {
  if (hasAnnotation(claim, bindCompletedAnnotation)) return planBoundClaim(claim, world);
  const named = claim.spec?.volumeName;
  if (named) return planNamedVolume(claim, named, world);
  const storageClass = world.classes.find(({ metadata }) => metadata.name === claimClass(claim));
  const isDelayed = storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
  const volume = findVolume(claim, world.volumes, isDelayed);
  if (volume) return { action: 'bind', volume };
  if (wantsDefaultClass(claim)) {
    const name = defaultClass(world.classes)?.metadata.name;
    if (name !== undefined) return { action: 'set-class', name };
  }
  if (isDelayed && !hasAnnotation(claim, selectedNodeAnnotation)) return { action: 'wait', note: waiting(world) };
  return planProvisioning(claim, storageClass);
}

function waiting({ unscheduledPods }: ClaimWorld): ClaimNote {
  if (unscheduledPods.length === 0) {
    const message = 'waiting for first consumer to be created before binding';
    return { type: 'Normal', reason: 'WaitForFirstConsumer', message };
  }
  const names = [...unscheduledPods].sort().join(',');
  const message = `waiting for pod${unscheduledPods.length > 1 ? 's' : ''} ${names} to be scheduled`;
  return { type: 'Normal', reason: 'WaitForPodScheduled', message };
}

function planProvisioning(claim: PersistentVolumeClaim, storageClass: StorageClass | undefined): ClaimPlan {
  const name = claimClass(claim);
  if (name === '') {
    const message = 'no persistent volumes available for this claim and no storage class is set';
    return { action: 'wait', note: { type: 'Normal', reason: 'FailedBinding', message } };
  }
  const failed = (message: string): ClaimPlan => ({
    action: 'wait',
    note: { type: 'Warning', reason: 'ProvisioningFailed', message },
  });
  if (!storageClass) return failed(`storageclass.storage.k8s.io "${name}" not found`);
  const { provisioner } = storageClass;
  // Kubernetes' own name space is that of plugins inside kube-controller-manager, of which there are none.
  if (provisioner.startsWith('kubernetes.io/')) return failed(`no volume plugin matched name: ${provisioner}`);
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
  return { action: 'provision', provisioner, note: { type: 'Normal', reason: 'ExternalProvisioning', message } };
}

function planNamedVolume(claim: PersistentVolumeClaim, name: string, world: ClaimWorld): ClaimPlan {
  const volume = world.volumes.find(({ metadata }) => metadata.name === name);
  if (!volume) return { action: 'wait' };
  if (!volume.spec?.claimRef) {
    const why = mismatch(volume, claim);
    if (why === undefined) return { action: 'bind', volume };
    const message = `Cannot bind to requested volume "${name}": ${why}`;
    return { action: 'wait', note: { type: 'Warning', reason: 'VolumeMismatch', message } };
  }
  if (isBoundTo(volume, claim)) return { action: 'bind', volume };
  const message = `volume "${name}" already bound to a different claim.`;
  return { action: 'wait', note: { type: 'Warning', reason: 'FailedBinding', message } };
}

function planBoundClaim(claim: PersistentVolumeClaim, world: ClaimWorld): ClaimPlan {
  const lost = (reason: string, message: string): ClaimPlan => ({
    action: 'lost',
    note: { type: 'Warning', reason, message },
  });
  const name = claim.spec?.volumeName;
  if (!name) {
    return lost('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
  }
  const volume = world.volumes.find(({ metadata }) => metadata.name === name);
  if (!volume) return lost('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  const reference = volume.spec?.claimRef;
  if (!reference || reference.uid === claim.metadata.uid) return { action: 'bind', volume };
  return lost('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
}

export type VolumePlan =
  | { readonly action: 'none' }
  | { readonly action: 'phase'; readonly phase: 'Available' | 'Bound' | 'Released' }
  /** The claim is gone: Released first, then what the reclaim policy says. */
  | { readonly action: 'failed'; readonly note: ClaimNote }
  | { readonly action: 'unbind' }
  | { readonly action: 'sync-claim' };

/** What to do about a volume (syncVolume); `claim` is the one that its claimRef names, by uid. Pure. */
export function planVolume(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumePlan {
  const reference = volume.spec?.claimRef;
  if (!reference?.uid) return { action: 'phase', phase: 'Available' };
  if (!claim) return planReclaim(volume);
  const bound = claim.spec?.volumeName ?? '';
  if (bound === '') return { action: 'sync-claim' };
  if (bound === volume.metadata.name) return { action: 'phase', phase: 'Bound' };
  const isDisposable =
    hasAnnotation(volume, provisionedByAnnotation) && volume.spec?.persistentVolumeReclaimPolicy === 'Delete';
  return isDisposable ? planReclaim(volume) : { action: 'unbind' };
}

function planReclaim(volume: PersistentVolume): VolumePlan {
  const phase = volume.status?.phase;
  if (phase !== 'Released' && phase !== 'Failed') return { action: 'phase', phase: 'Released' };
  if (phase === 'Failed') return { action: 'none' };
  switch (volume.spec?.persistentVolumeReclaimPolicy) {
    case 'Delete':
      // Its provisioner deletes what it made; what nobody made nobody can delete.
      if (hasAnnotation(volume, provisionedByAnnotation)) return { action: 'none' };
      return failedReclaim(
        'VolumeFailedDelete',
        `error getting deleter volume plugin for volume "${volume.metadata.name}": no deletable volume plugin matched`,
      );
    case 'Recycle':
      return failedReclaim('VolumeFailedRecycle', 'No recycler plugin found for the volume!');
    default:
      return { action: 'none' };
  }
}

function failedReclaim(reason: string, message: string): VolumePlan {
  return { action: 'failed', note: { type: 'Warning', reason, message } };
}
