import { invalid, notSupported, required, tooLong } from '../../field-error.ts';
import { isDns1123Subdomain } from '../../names.ts';
import type {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  CSIPersistentVolumeSource,
  FCVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  HostPathVolumeSource,
  ISCSIPersistentVolumeSource,
  ISCSIVolumeSource,
  NFSVolumeSource,
  QuobyteVolumeSource,
  StorageOSPersistentVolumeSource,
  StorageOSVolumeSource,
} from '../../types.gen.ts';
import {
  dnsLabel,
  dnsSubdomain,
  type Errors,
  each,
  entriesOf,
  inRange,
  pathWithoutBacksteps,
  requiredString,
  supportedValue,
} from '../common.ts';

/** The volume sources that pods and PersistentVolumes share. Each rule gets the path of its source. */

const hostPathTypes: readonly string[] = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

export function* validateHostPath(source: HostPathVolumeSource, field: string): Errors {
  const { path = '' } = source;
  if (path === '') {
    yield required(`${field}.path`);
    return;
  }
  yield* pathWithoutBacksteps(path, `${field}.path`);
  yield* supportedValue(source.type, hostPathTypes, `${field}.type`);
}

const partitionMessage = 'must be between 1 and 255, inclusive';

function* partition(value: number | undefined, field: string): Errors {
  if (value !== undefined && (value < 0 || value > 255)) yield invalid(field, value, partitionMessage);
}

export function* validateGcePersistentDisk(source: GCEPersistentDiskVolumeSource, field: string): Errors {
  yield* requiredString(source.pdName, `${field}.pdName`);
  yield* partition(source.partition, `${field}.partition`);
}

export function* validateAwsElasticBlockStore(source: AWSElasticBlockStoreVolumeSource, field: string): Errors {
  yield* requiredString(source.volumeID, `${field}.volumeID`);
  yield* partition(source.partition, `${field}.partition`);
}

export function* validateNfs(source: NFSVolumeSource, field: string): Errors {
  const { path = '' } = source;
  yield* requiredString(source.server, `${field}.server`);
  yield* requiredString(path, `${field}.path`);
  if (!path.startsWith('/')) yield invalid(`${field}.path`, path, 'must be an absolute path');
}

const iqn = /iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$/;
const eui = /^eui.[A-Za-z0-9]{16}$/;
const naa = /^naa.[A-Za-z0-9]{32}$/;

function iscsiNameFits(name: string): boolean {
  if (name.startsWith('iqn')) return iqn.test(name);
  if (name.startsWith('eui')) return eui.test(name);
  return !name.startsWith('naa') || naa.test(name);
}

function* iscsiName(name: string, field: string, unknownPrefix: string): Errors {
  if (!/^(iqn|eui|naa)/.test(name)) yield invalid(field, name, unknownPrefix);
  else if (!iscsiNameFits(name)) yield invalid(field, name, 'must be valid format');
}

const prefixedName = 'must be valid format starting with iqn, eui, or naa';

export function* validateIscsi(source: ISCSIVolumeSource, field: string): Errors {
  yield* requiredString(source.targetPortal, `${field}.targetPortal`);
  yield* iscsiTarget(source, field, prefixedName);
  if (source.initiatorName !== undefined) {
    yield* iscsiName(source.initiatorName, `${field}.initiatorname`, prefixedName);
  }
}

export function* validatePersistentIscsi(
  source: ISCSIPersistentVolumeSource,
  field: string,
  volumeName: string,
): Errors {
  const { targetPortal = '', initiatorName, secretRef } = source;
  yield* requiredString(targetPortal, `${field}.targetPortal`);
  if (initiatorName !== undefined && isIscsiNameTooLong(volumeName, targetPortal)) {
    yield invalid(`${field}.targetportal`, targetPortal, iscsiNameTooLong);
  }
  yield* iscsiTarget(source, field, 'must be valid format');
  if (secretRef !== undefined) yield* requiredString(secretRef.name, `${field}.secretRef.name`);
  if (initiatorName !== undefined) yield* iscsiName(initiatorName, `${field}.initiatorname`, 'must be valid format');
}

export const iscsiNameTooLong =
  'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';

export function isIscsiNameTooLong(volumeName: string, targetPortal: string): boolean {
  return Buffer.byteLength(`${volumeName}:${targetPortal}`) > 64;
}

