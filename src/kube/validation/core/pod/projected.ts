import { forbidden, invalid, required } from '../../../field-error.ts';
import type {
  ClusterTrustBundleProjection,
  ConfigMapProjection,
  DownwardAPIVolumeFile,
  DownwardAPIVolumeSource,
  KeyToPath,
  PodCertificateProjection,
  ProjectedVolumeSource,
  SecretProjection,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../../../types.gen.ts';
import { type Errors, fileMode, localNonReservedPath, requiredString, supportedValue } from '../../common.ts';
import { internalForm } from '../../internal-form.ts';
import { validateLabelSelector } from '../../label-selector.ts';
import { validateSignerName, validateTrustBundleName } from '../../signer-name.ts';
import { validateFieldSelector, validateResourceSelector } from './field-selectors.ts';
import { validateKeyToPath } from './key-to-path.ts';
import type { PodRules } from './rules.ts';

const fieldsOfFiles: readonly string[] = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];

export function* validateDownwardApi({ defaultMode, items = [] }: DownwardAPIVolumeSource, field: string): Errors {
  yield* fileMode(defaultMode, `${field}.defaultMode`);
  for (const item of items) yield* validateFile(item, field);
}

function* validateFile(file: DownwardAPIVolumeFile, field: string): Errors {
  const { path = '', fieldRef, resourceFieldRef } = file;
  yield* requiredString(path, `${field}.path`);
  yield* localNonReservedPath(path, `${field}.path`);
  if (fieldRef !== undefined) {
    yield* validateFieldSelector(fieldRef, fieldsOfFiles, `${field}.fieldRef`);
    if (resourceFieldRef !== undefined) {
      yield invalid(field, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously');
    }
  } else if (resourceFieldRef !== undefined) {
    yield* validateResourceSelector(resourceFieldRef, `${field}.resourceFieldRef`, true);
  } else yield required(field, 'one of fieldRef and resourceFieldRef is required');
  yield* fileMode(file.mode, `${field}.mode`);
}

/** Several sources in one directory: no two may write one file. */
export function* validateProjected(projected: ProjectedVolumeSource, field: string, rules: PodRules): Errors {
  yield* fileMode(projected.defaultMode, `${field}.defaultMode`);
  const paths = new Set<string>();
  for (const [index, source] of (projected.sources ?? []).entries()) {
    const path = `${field}.sources[${index}]`;
    yield* validateSource(source, path, field, paths, rules);
    if (sourceCount(source) > 1) yield forbidden(path, 'may not specify more than 1 volume type per source');
  }
}

function sourceCount(source: VolumeProjection): number {
  return Object.values(source).filter((value) => value !== undefined && value !== null).length;
}

function* validateSource(
  source: VolumeProjection,
  path: string,
  volume: string,
  paths: Set<string>,
  rules: PodRules,
): Errors {
  const { secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source;
  if (secret !== undefined) yield* keyedSource(secret, `${path}.secret`, volume, paths);
  if (configMap !== undefined) yield* keyedSource(configMap, `${path}.configMap`, volume, paths);
  for (const file of downwardAPI?.items ?? []) {
    yield* validateFile(file, `${path}.downwardAPI`);
    yield* pathUsedOnce(file.path ?? '', file.path ?? '', volume, paths);
  }
  if (serviceAccountToken !== undefined) {
    yield* validateToken(serviceAccountToken, `${path}.serviceAccountToken`, volume, rules);
  }
  if (clusterTrustBundle !== undefined) {
    yield* validateTrustBundle(clusterTrustBundle, `${path}.clusterTrustBundle`, volume, paths);
  }
  if (podCertificate !== undefined) {
    yield* validatePodCertificate(podCertificate, `${path}.podCertificate`, volume, paths);
  }
}

function* keyedSource(
  { name = '', items = [] }: SecretProjection | ConfigMapProjection,
  field: string,
  volume: string,
  paths: Set<string>,
): Errors {
  yield* requiredString(name, `${field}.name`);
  for (const [index, item] of items.entries()) yield* keyedFile(item, name, `${field}.items[${index}]`, volume, paths);
}

function* keyedFile(item: KeyToPath, name: string, field: string, volume: string, paths: Set<string>): Errors {
  yield* validateKeyToPath(item, field);
  yield* pathUsedOnce(item.path ?? '', name, volume, paths);
}

function* pathUsedOnce(path: string, shown: string, volume: string, paths: Set<string>): Errors {
  if (path === '') return;
  if (paths.has(path)) yield invalid(volume, shown, 'conflicting duplicate paths');
  else paths.add(path);
}

function* validateToken(token: ServiceAccountTokenProjection, field: string, volume: string, rules: PodRules): Errors {
  const { expirationSeconds = 0, path = '' } = token;
  if (expirationSeconds < 600) {
    yield invalid(`${field}.expirationSeconds`, expirationSeconds, 'may not specify a duration less than 10 minutes');
  }
  if (expirationSeconds > 2 ** 32) {
    const detail = 'may not specify a duration larger than 2^32 seconds';
    yield invalid(`${field}.expirationSeconds`, expirationSeconds, detail);
  }
  if (path === '') yield required(`${volume}.path`);
  else if (!rules.allowNonLocalTokenPath) yield* localNonReservedPath(path, `${volume}.path`);
}

function* validateTrustBundle(
  bundle: ClusterTrustBundleProjection,
  field: string,
  volume: string,
  paths: Set<string>,
): Errors {
  const { name, signerName, labelSelector, path = '' } = bundle;
  if (name !== undefined && signerName !== undefined) {
    const form = internalForm('ClusterTrustBundleProjection', bundle);
    yield invalid(field, form, 'only one of name and signerName may be used');
  } else if (name !== undefined) {
    if (name === '') yield required(`${field}.name`, 'must be a valid object name');
    for (const message of validateTrustBundleName(name)) {
      yield invalid(`${field}.name`, name, `not a valid clustertrustbundlename: ${message}`);
    }
    if (labelSelector !== undefined) {
      const form = internalForm('LabelSelector', labelSelector);
      yield invalid(`${field}.labelSelector`, form, 'labelSelector must be unset if name is specified');
    }
  } else if (signerName !== undefined) {
    if (signerName === '') yield required(`${field}.signerName`, 'must be a valid signer name');
    yield* validateSignerName(signerName, `${field}.signerName`);
    yield* validateLabelSelector(labelSelector, `${field}.labelSelector`);
  } else yield required(field, 'either name or signerName must be specified');
  yield* requiredString(path, `${field}.path`);
  yield* localNonReservedPath(path, `${field}.path`);
  if (paths.has(path)) yield invalid(volume, path, 'conflicting duplicate paths');
  else paths.add(path);
}

const keyTypes: readonly string[] = ['ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519', 'RSA3072', 'RSA4096'];
const hourSeconds = 3600;
const certificateSecondsMax = 91 * 24 * hourSeconds;

function* validatePodCertificate(
  certificate: PodCertificateProjection,
  field: string,
  volume: string,
  paths: Set<string>,
): Errors {
  const { signerName = '', keyType = '', maxExpirationSeconds: seconds } = certificate;
  yield* validateSignerName(signerName, `${field}.signerName`);
  yield* supportedValue(keyType, keyTypes, `${field}.keyType`);
  if (seconds !== undefined && seconds < hourSeconds) {
    yield invalid(
      `${field}.maxExpirationSeconds`,
      seconds,
      `if provided, maxExpirationSeconds must be >= ${hourSeconds}`,
    );
  }
  if (seconds !== undefined && seconds > certificateSecondsMax) {
    const detail = `if provided, maxExpirationSeconds must be <= ${certificateSecondsMax}`;
    yield invalid(`${field}.maxExpirationSeconds`, seconds, detail);
  }
  const { credentialBundlePath = '', keyPath = '', certificateChainPath = '' } = certificate;
  if (credentialBundlePath === '' && keyPath === '' && certificateChainPath === '') {
    yield required(field, 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath');
  }
  const files = { credentialBundlePath, keyPath, certificateChainPath };
  for (const [name, path] of Object.entries(files)) {
    if (path === '') continue;
    yield* localNonReservedPath(path, `${field}.${name}`);
    yield* pathUsedOnce(path, path, volume, paths);
  }
}
