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
import { kindOf } from './kind-of.ts';
import { countedSpec } from './plain.ts';

/** Scheduling, devices, leases and flow control. */
export const clusterKinds: readonly Kind[] = [
  kindOf(priorityclasses, {
    setDefaults: setPriorityClassDefaults,
    prepareForCreate(priorityClass) {
      priorityClass.metadata.generation = 1;
    },
  }),
  kindOf(leases, { allowCreateOnUpdate: true, allowUnconditionalUpdate: false }),
  kindOf(runtimeclasses, { allowCreateOnUpdate: true, allowUnconditionalUpdate: false }),
  kindOf(deviceclasses, countedSpec('spec')),
  kindOf(resourceclaims, {
    ...statusOnly(resourceclaims),
    setDefaults: setResourceClaimDefaults,
    subresources: { status: statusSubresource({ restoresMetadata: true }) },
    resetFields: statusOnlyResetFields,
  }),
  kindOf(resourceclaimtemplates, { setDefaults: setResourceClaimTemplateDefaults }),
  kindOf(resourceslices, {
    ...countedSpec('spec'),
    setDefaults: setResourceSliceDefaults,
    selectableFields: ({ spec }: ResourceSlice) => ({
      'spec.driver': spec?.driver ?? '',
      'spec.nodeName': spec?.nodeName ?? '',
    }),
  }),
  kindOf(flowschemas, {
    ...specAndStatus(flowschemas),
    setDefaults: setFlowSchemaDefaults,
    subresources: { status: statusSubresource({ restoresMetadata: true }) },
    resetFields: statusOnlyResetFields,
  }),
  kindOf(prioritylevelconfigurations, {
    ...specAndStatus(prioritylevelconfigurations),
    setDefaults: setPriorityLevelDefaults,
    subresources: { status: statusSubresource({ restoresMetadata: true }) },
    resetFields: statusOnlyResetFields,
  }),
];
