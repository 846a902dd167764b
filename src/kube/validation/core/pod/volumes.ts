import { duplicate, forbidden, invalid, required } from '../../../field-error.ts';
import { nameIsDnsSubdomain } from '../../../names.ts';
import { parseQuantity, quantitySign } from '../../../quantity.ts';
import type {
  ConfigMapVolumeSource,
  CSIVolumeSource,
  EmptyDirVolumeSource,
  EphemeralVolumeSource,
  GitRepoVolumeSource,
  ImageVolumeSource,
  ISCSIVolumeSource,
  KeyToPath,
  ObjectMeta,
  SecretVolumeSource,
  Volume,
} from '../../../types.gen.ts';
import {
  dnsLabel,
  type Errors,
  each,
  exactlyOne,
  fileMode,
  localDescendingPath,
  requiredString,
  requiredValue,
  source,
} from '../../common.ts';
import { validateClaimTemplate } from '../claim-spec.ts';
import * as sources from '../volume-sources.ts';
import { validateKeyToPath } from './key-to-path.ts';
import { validateDownwardApi, validateProjected } from './projected.ts';
import type { PodRules } from './rules.ts';

/** The volumes that passed, by name: what containers may mount. */
export type VolumesByName = ReadonlyMap<string, Volume>;

/** Checks the volumes of a pod; `meta` is the pod's own where it is known, for the names of ephemeral claims. */
export function* validateVolumes(
  volumes: readonly Volume[],
  meta: ObjectMeta | undefined,
  field: string,
  rules: PodRules,
): Generator<ReturnType<typeof required>, VolumesByName, undefined> {
  const podName = meta?.name ?? '';
  const created = new Set(
    podName === ''
      ? []
      : volumes.filter(({ ephemeral }) => ephemeral !== undefined).map(({ name }) => `${podName}-${name}`),
  );
  const valid = new Map<string, Volume>();
  for (const [index, volume] of volumes.entries()) {
    const path = `${field}[${index}]`;
    const errors = [...validateVolume(volume, podName, path, rules)];
    if (valid.has(volume.name)) errors.push(duplicate(`${path}.name`, volume.name));
    if (errors.length === 0) valid.set(volume.name, volume);
    yield* errors;
    const claimName = volume.persistentVolumeClaim?.claimName;
    if (claimName !== undefined && created.has(claimName)) {
      const detail = 'must not reference a PVC that gets created for an ephemeral volume';
      yield invalid(`${path}.persistentVolumeClaim.claimName`, claimName, detail);
    }
  }
  return valid;
}

function* validateVolume(volume: Volume, podName: string, path: string, rules: PodRules): Errors {
  const { name = '' } = volume;
  const before = sourcesUpToIscsi(volume, path);
  const after = sourcesFromGlusterfs(volume, podName, path, rules);
  const found = yield* exactlyOne([...before, ...after], 'may not specify more than 1 volume type');
  if (found === 0) yield required(path, 'must specify a volume type');
  if (name === '') yield required(`${path}.name`);
  else yield* dnsLabel(name, `${path}.name`);
}

function sourcesUpToIscsi(volume: Volume, path: string) {
  return [
    source(volume.emptyDir, `${path}.emptyDir`, validateEmptyDir),
    source(volume.hostPath, `${path}.hostPath`, sources.validateHostPath),
    source(volume.gitRepo, `${path}.gitRepo`, validateGitRepo),
    source(
      volume.gcePersistentDisk,
      `${path}.persistentDisk`,
      sources.validateGcePersistentDisk,
      `${path}.gcePersistentDisk`,
    ),
    source(volume.awsElasticBlockStore, `${path}.awsElasticBlockStore`, sources.validateAwsElasticBlockStore),
    source(volume.secret, `${path}.secret`, validateSecret),
    source(volume.nfs, `${path}.nfs`, sources.validateNfs),
    source(volume.iscsi, `${path}.iscsi`, (iscsi, field) => validateNamedIscsi(iscsi, volume.name, field, path)),
  ];
}

