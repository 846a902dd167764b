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
import { validateCsiDriver, validateCsiDriverUpdate } from '../validation/storage/csi-driver.ts';
import { validateCsiNode, validateCsiNodeUpdate } from '../validation/storage/csi-node.ts';
import {
  validateCsiStorageCapacity,
  validateCsiStorageCapacityUpdate,
} from '../validation/storage/csi-storage-capacity.ts';
import { validateStorageClass, validateStorageClassUpdate } from '../validation/storage/storage-class.ts';
import { validateVolumeAttachment, validateVolumeAttachmentUpdate } from '../validation/storage/volume-attachment.ts';
import {
  validateVolumeAttributesClass,
  validateVolumeAttributesClassUpdate,
} from '../validation/storage/volume-attributes-class.ts';
import { kindOf } from './kind-of.ts';

export const storageKinds: readonly Kind[] = [
  kindOf(csidrivers, {
    allowUnconditionalUpdate: false,
    setDefaults: setCsiDriverDefaults,
    validateCreate: validateCsiDriver,
    validateUpdate: validateCsiDriverUpdate,
    warnings: csiDriverWarnings,
    prepareForUpdate: (driver, old) => bumpGeneration(driver, old, 'spec'),
  }),
  kindOf(csinodes, {
    allowUnconditionalUpdate: false,
    validateCreate: validateCsiNode,
    validateUpdate: validateCsiNodeUpdate,
  }),
  kindOf(csistoragecapacities, {
    validateCreate: validateCsiStorageCapacity,
    validateUpdate: validateCsiStorageCapacityUpdate,
  }),
  kindOf(storageclasses, {
    setDefaults: setStorageClassDefaults,
    validateCreate: validateStorageClass,
    validateUpdate: validateStorageClassUpdate,
    warnings: storageClassWarnings,
  }),
  kindOf(volumeattachments, {
    ...statusOnly(volumeattachments),
    allowUnconditionalUpdate: false,
    validateCreate: validateVolumeAttachment,
    validateUpdate: validateVolumeAttachmentUpdate,
    subresources: {
      status: statusSubresource({ restoresMetadata: true, validateUpdate: validateVolumeAttachmentUpdate }),
    },
    resetFields: statusOnlyResetFields,
  }),
  kindOf(volumeattributesclasses, {
    validateCreate: validateVolumeAttributesClass,
    validateUpdate: validateVolumeAttributesClassUpdate,
  }),
];
