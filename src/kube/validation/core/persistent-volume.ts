import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { parseQuantity } from '../../quantity.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type {
  AzureFilePersistentVolumeSource,
  GlusterfsPersistentVolumeSource,
  LocalVolumeSource,
  NodeSelector,
  PersistentVolume,
  PersistentVolumeSpec,
  VolumeNodeAffinity,
} from '../../types.gen.ts';
import {
  dnsSubdomain,
  type Errors,
  entriesOf,
  exactlyOne,
  fieldIsImmutable,
  immutable,
  namespaceName,
  pathWithoutBacksteps,
  requiredString,
  type Source,
  source,
  supportedValue,
} from '../common.ts';
import { internalForm, semanticallyEqual } from '../internal-form.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { positiveQuantity, validateBasicResource } from '../resources.ts';
import { diffOfForms } from '../unified-diff.ts';
import { validateAccessModes, volumeModes } from './claim-spec.ts';
import { hasInvalidSelectorValues, validateNodeSelector } from './node-selector.ts';
import * as sources from './volume-sources.ts';

export function validatePersistentVolume(volume: PersistentVolume): readonly FieldError[] {
  return [...specErrors(volume.spec ?? {}, volume.metadata.name ?? '', false)];
}

/** A volume within another object (a VolumeAttachment): of a CSI driver, and never claimed. */
export function* validateInlineVolume(spec: PersistentVolumeSpec, field: string): Errors {
  const detail = 'may not be specified in the context of inline volumes';
  const { persistentVolumeReclaimPolicy: policy = '', storageClassName = '', claimRef, capacity, csi } = spec;
  if (policy !== '') yield forbidden(`${field}.persistentVolumeReclaimPolicy`, detail);
  if (storageClassName !== '') yield forbidden(`${field}.storageClassName`, detail);
  if (claimRef !== undefined) yield forbidden(`${field}.claimRef`, detail);
  if (Object.keys(capacity ?? {}).length > 0) yield forbidden(`${field}.capacity`, detail);
  if (csi === undefined) yield required(`${field}.csi`, 'has to be specified in the context of inline volumes');
  const { persistentVolumeReclaimPolicy: _, ...rest } = spec;
  for (const error of specErrors({ ...rest, capacity: { storage: '1' } }, '', false)) {
    yield { ...error, field: `${field}${error.field.slice('spec'.length)}` };
  }
}

function* specErrors(spec: PersistentVolumeSpec, name: string, allowInvalidAffinity: boolean): Errors {
  const modes = spec.accessModes ?? [];
  const policy = spec.persistentVolumeReclaimPolicy ?? '';
  if (modes.length === 0) yield required('spec.accessModes');
  yield* validateAccessModes(modes, 'spec.accessModes');
  yield* validateCapacity(spec);
  if (policy !== '') {
    yield* supportedValue(policy, ['Delete', 'Recycle', 'Retain'], 'spec.persistentVolumeReclaimPolicy');
  }
  if (spec.nodeAffinity !== undefined) yield* validateAffinity(spec.nodeAffinity, allowInvalidAffinity);
  const found = yield* exactlyOne(sourcesOf(spec, name), 'may not specify more than 1 volume type');
  if (found === 0) yield required('spec', 'must specify a volume type');
  if (spec.hostPath !== undefined && isRoot(spec.hostPath.path) && policy === 'Recycle') {
    const detail = "may not be 'recycle' for a hostPath mount of '/'";
    yield forbidden('spec.persistentVolumeReclaimPolicy', detail);
  }
  if ((spec.storageClassName ?? '') !== '') yield* dnsSubdomain(spec.storageClassName ?? '', 'spec.storageClassName');
  yield* supportedValue(spec.volumeMode, volumeModes, 'spec.volumeMode');
  yield* validateAttributesClass(spec);
}

