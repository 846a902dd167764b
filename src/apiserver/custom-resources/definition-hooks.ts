import { cleanupFinalizer, withCondition } from '../../kube/crd/conditions.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { CustomResourceDefinition } from '../../kube/types.gen.ts';
import type { WriteHooks } from '../registry/registry.ts';

/**
 * A definition that is deleted stays until its objects are gone: the first deletion gives it a finalizer, and
 * CustomResources takes that off again.
 */
export const definitionHooks: WriteHooks = {
  markDeleted(object) {
    const { metadata } = object;
    const finalizers = metadata.finalizers ?? [];
    if (!finalizers.includes(cleanupFinalizer)) metadata.finalizers = [...finalizers, cleanupFinalizer];
    const status = (object['status'] ?? {}) as CustomResourceDefinition['status'];
    const condition = {
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionPending',
      message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
    };
    const now = metadata.deletionTimestamp ?? '';
    object['status'] = { ...status, conditions: withCondition(status?.conditions ?? [], condition, now) };
  },
  isHeld({ metadata }: KubeObject) {
    return metadata.deletionTimestamp === undefined || (metadata.finalizers ?? []).includes(cleanupFinalizer);
  },
};