function* iscsiTarget(
  source: ISCSIVolumeSource | ISCSIPersistentVolumeSource,
  field: string,
  unknownPrefix: string,
): Errors {
  const { iqn: name = '' } = source;
  if (name === '') yield required(`${field}.iqn`);
  else yield* iscsiName(name, `${field}.iqn`, unknownPrefix);
  yield* inRange(source.lun ?? 0, 0, 255, `${field}.lun`);
  if ((source.chapAuthDiscovery === true || source.chapAuthSession === true) && source.secretRef === undefined) {
    yield required(`${field}.secretRef`);
  }
}

export function* validateFc(source: FCVolumeSource, field: string): Errors {
  const { targetWWNs = [], wwids = [], lun } = source;
  const names = `${field}.targetWWNs`;
  if (targetWWNs.length === 0 && wwids.length === 0) {
    yield required(names, 'must specify either targetWWNs or wwids, but not both');
  }
  if (targetWWNs.length > 0 && wwids.length > 0) {
    yield invalid(names, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously');
  }
  if (targetWWNs.length === 0) return;
  if (lun === undefined) yield required(`${field}.lun`, 'lun is required if targetWWNs is specified');
  else yield* inRange(lun, 0, 255, `${field}.lun`);
}

export function* validateQuobyte(source: QuobyteVolumeSource, field: string): Errors {
  const { registry = '', tenant = '' } = source;
  const pairs = 'must be a host:port pair or multiple pairs separated by commas';
  if (registry === '') yield required(`${field}.registry`, pairs);
  else if (Buffer.byteLength(tenant) >= 65) {
    yield required(`${field}.tenant`, 'must be a UUID and may not exceed a length of 64 characters');
  } else {
    for (const pair of registry.split(',')) {
      if (!isHostPort(pair)) yield invalid(`${field}.registry`, registry, pairs);
    }
  }
  yield* requiredString(source.volume, `${field}.volume`);
}

/** Go's net.SplitHostPort: one colon outside of brackets. */
function isHostPort(pair: string): boolean {
  return /^(\[[^[\]]*\]|[^:[\]]*):[^:[\]]*$/.test(pair);
}

export function* validateFlocker(source: FlockerVolumeSource, field: string): Errors {
  const { datasetName = '', datasetUUID = '' } = source;
  if (datasetName === '' && datasetUUID === '') {
    yield required(field, 'one of datasetName and datasetUUID is required');
  }
  if (datasetName !== '' && datasetUUID !== '') {
    yield invalid(field, 'resource', 'datasetName and datasetUUID can not be specified simultaneously');
  }
  if (datasetName.includes('/')) yield invalid(`${field}.datasetName`, datasetName, "must not contain '/'");
}

export function* validateFlexVolume(
  source: { readonly driver: string; readonly options?: Readonly<Record<string, string>> },
  field: string,
): Errors {
  yield* requiredString(source.driver, `${field}.driver`);
  for (const [name] of entriesOf(source.options)) {
    const domain = `.${(name.split('/', 2).length === 2 ? (name.split('/')[0] ?? '') : name).toLowerCase()}`;
    if (domain.endsWith('.kubernetes.io') || domain.endsWith('.k8s.io')) {
      yield invalid(`${field}.options[${name}]`, name, 'kubernetes.io and k8s.io namespaces are reserved');
    }
  }
}

export function* validateRbd(
  source: { readonly monitors?: readonly string[]; readonly image?: string },
  field: string,
): Errors {
  if ((source.monitors ?? []).length === 0) yield required(`${field}.monitors`);
  yield* requiredString(source.image, `${field}.image`);
}

export function* validateCephFs(source: { readonly monitors?: readonly string[] }, field: string): Errors {
  if ((source.monitors ?? []).length === 0) yield required(`${field}.monitors`);
}

export function* validateGlusterfs(
  source: { readonly endpoints?: string; readonly path?: string },
  field: string,
): Errors {
  yield* requiredString(source.endpoints, `${field}.endpoints`);
  yield* requiredString(source.path, `${field}.path`);
}

interface SecretNames {
  readonly name?: string;
  readonly namespace?: string;
}

function* namedSecret(secret: SecretNames | undefined, field: string, withNamespace: boolean): Errors {
  if (secret === undefined) return;
  yield* requiredString(secret.name, `${field}.name`);
  if (withNamespace) yield* requiredString(secret.namespace, `${field}.namespace`);
}

export function* validateCinder(
  source: { readonly volumeID?: string; readonly secretRef?: SecretNames },
  field: string,
  withNamespace: boolean,
): Errors {
  yield* requiredString(source.volumeID, `${field}.volumeID`);
  yield* namedSecret(source.secretRef, `${field}.secretRef`, withNamespace);
}

export function* validateScaleIo(
  source: { readonly gateway?: string; readonly system?: string; readonly volumeName?: string },
  field: string,
): Errors {
  yield* requiredString(source.gateway, `${field}.gateway`);
  yield* requiredString(source.system, `${field}.system`);
  yield* requiredString(source.volumeName, `${field}.volumeName`);
}

export function* validateStorageOs(
  source: StorageOSVolumeSource | StorageOSPersistentVolumeSource,
  field: string,
  withNamespace: boolean,
): Errors {
  const { volumeName = '', volumeNamespace = '' } = source;
  if (volumeName === '') yield required(`${field}.volumeName`);
  else yield* dnsLabel(volumeName, `${field}.volumeName`);
  if (volumeNamespace !== '') yield* dnsLabel(volumeNamespace, `${field}.volumeNamespace`);
  yield* namedSecret(source.secretRef, `${field}.secretRef`, withNamespace);
}

export function* validateAzureFile(
  source: { readonly secretName?: string; readonly shareName?: string; readonly secretNamespace?: string },
  field: string,
): Errors {
  yield* requiredString(source.secretName, `${field}.secretName`);
  yield* requiredString(source.shareName, `${field}.shareName`);
  if (source.secretNamespace === '') yield required(`${field}.secretNamespace`);
}

const managedDisk = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}';
const blobDisk = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd';

