import { generateKeyPairSync } from 'node:crypto';
import type { Secret } from '../kube/types.gen.ts';
import { encodePem } from '../wire/pem.ts';
import { encodeName, signCertificate } from '../wire/x509.ts';
import { defaultCertificateName, ingressNamespace } from './certificate-copies.ts';

const name = { commonName: 'Wherry default certificate', organizations: ['Wherry'] };
const lifeMs = 10 * 365 * 86_400_000;
/** Clocks of clients may be behind ours. */
const headStartMs = 3_600_000;

/** A certificate that signs itself, for names that no other certificate is for: browsers warn, and rightly so. */
export function makeDefaultCertificate(nowMs: number): Secret {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = signCertificate(
    {
      ...{ subject: name, publicKey, notBefore: nowMs - headStartMs, notAfter: nowMs + lifeMs },
      usages: ['serverAuth'],
      names: { dns: ['ingress.local'], ips: [] },
    },
    { subject: encodeName(name), publicKey, privateKey },
  );
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return {
    ...{ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls' },
    metadata: { name: defaultCertificateName, namespace: ingressNamespace },
    data: { 'tls.crt': base64(encodePem('CERTIFICATE', der)), 'tls.key': base64(key) },
  };
}
