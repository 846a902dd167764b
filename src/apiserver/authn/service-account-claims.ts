import { isObject } from '../../core/json.ts';

/** An object that a token is bound to. */
export interface ObjectRef {
  readonly name: string;
  readonly uid: string;
}

/** Who a service account token speaks for, and what must still exist for it to hold. */
export interface ServiceAccountClaims {
  readonly namespace: string;
  readonly serviceAccount: ObjectRef;
  readonly pod?: ObjectRef;
  readonly node?: ObjectRef;
  readonly secret?: ObjectRef;
  /** Empty for tokens from Secrets, which hold for the API server. */
  readonly audiences: readonly string[];
  /** Seconds since the epoch; Infinity for tokens from Secrets. */
  readonly expires: number;
  readonly notBefore: number;
  /** From here on the client should long have got a new token. */
  readonly warnAfter?: number;
  readonly id?: string;
}

/** Issuer of the tokens that Secrets of type kubernetes.io/service-account-token hold. */
export const legacyIssuer = 'kubernetes/serviceaccount';

/** The claims of a token as the API server signs them. */
export function encodeClaims(claims: ServiceAccountClaims, issuer: string, issuedAt: number): object {
  const { namespace, serviceAccount, pod, node, secret, warnAfter } = claims;
  return {
    aud: claims.audiences,
    exp: claims.expires,
    iat: issuedAt,
    iss: issuer,
    jti: claims.id,
    'kubernetes.io': {
      namespace,
      ...(node && { node }),
      ...(pod && { pod }),
      ...(secret && { secret }),
      serviceaccount: serviceAccount,
      ...(warnAfter !== undefined && { warnafter: warnAfter }),
    },
    nbf: claims.notBefore,
    sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
  };
}

/** The claims of a token that a Secret holds. */
export function encodeLegacyClaims(namespace: string, account: ObjectRef, secret: string): object {
  const prefix = 'kubernetes.io/serviceaccount';
  return {
    iss: legacyIssuer,
    [`${prefix}/namespace`]: namespace,
    [`${prefix}/secret.name`]: secret,
    [`${prefix}/service-account.name`]: account.name,
    [`${prefix}/service-account.uid`]: account.uid,
    sub: `system:serviceaccount:${namespace}:${account.name}`,
  };
}

/** The claims of a token that `decodeJwt` gave; undefined when they aren't a service account's. */
export function decodeClaims(claims: Readonly<Record<string, unknown>>): ServiceAccountClaims | undefined {
  return claims['iss'] === legacyIssuer ? decodeLegacy(claims) : decodeBound(claims);
}

function decodeBound(claims: Readonly<Record<string, unknown>>): ServiceAccountClaims | undefined {
  const own = claims['kubernetes.io'];
  const { exp, nbf, jti, sub } = claims;
  if (!isObject(own) || typeof own['namespace'] !== 'string' || typeof exp !== 'number') return undefined;
  const serviceAccount = refOf(own['serviceaccount']);
  const namespace = own['namespace'];
  if (serviceAccount === undefined || sub !== `system:serviceaccount:${namespace}:${serviceAccount.name}`)
    return undefined;
  const pod = refOf(own['pod']);
  const node = refOf(own['node']);
  const secret = refOf(own['secret']);
  return {
    namespace,
    serviceAccount,
    ...(pod && { pod }),
    ...(node && { node }),
    ...(secret && { secret }),
    audiences: audiencesOf(claims['aud']),
    expires: exp,
    notBefore: typeof nbf === 'number' ? nbf : 0,
    ...(typeof own['warnafter'] === 'number' && { warnAfter: own['warnafter'] }),
    ...(typeof jti === 'string' && { id: jti }),
  };
}

function decodeLegacy(claims: Readonly<Record<string, unknown>>): ServiceAccountClaims | undefined {
  const text = (name: string) => {
    const value = claims[`kubernetes.io/serviceaccount/${name}`];
    return typeof value === 'string' ? value : '';
  };
  const namespace = text('namespace');
  const serviceAccount = { name: text('service-account.name'), uid: text('service-account.uid') };
  const secret = { name: text('secret.name'), uid: '' };
  if (namespace === '' || serviceAccount.name === '' || secret.name === '') return undefined;
  if (claims['sub'] !== `system:serviceaccount:${namespace}:${serviceAccount.name}`) return undefined;
  return { namespace, serviceAccount, secret, audiences: [], expires: Number.POSITIVE_INFINITY, notBefore: 0 };
}

function refOf(value: unknown): ObjectRef | undefined {
  if (!isObject(value)) return undefined;
  const { name, uid } = value;
  return typeof name === 'string' && name !== '' && typeof uid === 'string' ? { name, uid } : undefined;
}

function audiencesOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