function sourcesFromGlusterfs(volume: Volume, podName: string, path: string, rules: PodRules) {
  return [
    source(volume.glusterfs, `${path}.glusterfs`, sources.validateGlusterfs),
    source(volume.flocker, `${path}.flocker`, sources.validateFlocker),
    source(volume.persistentVolumeClaim, `${path}.persistentVolumeClaim`, (claim, field) =>
      requiredString(claim.claimName, `${field}.claimName`),
    ),
    source(volume.rbd, `${path}.rbd`, sources.validateRbd),
    source(volume.cinder, `${path}.cinder`, (cinder, field) => sources.validateCinder(cinder, field, false)),
    source(volume.cephfs, `${path}.cephfs`, sources.validateCephFs, `${path}.cephFS`),
    source(volume.quobyte, `${path}.quobyte`, sources.validateQuobyte),
    source(volume.downwardAPI, `${path}.downwardAPI`, validateDownwardApi, `${path}.downwarAPI`),
    source(volume.fc, `${path}.fc`, sources.validateFc),
    source(volume.flexVolume, `${path}.flexVolume`, sources.validateFlexVolume),
    source(volume.configMap, `${path}.configMap`, validateConfigMap),
    source(volume.azureFile, `${path}.azureFile`, sources.validateAzureFile),
    source(volume.vsphereVolume, `${path}.vsphereVolume`, (vsphere, field) =>
      requiredString(vsphere.volumePath, `${field}.volumePath`),
    ),
    source(volume.photonPersistentDisk, `${path}.photonPersistentDisk`, (photon, field) =>
      requiredString(photon.pdID, `${field}.pdID`),
    ),
    source(volume.portworxVolume, `${path}.portworxVolume`, (portworx, field) =>
      requiredString(portworx.volumeID, `${field}.volumeID`),
    ),
    source(volume.azureDisk, `${path}.azureDisk`, sources.validateAzureDisk),
    source(volume.storageos, `${path}.storageos`, (storageos, field) =>
      sources.validateStorageOs(storageos, field, false),
    ),
    source(volume.projected, `${path}.projected`, (projected, field) => validateProjected(projected, field, rules)),
    source(volume.scaleIO, `${path}.scaleIO`, sources.validateScaleIo),
    source(volume.csi, `${path}.csi`, validateCsi),
    source(volume.ephemeral, `${path}.ephemeral`, (ephemeral, field) =>
      validateEphemeral(ephemeral, volume.name, podName, field, path),
    ),
    source(volume.image, `${path}.image`, (image, field) => validateImage(image, field, rules)),
  ];
}

function* validateEmptyDir({ sizeLimit }: EmptyDirVolumeSource, field: string): Errors {
  if (sizeLimit !== undefined && quantitySign(parseQuantity(sizeLimit)) < 0) {
    yield forbidden(`${field}.sizeLimit`, 'SizeLimit field must be a valid resource quantity');
  }
}

function* validateGitRepo({ repository, directory = '' }: GitRepoVolumeSource, field: string): Errors {
  yield* requiredString(repository, `${field}.repository`);
  yield* localDescendingPath(directory, `${field}.directory`);
}

function* validateNamedIscsi(iscsi: ISCSIVolumeSource, name: string, field: string, volumePath: string): Errors {
  yield* sources.validateIscsi(iscsi, field);
  if (iscsi.initiatorName !== undefined && sources.isIscsiNameTooLong(name, iscsi.targetPortal ?? '')) {
    yield invalid(`${volumePath}.name`, name, sources.iscsiNameTooLong);
  }
}

function* validateSecret(secret: SecretVolumeSource, field: string): Errors {
  yield* requiredString(secret.secretName, `${field}.secretName`);
  yield* fileMode(secret.defaultMode, `${field}.defaultMode`);
  yield* validateItems(secret.items, field);
}

function* validateConfigMap(configMap: ConfigMapVolumeSource, field: string): Errors {
  yield* requiredString(configMap.name, `${field}.name`);
  yield* fileMode(configMap.defaultMode, `${field}.defaultMode`);
  yield* validateItems(configMap.items, field);
}

function* validateItems(items: readonly KeyToPath[] | undefined, field: string): Errors {
  for (const [index, item] of (items ?? []).entries()) yield* validateKeyToPath(item, `${field}.items[${index}]`);
}

function* validateCsi({ driver = '', nodePublishSecretRef: secret }: CSIVolumeSource, field: string): Errors {
  yield* sources.validateCsiDriverName(driver, `${field}.driver`);
  if (secret === undefined) return;
  const { name = '' } = secret;
  if (name === '') yield required(`${field}.nodePublishSecretRef.name`);
  else yield* each(nameIsDnsSubdomain(name, false), `${field}.name`, name);
}

function* validateEphemeral(
  { volumeClaimTemplate: template }: EphemeralVolumeSource,
  name: string,
  podName: string,
  field: string,
  volumePath: string,
): Errors {
  if (template === undefined) yield required(`${field}.volumeClaimTemplate`);
  else yield* validateClaimTemplate(template, `${field}.volumeClaimTemplate`);
  if (podName === '' || name === '') return;
  const claimName = `${podName}-${name}`;
  for (const message of nameIsDnsSubdomain(claimName, false)) {
    yield invalid(`${volumePath}.name`, name, `PVC name "${claimName}": ${message}`);
  }
}

function* validateImage({ reference, pullPolicy }: ImageVolumeSource, field: string, rules: PodRules): Errors {
  if (rules.isPod) yield* requiredString(reference, `${field}.reference`);
  yield* requiredValue(pullPolicy, ['Always', 'IfNotPresent', 'Never'], `${field}.pullPolicy`);
}
