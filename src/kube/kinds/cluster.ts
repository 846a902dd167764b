import {
  setResourceClaimDefaults,
  setResourceClaimTemplateDefaults,
  setResourceSliceDefaults,
} from '../defaults/devices.ts';
import { setFlowSchemaDefaults, setPriorityClassDefaults, setPriorityLevelDefaults } from '../defaults/policies.ts';
import type { Kind } from '../kind.ts';
import {
  deviceclasses,
  flowschemas,
  leases,
  priorityclasses,
  prioritylevelconfigurations,
  resourceclaims,
  resourceclaimtemplates,
  resourceslices,
  runtimeclasses,
} from '../resources.gen.ts';
import { specAndStatus, statusOnly, statusOnlyResetFields, statusSubresource } from '../strategy/status.ts';
import type { ResourceSlice } from '../types.gen.ts';
import { validateLease, validateLeaseUpdate } from '../validation/coordination/lease.ts';
import {
  validateFlowSchema,
  validateFlowSchemaStatusUpdate,
  validateFlowSchemaUpdate,
} from '../validation/flowcontrol/flow-schema.ts';
import {
  validatePriorityLevel,
  validatePriorityLevelStatusUpdate,
  validatePriorityLevelUpdate,
} from '../validation/flowcontrol/priority-level.ts';
import { validateRuntimeClass, validateRuntimeClassUpdate } from '../validation/node/runtime-class.ts';
import { validateResourceClaimStatusUpdate } from '../validation/resource/claim-status.ts';
import { validateDeviceClass, validateDeviceClassUpdate } from '../validation/resource/device-class.ts';
import {
  validateResourceClaim,
  validateResourceClaimTemplate,
  validateResourceClaimTemplateUpdate,
  validateResourceClaimUpdate,
} from '../validation/resource/resource-claim.ts';
import { validateResourceSlice, validateResourceSliceUpdate } from '../validation/resource/resource-slice.ts';
import { validatePriorityClass, validatePriorityClassUpdate } from '../validation/scheduling/priority-class.ts';
import { kindOf } from './kind-of.ts';
import { countedSpec } from './plain.ts';

/** Scheduling, devices, leases and flow control. */
export const clusterKinds: readonly Kind[] = [
  kindOf(priorityclasses, {
    setDefaults: setPriorityClassDefaults,
    prepareForCreate(priorityClass) {
      priorityClass.metadata.generation = 1;
    },
    validateCreate: validatePriorityClass,
    validateUpdate: validatePriorityClassUpdate,
  }),
  kindOf(leases, {
    allowCreateOnUpdate: true,
    allowUnconditionalUpdate: false,
    validateCreate: validateLease,
    validateUpdate: validateLeaseUpdate,
  }),
  kindOf(runtimeclasses, {
    allowCreateOnUpdate: true,
    allowUnconditionalUpdate: false,
    validateCreate: validateRuntimeClass,
    validateUpdate: validateRuntimeClassUpdate,
  }),
  kindOf(deviceclasses, {
    ...countedSpec('spec'),
    validateCreate: validateDeviceClass,
    validateUpdate: validateDeviceClassUpdate,
  }),
  kindOf(resourceclaims, {
    ...statusOnly(resourceclaims),
    setDefaults: setResourceClaimDefaults,
    validateCreate: validateResourceClaim,
    validateUpdate: validateResourceClaimUpdate,
    subresources: {
      status: statusSubresource({ restoresMetadata: true, validateUpdate: validateResourceClaimStatusUpdate }),
    },
    resetFields: statusOnlyResetFields,
  }),
  kindOf(resourceclaimtemplates, {
    setDefaults: setResourceClaimTemplateDefaults,
    validateCreate: validateResourceClaimTemplate,
    validateUpdate: validateResourceClaimTemplateUpdate,
  }),
  kindOf(resourceslices, {
    ...countedSpec('spec'),
    setDefaults: setResourceSliceDefaults,
    validateCreate: validateResourceSlice,
    validateUpdate: validateResourceSliceUpdate,
    selectableFields: ({ spec }: ResourceSlice) => ({
      'spec.driver': spec?.driver ?? '',
      'spec.nodeName': spec?.nodeName ?? '',
    }),
  }),
  kindOf(flowschemas, {
    ...specAndStatus(flowschemas),
    setDefaults: setFlowSchemaDefaults,
    validateCreate: validateFlowSchema,
    validateUpdate: validateFlowSchemaUpdate,
    subresources: {
      status: statusSubresource({ restoresMetadata: true, validateUpdate: validateFlowSchemaStatusUpdate }),
    },
    resetFields: statusOnlyResetFields,
  }),
  kindOf(prioritylevelconfigurations, {
    ...specAndStatus(prioritylevelconfigurations),
    setDefaults: setPriorityLevelDefaults,
    validateCreate: validatePriorityLevel,
    validateUpdate: validatePriorityLevelUpdate,
    subresources: {
      status: statusSubresource({ restoresMetadata: true, validateUpdate: validatePriorityLevelStatusUpdate }),
    },
    resetFields: statusOnlyResetFields,
  }),
];
