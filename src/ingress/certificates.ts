import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describeError } from '../core/errors.ts';
import type { Secret } from '../kube/types.gen.ts';

/** A certificate that can be shown, or why it can't. */
export type TlsMaterial =
  | {
      readonly ok: true;
      /** Certificate, chain and key. */
      readonly pem: string;
      readonly leaf: X509Certificate;
      /** Its names, wildcards among them, in lower case. */
      readonly names: readonly string[];
    }
  | { readonly ok: false; readonly why: string };

const known = new WeakMap<Secret, TlsMaterial>();

/** What a Secret of type kubernetes.io/tls holds. Pure; a Secret object is read once. */
export function readTlsSecret(secret: Secret): TlsMaterial {
  const standing = known.get(secret);
  if (standing !== undefined) return standing;
  const material = parse(secret);
  known.set(secret, material);
  return material;
}

const block = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

function parse({ data }: Secret): TlsMaterial {
  const text = (key: string) => Buffer.from(data?.[key] ?? '', 'base64').toString('utf8');
  const chain = text('tls.crt').match(block) ?? [];
  const [first] = chain;
  if (first === undefined) return { ok: false, why: 'tls.crt holds no PEM certificate' };
  try {
    const leaf = new X509Certificate(first);
    for (const one of chain) new X509Certificate(one);
    const key = createPrivateKey(text('tls.key'));
    if (!leaf.checkPrivateKey(key)) return { ok: false, why: 'tls.key is not the key of the certificate in tls.crt' };
    const keyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString().trim();
    return { ok: true, pem: `${[...chain, keyPem].join('\n')}\n`, leaf, names: namesOf(leaf) };
  } catch (error) {
    return { ok: false, why: `tls.crt or tls.key can't be read: ${describeError(error)}` };
  }
}

function namesOf({ subjectAltName = '', subject = '' }: X509Certificate): readonly string[] {
  const names = [...subjectAltName.matchAll(/DNS:([^,\s"]+)/g)].map(([, name = '']) => name.toLowerCase());
  if (names.length > 0) return names.filter(isHostPattern);
  // Names moved out of the subject long ago (RFC 2818); what people make by hand often has nothing else.
  const commonName = /^CN=(.+)$/m.exec(subject)?.[1]?.toLowerCase() ?? '';
  return isHostPattern(commonName) ? [commonName] : [];
}

function isHostPattern(name: string): boolean {
  return /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/.test(name);
}

/** Whether a certificate with these names may be shown for a host, which may itself be a wildcard. */
export function covers(names: readonly string[], host: string): boolean {
  if (names.includes(host)) return true;
  return !host.startsWith('*') && names.includes(host.replace(/^[^.]+/, '*'));
}
