import { describeError, TransientError } from '../core/errors.ts';
import { isPodFinished } from '../kube/pod-phase.ts';
import { keyOf } from '../kube/resource.ts';
import { persistentvolumeclaims, pods } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { PersistentVolumeClaim, Pod } from '../kube/types.gen.ts';
import { type Controller, done, watchOf } from '../runtime/controller.ts';
import { controllerOf, controllerReference, isControlledBy } from './support/ownership.ts';

interface Wanted {
  readonly volume: string;
  readonly claim: PersistentVolumeClaim;
}

/** The claims of a pod's generic ephemeral volumes; they live and die with the pod. Pure. */
export function ephemeralClaims(pod: Pod): readonly Wanted[] {
  return (pod.spec?.volumes ?? []).flatMap(({ name, ephemeral }) => {
    const template = ephemeral?.volumeClaimTemplate;
    if (!template) return [];
    const { labels, annotations } = template.metadata ?? {};
    const claim: PersistentVolumeClaim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name: `${pod.metadata.name}-${name}`,
        namespace: pod.metadata.namespace ?? '',
        ...(labels ? { labels } : {}),
        ...(annotations ? { annotations } : {}),
        ownerReferences: [controllerReference(pod)],
      },
      spec: template.spec,
    };
    return [{ volume: name, claim }];
  });
}

/** Makes the claims of generic ephemeral volumes. */
export const ephemeralVolumeController: Controller = {
  name: 'ephemeral-volume-controller',
  eventSource: 'ephemeral_volume',
  watches: [
    watchOf(pods, (pod) => (pod.spec?.volumes?.some(({ ephemeral }) => ephemeral) ? [keyOf(pod)] : [])),
    watchOf(persistentvolumeclaims, (claim) => {
      const owner = controllerOf(claim);
      return owner?.kind === 'Pod' ? [`${claim.metadata.namespace}/${owner.name}`] : [];
    }),
  ],
  async reconcile(key, { informers, client, events }) {
    const pod = informers.of(pods).get(key);
    if (!pod || pod.metadata.deletionTimestamp !== undefined || isPodFinished(pod)) return done;
    for (const { volume, claim } of ephemeralClaims(pod)) {
      const standing = informers.of(persistentvolumeclaims).get(keyOf(claim));
      if (standing && isControlledBy(standing, pod)) continue;
      try {
        if (standing) {
          const message = `PVC ${keyOf(claim)} was not created for pod ${keyOf(pod)} (pod is not owner)`;
          throw new TransientError('CLAIM_NOT_OWNED', message);
        }
        await client.create(persistentvolumeclaims, claim);
      } catch (thrown) {
        if (isReason(thrown, 'AlreadyExists')) continue;
        events.event(pod, 'Warning', 'FailedBinding', `ephemeral volume ${volume}: ${describeError(thrown)}`);
        throw thrown;
      }
    }
    return done;
  },
};
