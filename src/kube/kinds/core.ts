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
import { finalizeNamespace, prepareNamespaceForCreate, prepareNamespaceForUpdate } from '../strategy/namespace.ts';
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
import { kindOf } from './kind-of.ts';

const resetFields = specAndStatusResetFields();

export const coreKinds: readonly Kind[] = [
  kindOf(configmaps),
  kindOf(endpoints, { allowCreateOnUpdate: true, setDefaults: setEndpointsDefaults }),
  kindOf(limitranges, {
    allowCreateOnUpdate: true,
    setDefaults: setLimitRangeDefaults,
  }),
  kindOf(namespaces, {
    setDefaults: setNamespaceDefaults,
    prepareForCreate: prepareNamespaceForCreate,
    prepareForUpdate: prepareNamespaceForUpdate,
    validateName: nameIsDnsLabel,
    selectableFields: (namespace) => ({ 'status.phase': namespace.status?.phase ?? '' }),
    subresources: {
      status: statusSubresource(),
      finalize: { prepareForUpdate: finalizeNamespace, validateUpdate: () => [] },
    },
    resetFields,
  }),
  kindOf(nodes, {
    setDefaults: setNodeDefaults,
    prepareForUpdate: (node, old) => restore(node, old, 'status'),
    selectableFields: (node) => ({ 'spec.unschedulable': String(node.spec?.unschedulable ?? false) }),
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(persistentvolumeclaims, {
    setDefaults: setPersistentVolumeClaimDefaults,
    prepareForCreate: prepareClaimForCreate,
    prepareForUpdate: prepareClaimForUpdate,
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(persistentvolumes, {
    setDefaults: setPersistentVolumeDefaults,
    prepareForCreate: prepareVolumeForCreate,
    prepareForUpdate: (volume, old) => restore(volume, old, 'status'),
    subresources: { status: statusSubresource({ prepare: stampPhaseTransition }) },
    resetFields,
  }),
  kindOf(podtemplates, {
    setDefaults: setPodTemplateDefaults,
    prepareForCreate(template) {
      template.metadata.generation = 1;
    },
    prepareForUpdate: (template, old) => bumpGeneration(template, old, 'template'),
  }),
  kindOf(replicationcontrollers, {
    ...specAndStatus(replicationcontrollers),
    setDefaults: setReplicationControllerDefaults,
    selectableFields: (controller) => ({ 'status.replicas': String(controller.status?.replicas ?? 0) }),
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(resourcequotas, {
    ...statusOnly(resourcequotas),
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(secrets, {
    setDefaults: setSecretDefaults,
    selectableFields: (secret) => ({ type: secret.type ?? '' }),
  }),
  kindOf(serviceaccounts, {
    prepareForCreate: keepNamesOnly,
    prepareForUpdate: keepNamesOnly,
  }),
];

/** A ServiceAccount refers to secrets by name, whatever else the client said of them. */
function keepNamesOnly(account: { secrets?: { name?: string }[] }): void {
  if (account.secrets === undefined) return;
  account.secrets = account.secrets.map(({ name }) => (name === undefined ? {} : { name }));
}
