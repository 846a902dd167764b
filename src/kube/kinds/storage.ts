import { setCsiDriverDefaults, setStorageClassDefaults } from '../defaults/policies.ts';
import type { Kind } from '../kind.ts';
import {
  csidrivers,
  csinodes,
  csistoragecapacities,
  storageclasses,
  volumeattachments,
  volumeattributesclasses,
} from '../resources.gen.ts';
import { csiDriverWarnings, storageClassWarnings } from '../strategy/small-warnings.ts';
import { bumpGeneration, statusOnly, statusOnlyResetFields, statusSubresource } from '../strategy/status.ts';
import { kindOf } from './kind-of.ts';

export const storageKinds: readonly Kind[] = [
  kindOf(csidrivers, {
    allowUnconditionalUpdate: false,
    setDefaults: setCsiDriverDefaults,
    warnings: csiDriverWarnings,
    prepareForUpdate: (driver, old) => bumpGeneration(driver, old, 'spec'),
  }),
  kindOf(csinodes, { allowUnconditionalUpdate: false }),
  kindOf(csistoragecapacities),
  kindOf(storageclasses, { setDefaults: setStorageClassDefaults, warnings: storageClassWarnings }),
  kindOf(volumeattachments, {
    ...statusOnly(volumeattachments),
    allowUnconditionalUpdate: false,
    subresources: { status: statusSubresource({ restoresMetadata: true }) },
    resetFields: statusOnlyResetFields,
  }),
  kindOf(volumeattributesclasses),
];