function* validateCapacity(spec: PersistentVolumeSpec): Errors {
  const { capacity } = spec;
  const entries = entriesOf(capacity);
  if (entries.length === 0) yield required('spec.capacity');
  if (capacity?.['storage'] === undefined || entries.length > 1) {
    yield notSupported('spec.capacity', shownMember(spec, 'capacity'), ['storage']);
  }
  for (const [name, text] of entries) {
    const path = `spec.capacity[${name}]`;
    yield* validateBasicResource(parseQuantity(text), path);
    yield* positiveQuantity(parseQuantity(text), path);
  }
}

function* validateAffinity({ required: selector }: VolumeNodeAffinity, allowInvalid: boolean): Errors {
  const field = 'spec.nodeAffinity.required';
  if (selector === undefined) yield required(field, 'must specify required node constraints');
  else yield* validateNodeSelector(selector, field, allowInvalid);
}

/** The path that Go's path.Clean makes `/`. */
function isRoot(path: string): boolean {
  if (!path.startsWith('/')) return false;
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  return kept.length === 0;
}

function sourcesOf(spec: PersistentVolumeSpec, name: string): readonly Source[] {
  return [
    source(spec.hostPath, 'spec.hostPath', sources.validateHostPath),
    source(spec.gcePersistentDisk, 'spec.persistentDisk', sources.validateGcePersistentDisk, 'spec.gcePersistentDisk'),
    source(spec.awsElasticBlockStore, 'spec.awsElasticBlockStore', sources.validateAwsElasticBlockStore),
    source(spec.glusterfs, 'spec.glusterfs', validateGlusterfs),
    source(spec.flocker, 'spec.flocker', sources.validateFlocker),
    source(spec.nfs, 'spec.nfs', sources.validateNfs),
    source(spec.rbd, 'spec.rbd', sources.validateRbd),
    source(spec.quobyte, 'spec.quobyte', sources.validateQuobyte),
    source(spec.cephfs, 'spec.cephfs', sources.validateCephFs, 'spec.cephFS'),
    source(spec.iscsi, 'spec.iscsi', (iscsi, path) => sources.validatePersistentIscsi(iscsi, path, name)),
    source(spec.cinder, 'spec.cinder', (cinder, path) => sources.validateCinder(cinder, path, true)),
    source(spec.fc, 'spec.fc', sources.validateFc),
    source(spec.flexVolume, 'spec.flexVolume', sources.validateFlexVolume),
    source(spec.azureFile, 'spec.azureFile', (azure: AzureFilePersistentVolumeSource, path) =>
      sources.validateAzureFile(azure, path),
    ),
    source(spec.vsphereVolume, 'spec.vsphereVolume', (vsphere, path) =>
      requiredString(vsphere.volumePath, `${path}.volumePath`),
    ),
    source(spec.photonPersistentDisk, 'spec.photonPersistentDisk', (photon, path) =>
      requiredString(photon.pdID, `${path}.pdID`),
    ),
    source(spec.portworxVolume, 'spec.portworxVolume', (portworx, path) =>
      requiredString(portworx.volumeID, `${path}.volumeID`),
    ),
    source(spec.azureDisk, 'spec.azureDisk', sources.validateAzureDisk),
    source(spec.scaleIO, 'spec.scaleIO', sources.validateScaleIo),
    source(spec.local, 'spec.local', (local, path) => validateLocal(local, path, spec)),
    source(spec.storageos, 'spec.storageos', (storageos, path) => sources.validateStorageOs(storageos, path, true)),
    source(spec.csi, 'spec.csi', sources.validatePersistentCsi),
  ];
}

function* validateGlusterfs(glusterfs: GlusterfsPersistentVolumeSource, field: string): Errors {
  yield* sources.validateGlusterfs(glusterfs, field);
  const { endpointsNamespace: namespace } = glusterfs;
  const path = `${field}.endpointsNamespace`;
  if (namespace === '') {
    yield invalid(path, namespace, 'if the endpointnamespace is set, it must be a valid namespace name');
  } else if (namespace !== undefined) yield* namespaceName(namespace, path);
}

function* validateLocal({ path = '' }: LocalVolumeSource, field: string, spec: PersistentVolumeSpec): Errors {
  if (path === '') yield required(`${field}.path`);
  else yield* pathWithoutBacksteps(path, `${field}.path`);
  if (spec.nodeAffinity === undefined) yield required('spec.nodeAffinity', 'Local volume requires node affinity');
}

