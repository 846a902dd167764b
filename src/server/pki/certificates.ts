import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { WherryError } from '../../core/errors.ts';
import { decodePem, encodePem } from '../../wire/pem.ts';
import {
  type AltNames,
  addressBytes,
  type Certificate,
  type ExtendedUsage,
  encodeName,
  isSignedBy,
  type Name,
  parseCertificate,
  signCertificate,
} from '../../wire/x509.ts';
import { readIfPresent, writeAtomically } from './files.ts';

const dayMs = 24 * 60 * 60 * 1000;
/** Lifetime of a certificate of the cluster. */
export const leafLifetimeMs = 365 * dayMs;
/** Lifetime of a certificate authority. */
export const authorityLifetimeMs = 3650 * dayMs;
/** A certificate with less than this left is renewed when the server starts. */
export const renewBeforeMs = 90 * dayMs;
/** Certificates are valid from a little before now, so that nodes whose clocks lag can use them at once. */
const clockSkewMs = 60 * 60 * 1000;

const newKeyPair = promisify(generateKeyPair);

/** A certificate with its private key, as PEM. `certificate` carries the chain up to, and without, the root. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority that can sign. */
export interface Authority extends KeyPair {
  readonly subject: Uint8Array;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface LeafRequest {
  readonly subject: Name;
  readonly usages: readonly ExtendedUsage[];
  readonly names?: AltNames;
}

/** A new ECDSA P-256 key. */
export async function newKey(): Promise<KeyObject> {
  return (await newKeyPair('ec', { namedCurve: 'P-256' })).privateKey;
}

export function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Signs a certificate for a key whose private half stays with its owner (a joining node, a CertificateSigningRequest). */
export function issue(
  authority: Authority,
  request: LeafRequest,
  publicKey: KeyObject,
  nowMs: number,
  lifetimeMs = leafLifetimeMs,
): string {
  const der = signCertificate(
    { ...request, publicKey, notBefore: nowMs - clockSkewMs, notAfter: nowMs + lifetimeMs },
    authority,
  );
  return encodePem('CERTIFICATE', der);
}

/** The authority kept in `NAME.crt` and `NAME.key`, made or renewed (with the same key and name) where needed. */
export async function ensureAuthority(directory: string, name: string, nowMs: number): Promise<Authority> {
  const files = pathsOf(directory, name);
  const key = await ensureKey(files.key);
  const publicKey = createPublicKey(key);
  const kept = await readCertificate(files.certificate);
  if (kept !== undefined && !isSignedBy(kept.der, publicKey)) {
    throw new WherryError('PKI_MISMATCH', `${files.certificate} was not made with the key in ${files.key}`, {
      hint: 'Put back the pair that belongs together, or remove both files to make a new cluster authority.',
    });
  }
  if (kept !== undefined && kept.certificate.notAfter - nowMs > renewBeforeMs) {
    return authorityOf(kept.text, key, kept.certificate.rawSubject);
  }
  const subject = kept?.certificate.subject ?? {
    commonName: `wherry-${name}@${Math.floor(nowMs / 1000)}`,
    organizations: [],
  };
  const rawSubject = kept?.certificate.rawSubject ?? encodeName(subject);
  const validity = { notBefore: nowMs - clockSkewMs, notAfter: nowMs + authorityLifetimeMs };
  const der = signCertificate(
    { subject, publicKey, ca: true, ...validity },
    { subject: rawSubject, publicKey, privateKey: key },
  );
  const text = encodePem('CERTIFICATE', der);
  await writeAtomically(files.certificate, text, 0o600);
  return authorityOf(text, key, rawSubject);
}

/** The certificate kept in `NAME.crt` and `NAME.key`; made anew when it is missing, foreign, too narrow or near its end. */
export async function ensureLeaf(
  directory: string,
  name: string,
  authority: Authority,
  request: LeafRequest,
  nowMs: number,
): Promise<KeyPair> {
  const files = pathsOf(directory, name);
  const key = await ensureKey(files.key);
  const kept = await readCertificate(files.certificate);
  if (kept !== undefined && fits(kept, key, authority, request, nowMs))
    return { certificate: kept.text, key: keyPem(key) };
  const text = issue(authority, request, createPublicKey(key), nowMs);
  await writeAtomically(files.certificate, text, 0o600);
  return { certificate: text, key: keyPem(key) };
}

function fits(
  kept: ReadCertificate,
  key: KeyObject,
  authority: Authority,
  request: LeafRequest,
  nowMs: number,
): boolean {
  const { certificate, der } = kept;
  const names = request.names ?? { dns: [], ips: [] };
  const ips = new Set(certificate.names.ips.map((ip) => addressBytes(ip).toString('hex')));
  return (
    certificate.notAfter - nowMs > renewBeforeMs &&
    Buffer.compare(certificate.rawIssuer, authority.subject) === 0 &&
    isSignedBy(der, authority.publicKey) &&
    certificate.subject.commonName === request.subject.commonName &&
    request.subject.organizations.every((o) => certificate.subject.organizations.includes(o)) &&
    request.usages.every((usage) => certificate.usages.includes(usage)) &&
    names.dns.every((dns) => certificate.names.dns.includes(dns)) &&
    names.ips.every((ip) => ips.has(addressBytes(ip).toString('hex'))) &&
    der.includes(createPublicKey(key).export({ type: 'spki', format: 'der' }))
  );
}

/** The private key kept in a file, made when there is none. */
export async function ensureKey(path: string): Promise<KeyObject> {
  const text = await readIfPresent(path);
  if (text !== undefined) return readPrivateKey(path, text);
  const key = await newKey();
  await writeAtomically(path, keyPem(key), 0o600);
  return key;
}

/** Parses a private key in PEM; `path` is for the error's text. */
export function readPrivateKey(path: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new WherryError('PKI_UNREADABLE', `${path} is not a private key`, {
      cause,
      hint: 'Put back the key from a backup, or remove the file and its certificate to have new ones made.',
    });
  }
}

/** A certificate file as found. */
export interface ReadCertificate {
  readonly text: string;
  readonly der: Buffer;
  readonly certificate: Certificate;
}

/** Reads the first certificate of a file; undefined when there is no file. */
export async function readCertificate(path: string): Promise<ReadCertificate | undefined> {
  const text = await readIfPresent(path);
  if (text === undefined) return undefined;
  try {
    const block = decodePem(text).find(({ label }) => label === 'CERTIFICATE');
    if (block === undefined) throw new WherryError('BAD_PEM', 'there is no certificate in it');
    return { text, der: block.der, certificate: parseCertificate(block.der) };
  } catch (cause) {
    throw new WherryError('PKI_UNREADABLE', `${path} is not a certificate`, {
      cause,
      hint: 'Put back the certificate from a backup, or remove the file to have a new one made.',
    });
  }
}

function authorityOf(text: string, privateKey: KeyObject, subject: Uint8Array): Authority {
  return { certificate: text, key: keyPem(privateKey), subject, privateKey, publicKey: createPublicKey(privateKey) };
}

function pathsOf(directory: string, name: string): { readonly certificate: string; readonly key: string } {
  return { certificate: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
}
