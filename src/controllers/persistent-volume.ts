import { claimKeysOf } from '../kube/pod-claims.ts';
import { keyOf, parseKey } from '../kube/resource.ts';
import { persistentvolumeclaims, persistentvolumes, pods, storageclasses } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, Pod } from '../kube/types.gen.ts';
import { betaStorageProvisionerAnnotation, storageProvisionerAnnotation } from '../kube/volume-annotations.ts';
import {
  type Controller,
  type ControllerContext,
  done,
  type Informers,
  type Outcome,
  watchOf,
} from '../runtime/controller.ts';
import { isEqual } from './support/equality.ts';
import { nameOf } from './support/ownership.ts';
import {
  bindCompletedAnnotation,
  boundByControllerAnnotation,
  claimClass,
  hasAnnotation,
  isBoundTo,
  planClaim,
  planVolume,
  volumeClass,
} from './volume-binding.ts';

/** Keys say which of the two kinds they speak of. */
const claimPrefix = 'claim:';
const volumePrefix = 'volume:';
/** Claims that wait are looked at again after this time, as kube-controller-manager's resync does. */
const resyncMs = 15_000;

const podOptions = { indexes: { claim: claimKeysOf } };

function keysOfClaim(claim: PersistentVolumeClaim): readonly string[] {
  const { volumeName } = claim.spec ?? {};
  const own = `${claimPrefix}${keyOf(claim)}`;
  return volumeName ? [own, `${volumePrefix}${volumeName}`] : [own];
}

function keysOfVolume(volume: PersistentVolume, informers: Informers): readonly string[] {
  const own = `${volumePrefix}${keyOf(volume)}`;
  const reference = volume.spec?.claimRef;
  const waiting = waitingClaims(informers, volumeClass(volume));
  return reference ? [own, `${claimPrefix}${reference.namespace}/${reference.name}`] : [own, ...waiting];
}

function waitingClaims(informers: Informers, className: string): readonly string[] {
  return informers
    .of(persistentvolumeclaims)
    .list()
    .filter((claim) => !hasAnnotation(claim, bindCompletedAnnotation))
    .filter((claim) => claimClass(claim) === className || claimClass(claim) === '')
    .map((claim) => `${claimPrefix}${keyOf(claim)}`);
}

/** Binds claims to volumes, asks provisioners for volumes, and releases those whose claim is gone. */
export const persistentVolumeController: Controller = {
  name: 'persistent-volume-binder',
  eventSource: 'persistentvolume-controller',
  // One at a time: two claims must not choose the same volume.
  concurrency: 1,
  watches: [
    watchOf(persistentvolumeclaims, keysOfClaim),
    watchOf(persistentvolumes, keysOfVolume),
    watchOf(storageclasses, ({ metadata }, informers) => waitingClaims(informers, metadata.name ?? '')),
    watchOf(pods, () => [], podOptions),
  ],
  reconcile(key, context) {
    return key.startsWith(claimPrefix)
      ? syncClaim(key.slice(claimPrefix.length), context)
      : syncVolume(key.slice(volumePrefix.length), context);
  },
};

async function syncClaim(key: string, context: ControllerContext): Promise<Outcome> {
  const { informers, client, events } = context;
  const claim = informers.of(persistentvolumeclaims).get(key);
  if (!claim) return done;
  const plan = planClaim(claim, {
    volumes: informers.of(persistentvolumes).list(),
    classes: informers.of(storageclasses).list(),
    unscheduledPods: unscheduledPods(informers.of(pods, podOptions).byIndex('claim', key)),
  });
  switch (plan.action) {
    case 'bind':
      await bind(context, plan.volume, claim);
      return done;
    case 'set-class': {
      const body = { spec: { storageClassName: plan.name } };
      await client.patch(persistentvolumeclaims, nameOf(claim), { type: 'merge', body });
      return done;
    }
    case 'lost':
      if (claim.status?.phase !== 'Lost') events.event(claim, plan.note.type, plan.note.reason, plan.note.message);
      await writeClaimStatus(context, claim, { phase: 'Lost' });
      return done;
    case 'provision':
      await askProvisioner(context, claim, plan.provisioner);
      events.event(claim, plan.note.type, plan.note.reason, plan.note.message);
      return { requeueAfterMs: resyncMs };
    case 'wait':
      if (plan.note) events.event(claim, plan.note.type, plan.note.reason, plan.note.message);
      await writeClaimStatus(context, claim, { phase: 'Pending' });
      return { requeueAfterMs: resyncMs };
  }
}

function unscheduledPods(users: readonly Pod[]): readonly string[] {
  return users
    .filter(({ spec, metadata }) => !spec?.nodeName && metadata.deletionTimestamp === undefined)
    .map(({ metadata }) => metadata.name ?? '');
}

/** Tells the provisioner by annotation that the claim is its own. */
async function askProvisioner({ client }: ControllerContext, claim: PersistentVolumeClaim, provisioner: string) {
  if (claim.metadata.annotations?.[storageProvisionerAnnotation] === provisioner) return;
  const annotations = {
    ...claim.metadata.annotations,
    [betaStorageProvisionerAnnotation]: provisioner,
    [storageProvisionerAnnotation]: provisioner,
  };
  await client.update(persistentvolumeclaims, { ...claim, metadata: { ...claim.metadata, annotations } });
}

