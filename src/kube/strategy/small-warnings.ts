import { createPrivateKey, X509Certificate } from 'node:crypto';
import type {
  CSIDriver,
  EndpointSlice,
  Ingress,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Secret,
  ServiceAccount,
  StorageClass,
} from '../types.gen.ts';
import { claimSpecWarnings, classAnnotationWarnings, fractionalBytes } from './claim-warnings.ts';
import { isSemanticallyEqual } from './equal.ts';
import { nodeSelectorWarnings, replacedLabel } from './node-label-warnings.ts';

// Warnings of kinds that have only a few.

export function claimWarnings(claim: PersistentVolumeClaim, old: PersistentVolumeClaim | null): readonly string[] {
  if (old !== null && isSemanticallyEqual(claim.spec, old.spec))
    return classAnnotationWarnings(claim.metadata.annotations);
  return [...classAnnotationWarnings(claim.metadata.annotations), ...claimSpecWarnings(claim.spec, 'spec')];
}

/** Plugins that were deprecated or removed, in the order in which upstream names them. */
const retiredSources = [
  ['photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['storageos', 'deprecated in v1.22, non-functional in v1.25+'],
  ['quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+'],
] as const;

export function volumeWarnings({ metadata, spec }: PersistentVolume): readonly string[] {
  return [
    ...classAnnotationWarnings(metadata.annotations),
    ...(spec?.persistentVolumeReclaimPolicy === 'Recycle'
      ? [
          'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
        ]
      : []),
    ...retiredSources
      .filter(([plugin]) => spec?.[plugin] !== undefined)
      .map(([plugin, message]) => `spec.${plugin === 'storageos' ? 'storageOS' : plugin}: ${message}`),
    ...fractionalBytes(spec?.capacity, ['storage'], 'spec.capacity'),
    ...nodeSelectorWarnings(spec?.nodeAffinity?.required, 'spec.nodeAffinity.required.nodeSelectorTerms'),
  ];
}

export function storageClassWarnings({ allowedTopologies }: StorageClass): readonly string[] {
  return (allowedTopologies ?? []).flatMap(({ matchLabelExpressions }, index) =>
    (matchLabelExpressions ?? []).flatMap(({ key }, at) => {
      const message = replacedLabel(key);
      if (message === undefined) return [];
      return [`allowedTopologies[${index}].matchLabelExpressions[${at}].key: ${key} is ${message}`];
    }),
  );
}

export function nodeWarnings({ spec }: Node): readonly string[] {
  return spec?.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : [];
}

const mountableSecrets = 'kubernetes.io/enforce-mountable-secrets';

export function serviceAccountWarnings({ metadata }: ServiceAccount, old: ServiceAccount | null): readonly string[] {
  const isNew = old?.metadata.annotations?.[mountableSecrets] === undefined;
  if (metadata.annotations?.[mountableSecrets] === undefined || !isNew) return [];
  return [
    `metadata.annotations[${mountableSecrets}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`,
  ];
}

const ingressClass = 'kubernetes.io/ingress.class';

export function ingressWarnings({ metadata }: Ingress, old: Ingress | null): readonly string[] {
  if (old !== null || metadata.annotations?.[ingressClass] === undefined) return [];
  return [`annotation "${ingressClass}" is deprecated, please use 'spec.ingressClassName' instead`];
}

export function csiDriverWarnings({ spec }: CSIDriver): readonly string[] {
  if ((spec.tokenRequests ?? []).length === 0 || spec.serviceAccountTokenInSecrets !== undefined) return [];
  return [
    'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes',
  ];
}

export function endpointSliceWarnings({ addressType }: EndpointSlice): readonly string[] {
  return addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : [];
}

/** A TLS secret whose parts are no certificate and key that belong together is kept, but does not work. */
export function secretWarnings(secret: Secret): readonly string[] {
  if (secret.type !== 'kubernetes.io/tls') return [];
  const problem = keyPairProblem(pem(secret, 'tls.crt'), pem(secret, 'tls.key'));
  return problem === undefined ? [] : [`tls: ${problem}`];
}

function pem(secret: Secret, key: string): string {
  return Buffer.from(secret.data?.[key] ?? '', 'base64').toString('latin1');
}

const block = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

// What Go's tls.X509KeyPair says.
function keyPairProblem(certificate: string, key: string): string | undefined {
  const certificates = [...certificate.matchAll(block)];
  const chosen = certificates.find(([, type]) => type === 'CERTIFICATE')?.[0];
  if (chosen === undefined) return noPem('certificate', certificates, 'certificate');
  const keys = [...key.matchAll(block)];
  const privateKey = keys.find(([, type]) => type === 'PRIVATE KEY' || type?.endsWith(' PRIVATE KEY'))?.[0];
  if (privateKey === undefined) return noPem('key', keys, 'key');
  try {
    const matches = new X509Certificate(chosen).checkPrivateKey(createPrivateKey(privateKey));
    return matches ? undefined : 'private key does not match public key';
  } catch {
    // Not a certificate or not a key: OpenSSL's words for it would help nobody.
    return 'failed to parse private key';
  }
}

function noPem(kind: string, blocks: readonly RegExpExecArray[], wanted: string): string {
  if (blocks.length === 0) return `failed to find any PEM data in ${kind} input`;
  const types = `[${blocks.map(([, type]) => type).join(' ')}]`;
  return wanted === 'certificate'
    ? `failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: ${types}`
    : `failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: ${types}`;
}
