import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { isObject } from '../../core/json.ts';

/** JSON Web Tokens (RFC 7519) signed with RS256 or ES256: as much as service account tokens need. */
export interface SigningKey {
  readonly algorithm: 'RS256' | 'ES256';
  /** Base64url of the SHA-256 of the public key's DER. */
  readonly keyId: string;
  readonly privateKey: KeyObject;
}

export interface VerificationKey {
  readonly algorithm: 'RS256' | 'ES256';
  readonly keyId: string;
  readonly publicKey: KeyObject;
}

export interface Jwt {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Longest token that is looked at, characters. */
export const maxTokenLength = 16 * 1024;

export function verificationKey(key: KeyObject): VerificationKey {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const keyId = createHash('sha256').update(der).digest('base64url');
  return { algorithm: publicKey.asymmetricKeyType === 'ec' ? 'ES256' : 'RS256', keyId, publicKey };
}

export function signingKey(privateKey: KeyObject): SigningKey {
  const { algorithm, keyId } = verificationKey(privateKey);
  return { algorithm, keyId, privateKey };
}

export function signJwt(claims: object, key: SigningKey): string {
  const header = encodePart({ alg: key.algorithm, kid: key.keyId });
  const input = `${header}.${encodePart(claims)}`;
  const signature = sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

/** The header and claims of a token whose signature nobody has checked yet; undefined when it isn't a JWT. */
export function decodeJwt(token: string): Jwt | undefined {
  if (token.length > maxTokenLength) return undefined;
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  const header = decodePart(parts[0]);
  const claims = decodePart(parts[1]);
  return header === undefined || claims === undefined ? undefined : { header, claims };
}

/** True when one of the keys made the token's signature; the algorithm is the key's, whatever the token says. */
export function hasValidSignature(token: string, jwt: Jwt, keys: readonly VerificationKey[]): boolean {
  const dot = token.lastIndexOf('.');
  const input = Buffer.from(token.slice(0, dot));
  const signature = Buffer.from(token.slice(dot + 1), 'base64url');
  const { alg, kid } = jwt.header;
  const named = keys.filter((key) => key.keyId === kid);
  return (named.length > 0 ? named : keys).some(
    ({ algorithm, publicKey }) =>
      algorithm === alg && verify('sha256', input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature),
  );
}

/** A key as a JSON Web Key (RFC 7517), as /openid/v1/jwks lists it. */
export function jwkOf({ algorithm, keyId, publicKey }: VerificationKey): Readonly<Record<string, unknown>> {
  const { kty, ...parameters } = publicKey.export({ format: 'jwk' });
  return { use: 'sig', kty, kid: keyId, alg: algorithm, ...parameters };
}

function encodePart(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decodePart(part: string | undefined): Record<string, unknown> | undefined {
  if (part === undefined || !/^[A-Za-z0-9_-]+$/.test(part)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
