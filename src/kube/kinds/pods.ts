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
import { kindOf } from './kind-of.ts';

export const podKind: Kind<Pod> = kindOf(pods, {
  setDefaults: setPodDefaults,
  prepareForCreate: preparePodForCreate,
  prepareForUpdate: preparePodForUpdate,
  warnings: podWarnings,
  selectableFields: podSelectableFields,
  gracePeriod: podGracePeriod,
  subresources: {
    status: { ...podStatus, validateUpdate: () => [] },
    ephemeralcontainers: { ...podEphemeralContainers, validateUpdate: () => [] },
    resize: { ...podResize, validateUpdate: () => [] },
  },
  resetFields: {
    '': [['f:status']],
    status: [['f:spec'], ['f:metadata', 'f:deletionTimestamp'], ['f:metadata', 'f:ownerReferences']],
    resize: [['f:status']],
  },
});
