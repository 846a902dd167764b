import type { KubeObject } from '../../kube/object.ts';
import type { Namespace } from '../../kube/types.gen.ts';
import type { WriteHooks } from './registry.ts';

/**
 * A namespace dies in two steps: its deletion marks it as Terminating, and it goes when the last of its own finalizers
 * (spec.finalizers, taken off by the namespace controller once it is empty) is gone.
 */
export const namespaceHooks: WriteHooks = {
  markDeleted(object) {
    const status = typeof object['status'] === 'object' ? object['status'] : {};
    object['status'] = { ...status, phase: 'Terminating' };
  },
  isHeld(object: KubeObject) {
    const { metadata, spec } = object as Namespace & KubeObject;
    return metadata.deletionTimestamp === undefined || (spec?.finalizers ?? []).length > 0;
  },
};
