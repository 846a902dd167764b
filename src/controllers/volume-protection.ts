import type { KubeObject } from '../kube/object.ts';
import { claimKeysOf } from '../kube/pod-claims.ts';
import { keyOf, type Resource } from '../kube/resource.ts';
import { persistentvolumeclaims, persistentvolumes, pods } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { type Controller, type ControllerContext, done, watchOf } from '../runtime/controller.ts';

const claimFinalizer = 'kubernetes.io/pvc-protection';
const volumeFinalizer = 'kubernetes.io/pv-protection';
const podOptions = { indexes: { claim: claimKeysOf } };

/** What a protected object's finalizers should become; null when they stand as they should. Pure. */
export function planProtection(object: KubeObject, finalizer: string, isInUse: boolean): readonly string[] | null {
  const finalizers = object.metadata.finalizers ?? [];
  const isProtected = finalizers.includes(finalizer);
  if (object.metadata.deletionTimestamp === undefined) return isProtected ? null : [...finalizers, finalizer];
  return isProtected && !isInUse ? finalizers.filter((name) => name !== finalizer) : null;
}

async function protect<T extends KubeObject>(
  { client }: ControllerContext,
  resource: Resource<T>,
  object: T,
  finalizers: readonly string[] | null,
): Promise<void> {
  if (finalizers === null) return;
  try {
    await client.update(resource, { ...object, metadata: { ...object.metadata, finalizers } });
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound')) throw thrown;
  }
}

/** Keeps a claim that is deleted until no pod on a node uses it. */
export const claimProtectionController: Controller = {
  name: 'pvc-protection-controller',
  watches: [watchOf(persistentvolumeclaims, (claim) => [keyOf(claim)]), watchOf(pods, claimKeysOf, podOptions)],
  async reconcile(key, context) {
    const { informers, client } = context;
    const claim = informers.of(persistentvolumeclaims).get(key);
    if (!claim) return done;
    const uses = (found: Parameters<typeof claimKeysOf>[0]) =>
      !!found.spec?.nodeName && claimKeysOf(found).includes(key);
    let isInUse = informers.of(pods, podOptions).byIndex('claim', key).some(uses);
    if (!isInUse && claim.metadata.deletionTimestamp !== undefined) {
      // The cache says that nobody uses it; before data may go, the server is asked itself.
      const live = await client.list(pods, { namespace: claim.metadata.namespace ?? '' });
      isInUse = live.items.some(uses);
    }
    await protect(context, persistentvolumeclaims, claim, planProtection(claim, claimFinalizer, isInUse));
    return done;
  },
};

/** Keeps a volume that is deleted until it is not bound any more. */
export const volumeProtectionController: Controller = {
  name: 'pv-protection-controller',
  watches: [watchOf(persistentvolumes, (volume) => [keyOf(volume)])],
  async reconcile(key, context) {
    const volume = context.informers.of(persistentvolumes).get(key);
    if (!volume) return done;
    const isInUse = volume.status?.phase === 'Bound';
    await protect(context, persistentvolumes, volume, planProtection(volume, volumeFinalizer, isInUse));
    return done;
  },
};
