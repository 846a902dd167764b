import { createHash } from 'node:crypto';
import type { Secret } from '../kube/types.gen.ts';

/** Where the certificates that nodes show are copied to: nodes may read Secrets of this namespace and of no other. */
export const ingressNamespace = 'wherry-ingress';
/** The Secret with the certificate for names that no other one has. A user may put another into it. */
export const defaultCertificateName = 'default-certificate';
/** Marks copies, so that nothing else is ever removed. */
export const copyLabel = 'ingress.wherry.dev/copy';
/** Longest name of an object. */
const nameCharactersMax = 253;

/** The copy of a TLS Secret is called after it: `namespace.name`. */
export function copyNameOf(key: string): string {
  const name = key.replace('/', '.');
  if (name.length <= nameCharactersMax) return name;
  return `${name.slice(0, nameCharactersMax - 33)}.${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
}

export function copyOf(key: string, { data = {} }: Secret): Secret {
  const { 'tls.crt': certificate = '', 'tls.key': privateKey = '' } = data;
  return {
    ...{ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls' },
    metadata: { name: copyNameOf(key), namespace: ingressNamespace, labels: { [copyLabel]: 'true' } },
    data: { 'tls.crt': certificate, 'tls.key': privateKey },
  };
}
