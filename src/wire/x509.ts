import { createHash, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import {
  bitString,
  boolean,
  contextTag,
  DerError,
  DerReader,
  element,
  integer,
  octetString,
  oid,
  readBitString,
  readOid,
  readString,
  readTime,
  sequence,
  setOf,
  tag,
  time,
  utf8String,
} from './der.ts';

/** X.509 certificates and PKCS #10 requests (RFC 5280, RFC 2986), with ECDSA keys for what we make ourselves. */

/** The parts of a distinguished name that Kubernetes reads: CN is the user, each O a group. */
export interface Name {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

export interface AltNames {
  readonly dns: readonly string[];
  /** IPv4 or IPv6 addresses in text form. */
  readonly ips: readonly string[];
}

export type ExtendedUsage = 'serverAuth' | 'clientAuth';

export interface CertificateTemplate {
  readonly subject: Name;
  /** The subject's public key; its private half is not needed. */
  readonly publicKey: KeyObject;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly ca?: boolean;
  readonly usages?: readonly ExtendedUsage[];
  readonly names?: AltNames;
}

/** Who signs: a CA's name and private key; `issuerKey` is its public half. */
export interface Issuer {
  readonly subject: Uint8Array;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** What Kubernetes needs to know of a certificate. */
export interface Certificate {
  readonly subject: Name;
  /** DER of the subject's and the issuer's distinguished names. */
  readonly rawSubject: Uint8Array;
  readonly rawIssuer: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly ca: boolean;
  readonly usages: readonly ExtendedUsage[];
  readonly names: AltNames;
  /** Hexadecimal, lower case. */
  readonly serial: string;
}

/** A request for a certificate, as parsed. */
export interface CertificateRequest {
  readonly subject: Name;
  /** True when the subject has no attribute besides CN and O. */
  readonly onlyCommonNameAndOrganizations: boolean;
  readonly names: AltNames;
  readonly emails: readonly string[];
  readonly uris: readonly string[];
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
}

const oids = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  keyUsage: '2.5.29.15',
  altNames: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKey: '2.5.29.35',
  extendedUsage: '2.5.29.37',
  subjectKey: '2.5.29.14',
  extensionRequest: '1.2.840.113549.1.9.14',
  ecdsaSha256: '1.2.840.10045.4.3.2',
} as const;
const usageOids: Record<ExtendedUsage, string> = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' };

/** DER of a distinguished name: organisations first, then the common name, as Go's pkix renders it. */
export function encodeName(name: Name): Buffer {
  const attribute = (id: string, text: string) => sequence(oid(id), utf8String(text));
  const parts: Buffer[] = [];
  if (name.organizations.length > 0)
    parts.push(setOf(...name.organizations.map((o) => attribute(oids.organization, o))));
  if (name.commonName !== '') parts.push(setOf(attribute(oids.commonName, name.commonName)));
  return sequence(...parts);
}

/** Makes a certificate and signs it with the issuer's ECDSA key (SHA-256). Returns its DER. */
export function signCertificate(template: CertificateTemplate, issuer: Issuer): Buffer {
  // 127 random bits, never zero and never negative (RFC 5280, 4.1.2.2).
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const algorithm = sequence(oid(oids.ecdsaSha256));
  const body = sequence(
    element(contextTag(0, true), integer(2)),
    integer(serial),
    algorithm,
    issuer.subject,
    sequence(time(template.notBefore), time(template.notAfter)),
    encodeName(template.subject),
    spki(template.publicKey),
    element(contextTag(3, true), sequence(...extensions(template, issuer))),
  );
  return sequence(body, algorithm, bitString(sign('sha256', body, issuer.privateKey)));
}

/** Makes a PKCS #10 request. Returns its DER. */
export function signRequest(subject: Name, names: AltNames, publicKey: KeyObject, privateKey: KeyObject): Buffer {
  const alt = encodeAltNames(names);
  const attributes =
    alt === undefined
      ? []
      : [sequence(oid(oids.extensionRequest), setOf(sequence(extension(oids.altNames, false, alt))))];
  const body = sequence(integer(0), encodeName(subject), spki(publicKey), element(contextTag(0, true), ...attributes));
  return sequence(body, sequence(oid(oids.ecdsaSha256)), bitString(sign('sha256', body, privateKey)));
}

function extensions(template: CertificateTemplate, issuer: Issuer): Buffer[] {
  const ca = template.ca === true;
  // digitalSignature and keyEncipherment for leaves; digitalSignature, keyEncipherment and keyCertSign for authorities.
  const bits = ca ? bitString(Buffer.from([0b10100100]), 2) : bitString(Buffer.from([0b10100000]), 5);
  const list = [
    extension(oids.keyUsage, true, bits),
    extension(oids.basicConstraints, true, ca ? sequence(boolean(true)) : sequence()),
    extension(oids.authorityKey, false, sequence(element(contextTag(0, false), keyId(issuer.publicKey)))),
  ];
  if (ca) list.push(extension(oids.subjectKey, false, octetString(keyId(template.publicKey))));
  const usages = template.usages ?? [];
  if (usages.length > 0)
    list.push(extension(oids.extendedUsage, false, sequence(...usages.map((u) => oid(usageOids[u])))));
  const alt = template.names === undefined ? undefined : encodeAltNames(template.names);
  if (alt !== undefined) list.push(extension(oids.altNames, false, alt));
  return list;
}

function extension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return critical ? sequence(oid(id), boolean(true), octetString(value)) : sequence(oid(id), octetString(value));
}

function encodeAltNames(names: AltNames): Buffer | undefined {
  const items = [
    ...names.dns.map((dns) => element(contextTag(2, false), Buffer.from(dns, 'latin1'))),
    ...names.ips.map((ip) => element(contextTag(7, false), addressBytes(ip))),
  ];
  return items.length === 0 ? undefined : sequence(...items);
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1').update(spki(key)).digest();
}

/** The 4 or 16 bytes of an address in text form; throws DerError for anything else. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  if (!isIPv6(address) || address.includes('%')) throw new DerError(`${address} is not an IP address`);
  let text = address;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  if (dotted?.[1] !== undefined && dotted[2] !== undefined) {
    const hex = addressBytes(dotted[2]).toString('hex');
    text = `${dotted[1]}${hex.slice(0, 4)}:${hex.slice(4)}`;
  }
  const [head = '', tail] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new DerError('an address is neither 4 nor 16 bytes long');
  const hex = Buffer.from(bytes).toString('hex');
  // SocketAddress renders addresses in their canonical short form.
  return new SocketAddress({ address: (hex.match(/.{4}/g) ?? []).join(':'), family: 'ipv6' }).address;
}

// --- reading ---------------------------------------------------------------------------------------------------

interface ParsedName {
  readonly name: Name;
  readonly others: boolean;
}

function readName(reader: DerReader): ParsedName {
  let commonName = '';
  const organizations: string[] = [];
  let others = false;
  while (!reader.done) {
    const set = new DerReader(reader.expect(tag.set, 'a set of attributes').content);
    while (!set.done) {
      const pair = set.sequence('an attribute');
      const id = readOid(pair.expect(tag.oid, "an attribute's type").content);
      const value = pair.next();
      if (id === oids.commonName) commonName = readString(value);
      else if (id === oids.organization) organizations.push(readString(value));
      else others = true;
    }
  }
  return { name: { commonName, organizations }, others };
}

interface Extensions {
  ca: boolean;
  usages: ExtendedUsage[];
  dns: string[];
  ips: string[];
  emails: string[];
  uris: string[];
}

function readExtensions(list: DerReader): Extensions {
  const found: Extensions = { ca: false, usages: [], dns: [], ips: [], emails: [], uris: [] };
  while (!list.done) {
    const item = list.sequence('an extension');
    const id = readOid(item.expect(tag.oid, "an extension's name").content);
    item.optional(tag.boolean);
    const value = new DerReader(item.expect(tag.octetString, "an extension's value").content);
    if (id === oids.basicConstraints) {
      const flag = value.sequence('basic constraints').optional(tag.boolean);
      found.ca = flag !== undefined && flag.content[0] !== 0;
    } else if (id === oids.extendedUsage) {
      const usages = value.sequence('extended key usages');
      while (!usages.done) {
        const usage = readOid(usages.expect(tag.oid, 'a key usage').content);
        if (usage === usageOids.serverAuth) found.usages.push('serverAuth');
        if (usage === usageOids.clientAuth) found.usages.push('clientAuth');
      }
    } else if (id === oids.altNames) readAltNames(value.sequence('alternative names'), found);
  }
  return found;
}

function readAltNames(names: DerReader, found: Extensions): void {
  while (!names.done) {
    const { identifier, content } = names.next();
    if (identifier === contextTag(1, false)) found.emails.push(Buffer.from(content).toString('latin1'));
    if (identifier === contextTag(2, false)) found.dns.push(Buffer.from(content).toString('latin1'));
    if (identifier === contextTag(6, false)) found.uris.push(Buffer.from(content).toString('latin1'));
    if (identifier === contextTag(7, false)) found.ips.push(addressText(content));
  }
}

/** Reads a certificate; its signature is not checked here. Throws DerError. */
export function parseCertificate(der: Uint8Array): Certificate {
  const outer = new DerReader(der);
  const body = outer.sequence('a certificate').sequence('a certificate body');
  outer.end('the certificate');
  body.optional(contextTag(0, true));
  const serial = Buffer.from(body.expect(tag.integer, 'a serial number').content).toString('hex');
  body.sequence('an algorithm');
  const issuer = body.expect(tag.sequence, 'an issuer');
  const validity = body.sequence('a validity');
  const notBefore = readTime(validity.next());
  const notAfter = readTime(validity.next());
  const subject = body.expect(tag.sequence, 'a subject');
  body.expect(tag.sequence, 'a public key');
  body.optional(contextTag(1, false));
  body.optional(contextTag(2, false));
  const explicit = body.optional(contextTag(3, true));
  const found = readExtensions(
    explicit === undefined ? new DerReader(new Uint8Array()) : new DerReader(explicit.content).sequence('extensions'),
  );
  return {
    subject: readName(new DerReader(subject.content)).name,
    rawSubject: subject.raw,
    rawIssuer: issuer.raw,
    notBefore,
    notAfter,
    ca: found.ca,
    usages: found.usages,
    names: { dns: found.dns, ips: found.ips },
    serial,
  };
}

/** Reads a PKCS #10 request. The caller checks its signature with `isSignedBy`. Throws DerError. */
export function parseRequest(der: Uint8Array): CertificateRequest {
  const outer = new DerReader(der);
  const body = outer.sequence('a certificate request').sequence('a request body');
  outer.end('the request');
  body.expect(tag.integer, 'a version');
  const subject = readName(body.sequence('a subject'));
  const publicKey = Buffer.from(body.expect(tag.sequence, 'a public key').raw);
  let found: Extensions = { ca: false, usages: [], dns: [], ips: [], emails: [], uris: [] };
  const attributes = body.optional(contextTag(0, true));
  for (const list = new DerReader(attributes?.content ?? new Uint8Array()); !list.done; ) {
    const attribute = list.sequence('an attribute');
    if (readOid(attribute.expect(tag.oid, "an attribute's type").content) !== oids.extensionRequest) continue;
    const values = new DerReader(attribute.expect(tag.set, "an attribute's values").content);
    found = readExtensions(values.sequence('extensions'));
  }
  return {
    subject: subject.name,
    onlyCommonNameAndOrganizations: !subject.others,
    names: { dns: found.dns, ips: found.ips },
    emails: found.emails,
    uris: found.uris,
    publicKey,
  };
}

/** True when the signature of a certificate or of a request was made with this key (ECDSA or RSA with SHA-2). Throws DerError. */
export function isSignedBy(der: Uint8Array, key: KeyObject): boolean {
  const parts = new DerReader(der).sequence('a signed structure');
  const body = parts.expect(tag.sequence, 'a body').raw;
  const algorithm = readOid(parts.sequence('an algorithm').expect(tag.oid, 'an algorithm').content);
  const hash = hashOf[algorithm];
  return hash !== undefined && verify(hash, body, key, readBitString(parts.next()));
}

const hashOf: Readonly<Record<string, string>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
};
