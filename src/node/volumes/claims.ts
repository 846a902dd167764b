import type { Client } from '../../client/client.ts';
import { TransientError } from '../../core/errors.ts';
import { claimNameOf } from '../../kube/pod-claims.ts';
import { persistentvolumeclaims, persistentvolumes } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../kube/types.gen.ts';

/** The volume that stands behind a pod's claim. */
export interface ClaimedVolume {
  readonly persistentVolume: PersistentVolume;
  readonly readOnly: boolean;
}

/** Finds the bound volume of a claim. Throws TransientError, with kubelet's words, while there is none. */
export async function resolveClaim(
  client: Client,
  pod: Pod,
  volume: Volume,
  signal: AbortSignal,
): Promise<ClaimedVolume> {
  const { namespace = '', name: podName = '' } = pod.metadata;
  const isEphemeral = volume.ephemeral !== undefined;
  const name = claimNameOf(podName, volume) ?? '';
  const refuse = (why: string, cause?: unknown): never => {
    throw new TransientError('CLAIM_NOT_USABLE', `error processing PVC ${namespace}/${name}: ${why}`, { cause });
  };
  const claim = await client.get(persistentvolumeclaims, { namespace, name }, { signal }).catch((cause: unknown) => {
    signal.throwIfAborted();
    return refuse(`failed to fetch PVC from API server: ${messageOf(cause)}`, cause);
  });
  if (isEphemeral && !isOwnedBy(claim, pod))
    refuse(`PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`);
  // A pod that runs already keeps its claim alive; a new one must not start on one that goes.
  if (claim.metadata.deletionTimestamp !== undefined && pod.status?.phase !== 'Running') refuse('PVC is being deleted');
  const volumeName = claim.spec?.volumeName ?? '';
  if (claim.status?.phase !== 'Bound' || volumeName === '') refuse('PVC is not bound');
  const persistentVolume = await client
    .get(persistentvolumes, { name: volumeName }, { signal })
    .catch((cause: unknown) => {
      signal.throwIfAborted();
      const why = isReason(cause, 'NotFound')
        ? `persistentvolume ${JSON.stringify(volumeName)} not found`
        : messageOf(cause);
      return refuse(`failed to get Persistent Volume: ${why}`, cause);
    });
  const bound = persistentVolume.spec?.claimRef;
  if (bound?.uid !== claim.metadata.uid)
    refuse(
      `found wrong bound PVC: volume ${volumeName} is bound to ${bound?.namespace ?? ''}/${bound?.name ?? ''} of another uid`,
    );
  const readOnly = !isEphemeral && volume.persistentVolumeClaim?.readOnly === true;
  return { persistentVolume, readOnly };
}

function isOwnedBy(claim: PersistentVolumeClaim, pod: Pod): boolean {
  return (claim.metadata.ownerReferences ?? []).some(
    ({ controller, uid }) => controller === true && uid === pod.metadata.uid,
  );
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
