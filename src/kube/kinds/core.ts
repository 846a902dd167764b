import { randomUUID } from 'node:crypto';
import {
  setEndpointsDefaults,
  setLimitRangeDefaults,
  setNamespaceDefaults,
  setNodeDefaults,
  setPersistentVolumeClaimDefaults,
  setPersistentVolumeDefaults,
  setPodTemplateDefaults,
  setReplicationControllerDefaults,
  setSecretDefaults,
} from '../defaults/core.ts';
import type { Kind } from '../kind.ts';
import { nameIsDnsLabel } from '../names.ts';
import {
  configmaps,
  endpoints,
  limitranges,
  namespaces,
  nodes,
  persistentvolumeclaims,
  persistentvolumes,
  podtemplates,
  replicationcontrollers,
  resourcequotas,
  secrets,
  serviceaccounts,
} from '../resources.gen.ts';
import { dropDisabledTemplateFields } from '../strategy/disabled-fields.ts';
import { finalizeNamespace, prepareNamespaceForCreate, prepareNamespaceForUpdate } from '../strategy/namespace.ts';
import {
  claimWarnings,
  nodeWarnings,
  secretWarnings,
  serviceAccountWarnings,
  volumeWarnings,
} from '../strategy/small-warnings.ts';
import {
  bumpGeneration,
  restore,
  specAndStatus,
  specAndStatusResetFields,
  statusOnly,
  statusSubresource,
} from '../strategy/status.ts';
import {
  prepareClaimForCreate,
  prepareClaimForUpdate,
  prepareVolumeForCreate,
  stampPhaseTransition,
} from '../strategy/storage.ts';
import { podTemplateWarnings, templateWarnings } from '../strategy/template-warnings.ts';
import type { ReplicationController } from '../types.gen.ts';
import { validateConfigMap, validateConfigMapUpdate } from '../validation/core/config-map.ts';
import { validateEndpoints, validateEndpointsUpdate } from '../validation/core/endpoints.ts';
import { validateLimitRange, validateLimitRangeUpdate } from '../validation/core/limit-range.ts';
import {
  validateNamespace,
  validateNamespaceFinalizeUpdate,
  validateNamespaceStatusUpdate,
  validateNamespaceUpdate,
} from '../validation/core/namespace.ts';
import { validateNode, validateNodeStatusUpdate, validateNodeUpdate } from '../validation/core/node.ts';
import {
  validatePersistentVolume,
  validatePersistentVolumeStatusUpdate,
  validatePersistentVolumeUpdate,
} from '../validation/core/persistent-volume.ts';
import {
  validatePersistentVolumeClaim,
  validatePersistentVolumeClaimStatusUpdate,
  validatePersistentVolumeClaimUpdate,
} from '../validation/core/persistent-volume-claim.ts';
import { validatePodTemplate, validatePodTemplateUpdate } from '../validation/core/pod-template.ts';
import {
  validateReplicationController,
  validateReplicationControllerStatusUpdate,
  validateReplicationControllerUpdate,
} from '../validation/core/replication-controller.ts';
import {
  validateResourceQuota,
  validateResourceQuotaStatusUpdate,
  validateResourceQuotaUpdate,
} from '../validation/core/resource-quota.ts';
import { validateSecret, validateSecretUpdate } from '../validation/core/secret.ts';
import { validateServiceAccountUpdate } from '../validation/core/service-account.ts';
import { kindOf } from './kind-of.ts';

const resetFields = specAndStatusResetFields();