function* validateAttributesClass({ volumeAttributesClassName: name, csi }: PersistentVolumeSpec): Errors {
  if (name === undefined) return;
  const field = 'spec.volumeAttributesClassName';
  if (name === '') yield required(field, 'an empty string is disallowed');
  else yield* dnsSubdomain(name, field);
  if (csi === undefined) yield required('spec.csi', 'has to be specified when using volumeAttributesClassName');
}

export function validatePersistentVolumeUpdate(volume: PersistentVolume, old: PersistentVolume): readonly FieldError[] {
  return [...updateErrors(volume, old)];
}

function* updateErrors(volume: PersistentVolume, old: PersistentVolume): Errors {
  const spec = volume.spec ?? {};
  const oldSpec = old.spec ?? {};
  const allowInvalid = hasInvalidSelectorValues(oldSpec.nodeAffinity?.required);
  // Upstream's strategy checks the whole volume, and then the update, which begins with the whole volume again.
  for (let time = 0; time < 2; time++) {
    yield* validateObjectMeta(volume.metadata, { namespaced: false });
    yield* specErrors(spec, volume.metadata.name ?? '', allowInvalid);
  }
  const form = internalForm('PersistentVolumeSource', withoutNewExpandSecret(spec, oldSpec));
  const oldForm = internalForm('PersistentVolumeSource', oldSpec);
  if (!semanticallyEqual(form, oldForm)) {
    const rule = 'spec.persistentvolumesource is immutable after creation';
    yield forbidden('spec.persistentvolumesource', `${rule}\n${diffOfForms(oldForm, form)}`);
  }
  yield* immutable(spec.volumeMode, oldSpec.volumeMode, 'volumeMode');
  if (oldSpec.nodeAffinity !== undefined) yield* affinityErrors(spec.nodeAffinity, oldSpec.nodeAffinity);
  if (oldSpec.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined) {
    yield forbidden('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden');
  }
}

/** A secret for expansion may be added to a volume that has none. */
function withoutNewExpandSecret(spec: PersistentVolumeSpec, old: PersistentVolumeSpec): PersistentVolumeSpec {
  if (spec.csi?.controllerExpandSecretRef === undefined || old.csi === undefined) return spec;
  if (old.csi.controllerExpandSecretRef !== undefined) return spec;
  const { controllerExpandSecretRef: _, ...csi } = spec.csi;
  return { ...spec, csi };
}

const stableLabels: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
};

/** Where a volume can be reached stays, but for labels that got their stable names. */
function* affinityErrors(affinity: VolumeNodeAffinity | undefined, old: VolumeNodeAffinity): Errors {
  const form = internalForm('VolumeNodeAffinity', affinity);
  const renamed = { required: withStableLabels(old.required, affinity?.required) };
  if (semanticallyEqual(form, internalForm('VolumeNodeAffinity', renamed))) return;
  yield invalid('nodeAffinity', form, `${fieldIsImmutable}, except for updating from beta label to GA`);
}

function withStableLabels(old: NodeSelector | undefined, selector: NodeSelector | undefined) {
  if (old === undefined) return undefined;
  const terms = (old.nodeSelectorTerms ?? []).map((term, index) => ({
    ...term,
    ...(term.matchExpressions !== undefined && {
      matchExpressions: term.matchExpressions.map((requirement, position) => {
        const key = selector?.nodeSelectorTerms?.[index]?.matchExpressions?.[position]?.key;
        return key !== undefined && stableLabels[requirement.key] === key ? { ...requirement, key } : requirement;
      }),
    }),
  }));
  return { nodeSelectorTerms: terms };
}

export function validatePersistentVolumeStatusUpdate(
  volume: PersistentVolume,
  old: PersistentVolume,
): readonly FieldError[] {
  const errors = [...validateMetaUpdateOfKind(volume.metadata, old.metadata)];
  return (volume.metadata.resourceVersion ?? '') === '' ? [...errors, required('resourceVersion')] : errors;
}
