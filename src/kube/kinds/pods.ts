import { setPodDefaults } from '../defaults/pod.ts';
import type { Kind } from '../kind.ts';
import { pods } from '../resources.gen.ts';
import {
  podEphemeralContainers,
  podGracePeriod,
  podResize,
  podSelectableFields,
  podStatus,
  preparePodForCreate,
  preparePodForUpdate,
} from '../strategy/pod.ts';
import { podWarnings } from '../strategy/pod-warnings.ts';
import type { Pod } from '../types.gen.ts';
import { validatePod } from '../validation/core/pod/pod.ts';
import { validatePodResize } from '../validation/core/pod/resize.ts';
import { validatePodStatusUpdate } from '../validation/core/pod/status.ts';
import { validateEphemeralContainersUpdate, validatePodUpdate } from '../validation/core/pod/update.ts';
import { kindOf } from './kind-of.ts';

export const podKind: Kind<Pod> = kindOf(pods, {
  setDefaults: setPodDefaults,
  prepareForCreate: preparePodForCreate,
  prepareForUpdate: preparePodForUpdate,
  validateCreate: validatePod,
  validateUpdate: validatePodUpdate,
  warnings: podWarnings,
  selectableFields: podSelectableFields,
  gracePeriod: podGracePeriod,
  subresources: {
    status: { ...podStatus, validateUpdate: validatePodStatusUpdate },
    ephemeralcontainers: { ...podEphemeralContainers, validateUpdate: validateEphemeralContainersUpdate },
    resize: { ...podResize, validateUpdate: validatePodResize },
  },
  resetFields: {
    '': [['f:status']],
    status: [['f:spec'], ['f:metadata', 'f:deletionTimestamp'], ['f:metadata', 'f:ownerReferences']],
    resize: [['f:status']],
  },
});