export function* validateAzureDisk(source: AzureDiskVolumeSource, field: string): Errors {
  const { diskName = '', diskURI = '', kind } = source;
  yield* requiredString(diskName, `${field}.diskName`);
  yield* requiredString(diskURI, `${field}.diskURI`);
  yield* supportedValue(source.cachingMode, ['None', 'ReadOnly', 'ReadWrite'], `${field}.cachingMode`);
  yield* supportedValue(kind, ['Dedicated', 'Managed', 'Shared'], `${field}.kind`);
  if (kind === 'Managed' && !diskURI.startsWith('/subscriptions/')) {
    yield notSupported(`${field}.diskURI`, diskURI, [managedDisk]);
  }
  if (kind !== undefined && kind !== 'Managed' && !diskURI.startsWith('https://')) {
    yield notSupported(`${field}.diskURI`, diskURI, [blobDisk]);
  }
}

/** The name of a CSI driver: a DNS subdomain in any case, 63 bytes at most. CSIDriver objects have it too. */
export function* validateCsiDriverName(name: string, field: string): Errors {
  if (name === '') {
    yield required(field);
    return;
  }
  if (Buffer.byteLength(name) > 63) yield tooLong(field, 63);
  yield* each(isDns1123Subdomain(name.toLowerCase()), field, name);
}

function* persistentSecret(secret: SecretNames | undefined, field: string): Errors {
  if (secret === undefined) return;
  const { name = '', namespace = '' } = secret;
  if (name === '') yield required(`${field}.name`);
  else yield* dnsSubdomain(name, `${field}.name`);
  if (namespace === '') yield required(`${field}.namespace`);
  else yield* dnsLabel(namespace, `${field}.namespace`);
}

export function* validatePersistentCsi(source: CSIPersistentVolumeSource, field: string): Errors {
  yield* validateCsiDriverName(source.driver ?? '', `${field}.driver`);
  yield* requiredString(source.volumeHandle, `${field}.volumeHandle`);
  yield* persistentSecret(source.controllerPublishSecretRef, `${field}.controllerPublishSecretRef`);
  yield* persistentSecret(source.controllerExpandSecretRef, `${field}.controllerExpandSecretRef`);
  yield* persistentSecret(source.nodePublishSecretRef, `${field}.nodePublishSecretRef`);
  yield* persistentSecret(source.nodeExpandSecretRef, `${field}.nodeExpandSecretRef`);
}