export const coreKinds: readonly Kind[] = [
  kindOf(configmaps, { validateCreate: validateConfigMap, validateUpdate: validateConfigMapUpdate }),
  kindOf(endpoints, {
    allowCreateOnUpdate: true,
    setDefaults: setEndpointsDefaults,
    validateCreate: validateEndpoints,
    validateUpdate: validateEndpointsUpdate,
  }),
  kindOf(limitranges, {
    allowCreateOnUpdate: true,
    setDefaults: setLimitRangeDefaults,
    prepareForCreate(range) {
      range.metadata.name ||= randomUUID();
    },
    validateCreate: validateLimitRange,
    validateUpdate: validateLimitRangeUpdate,
  }),
  kindOf(namespaces, {
    setDefaults: setNamespaceDefaults,
    prepareForCreate: prepareNamespaceForCreate,
    prepareForUpdate: prepareNamespaceForUpdate,
    validateCreate: validateNamespace,
    validateUpdate: validateNamespaceUpdate,
    validateName: nameIsDnsLabel,
    selectableFields: (namespace) => ({ 'status.phase': namespace.status?.phase ?? '' }),
    subresources: {
      status: statusSubresource({ validateUpdate: validateNamespaceStatusUpdate }),
      finalize: { prepareForUpdate: finalizeNamespace, validateUpdate: validateNamespaceFinalizeUpdate },
    },
    resetFields,
  }),
  kindOf(nodes, {
    setDefaults: setNodeDefaults,
    validateCreate: validateNode,
    validateUpdate: validateNodeUpdate,
    warnings: nodeWarnings,
    prepareForUpdate: (node, old) => restore(node, old, 'status'),
    selectableFields: (node) => ({ 'spec.unschedulable': String(node.spec?.unschedulable ?? false) }),
    subresources: { status: statusSubresource({ validateUpdate: validateNodeStatusUpdate }) },
    resetFields,
  }),
  kindOf(persistentvolumeclaims, {
    setDefaults: setPersistentVolumeClaimDefaults,
    prepareForCreate: prepareClaimForCreate,
    prepareForUpdate: prepareClaimForUpdate,
    validateCreate: validatePersistentVolumeClaim,
    validateUpdate: validatePersistentVolumeClaimUpdate,
    warnings: claimWarnings,
    subresources: { status: statusSubresource({ validateUpdate: validatePersistentVolumeClaimStatusUpdate }) },
    resetFields,
  }),
  kindOf(persistentvolumes, {
    setDefaults: setPersistentVolumeDefaults,
    prepareForCreate: prepareVolumeForCreate,
    prepareForUpdate: (volume, old) => restore(volume, old, 'status'),
    validateCreate: validatePersistentVolume,
    validateUpdate: validatePersistentVolumeUpdate,
    warnings: volumeWarnings,
    subresources: {
      status: statusSubresource({
        prepare: stampPhaseTransition,
        validateUpdate: validatePersistentVolumeStatusUpdate,
      }),
    },
    resetFields,
  }),
  kindOf(podtemplates, {
    setDefaults: setPodTemplateDefaults,
    validateCreate: validatePodTemplate,
    validateUpdate: validatePodTemplateUpdate,
    warnings: podTemplateWarnings,
    prepareForCreate(template) {
      template.metadata.generation = 1;
    },
    prepareForUpdate: (template, old) => bumpGeneration(template, old, 'template'),
  }),
  kindOf(replicationcontrollers, {
    ...specAndStatus(replicationcontrollers, dropDisabledTemplateFields),
    setDefaults: setReplicationControllerDefaults,
    validateCreate: validateReplicationController,
    validateUpdate: validateReplicationControllerUpdate,
    warnings: templateWarnings,
    selectableFields: (controller: ReplicationController) => ({
      'status.replicas': String(controller.status?.replicas ?? 0),
    }),
    subresources: { status: statusSubresource({ validateUpdate: validateReplicationControllerStatusUpdate }) },
    resetFields,
  }),
  kindOf(resourcequotas, {
    ...statusOnly(resourcequotas),
    validateCreate: validateResourceQuota,
    validateUpdate: validateResourceQuotaUpdate,
    subresources: { status: statusSubresource({ validateUpdate: validateResourceQuotaStatusUpdate }) },
    resetFields,
  }),
  kindOf(secrets, {
    setDefaults: setSecretDefaults,
    validateCreate: validateSecret,
    validateUpdate: validateSecretUpdate,
    warnings: secretWarnings,
    selectableFields: (secret) => ({ type: secret.type ?? '' }),
  }),
  kindOf(serviceaccounts, {
    prepareForCreate: keepNamesOnly,
    prepareForUpdate: keepNamesOnly,
    validateUpdate: validateServiceAccountUpdate,
    warnings: serviceAccountWarnings,
  }),
];

/** A ServiceAccount refers to secrets by name, whatever else the client said of them. */
function keepNamesOnly(account: { secrets?: { name?: string }[] }): void {
  if (account.secrets === undefined) return;
  account.secrets = account.secrets.map(({ name }) => (name === undefined ? {} : { name }));
}