/** Four writes, each of which may be the last before a crash; the next round goes on from there. */
async function bind(context: ControllerContext, volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
  const { client } = context;
  let boundVolume = volume;
  const isReferenced = isBoundTo(volume, claim) && volume.spec?.claimRef?.uid === claim.metadata.uid;
  if (!isReferenced) {
    const annotations = volume.spec?.claimRef
      ? volume.metadata.annotations
      : { ...volume.metadata.annotations, [boundByControllerAnnotation]: 'yes' };
    boundVolume = await client.update(persistentvolumes, {
      ...volume,
      metadata: { ...volume.metadata, ...(annotations ? { annotations } : {}) },
      spec: { ...volume.spec, claimRef: referenceTo(claim) },
    });
  }
  boundVolume = await writePhase(context, boundVolume, 'Bound');
  const { name = '' } = boundVolume.metadata;
  let boundClaim = claim;
  if (claim.spec?.volumeName !== name || !hasAnnotation(claim, bindCompletedAnnotation)) {
    const byUs = claim.spec?.volumeName ? {} : { [boundByControllerAnnotation]: 'yes' };
    const annotations = { ...claim.metadata.annotations, ...byUs, [bindCompletedAnnotation]: 'yes' };
    boundClaim = await client.update(persistentvolumeclaims, {
      ...claim,
      metadata: { ...claim.metadata, annotations },
      spec: { ...claim.spec, volumeName: name },
    });
  }
  const { accessModes, capacity, volumeAttributesClassName } = boundVolume.spec ?? {};
  // The capacity of a claim that is bound already is what was made of the volume there; it grows by resizing only.
  const hasCapacity = boundClaim.status?.phase === 'Bound' && boundClaim.status.capacity?.['storage'] !== undefined;
  await writeClaimStatus(context, boundClaim, {
    ...boundClaim.status,
    phase: 'Bound',
    ...(accessModes ? { accessModes } : {}),
    ...(capacity && !hasCapacity ? { capacity } : {}),
    ...(volumeAttributesClassName ? { currentVolumeAttributesClassName: volumeAttributesClassName } : {}),
  });
}

function referenceTo(claim: PersistentVolumeClaim) {
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = claim.metadata;
  return { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion };
}

async function writeClaimStatus(
  { client }: ControllerContext,
  claim: PersistentVolumeClaim,
  status: PersistentVolumeClaimStatus,
): Promise<void> {
  if (isEqual(claim.status, status)) return;
  await client.update(persistentvolumeclaims, { ...claim, status }, { subresource: 'status' });
}

async function writePhase(
  { client }: ControllerContext,
  volume: PersistentVolume,
  phase: string,
  message?: string,
): Promise<PersistentVolume> {
  if (volume.status?.phase === phase) return volume;
  const { message: _, ...rest } = volume.status ?? {};
  const status = { ...rest, phase, ...(message === undefined ? {} : { message }) };
  return client.update(persistentvolumes, { ...volume, status }, { subresource: 'status' });
}

async function syncVolume(key: string, context: ControllerContext): Promise<Outcome> {
  const { informers, events } = context;
  const volume = informers.of(persistentvolumes).get(key);
  if (!volume) return done;
  const plan = planVolume(volume, await referencedClaim(context, volume));
  switch (plan.action) {
    case 'phase':
      await writePhase(context, volume, plan.phase);
      return done;
    case 'failed':
      events.event(volume, plan.note.type, plan.note.reason, plan.note.message);
      await writePhase(context, volume, 'Failed', plan.note.message);
      return done;
    case 'unbind':
      await unbind(context, volume);
      return done;
    case 'sync-claim': {
      const { namespace, name } = volume.spec?.claimRef ?? {};
      return syncClaim(`${namespace}/${name}`, context);
    }
    case 'none':
      return done;
  }
}

async function unbind(context: ControllerContext, bound: PersistentVolume): Promise<void> {
  const { claimRef, ...spec } = bound.spec ?? {};
  const { [boundByControllerAnnotation]: byUs, ...annotations } = bound.metadata.annotations ?? {};
  // What an administrator bound beforehand stays reserved for the name; what we bound is free again.
  const { uid: _uid, resourceVersion: _version, ...reserved } = claimRef ?? {};
  const freed = await context.client.update(persistentvolumes, {
    ...bound,
    metadata: { ...bound.metadata, annotations },
    spec: byUs === undefined ? { ...spec, claimRef: reserved } : spec,
  });
  await writePhase(context, freed, 'Available');
}

/** The claim that the volume names. A cache that is behind must not make data be deleted, so absence is verified. */
async function referencedClaim(
  { informers, client }: ControllerContext,
  volume: PersistentVolume,
): Promise<PersistentVolumeClaim | undefined> {
  const { namespace, name, uid } = volume.spec?.claimRef ?? {};
  if (!name || !uid) return undefined;
  const key = `${namespace}/${name}`;
  const cached = informers.of(persistentvolumeclaims).get(key);
  if (cached?.metadata.uid === uid) return cached;
  try {
    const live = await client.get(persistentvolumeclaims, parseKey(key));
    return live.metadata.uid === uid ? live : undefined;
  } catch (thrown) {
    if (isReason(thrown, 'NotFound')) return undefined;
    throw thrown;
  }
}
