import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { goQuoteList } from '../../kube/go-json.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Resource } from '../../kube/resource.ts';
import { nodes, pods, secrets, serviceaccounts } from '../../kube/resources.gen.ts';
import { parseTime } from '../../kube/time.ts';
import type { Secret } from '../../kube/types.gen.ts';
import type { UserInfo } from '../../kube/user.ts';
import type { ClusterReader } from '../reader.ts';
import { decodeJwt, hasValidSignature, type VerificationKey } from './jwt.ts';
import { decodeClaims, legacyIssuer, type ObjectRef, type ServiceAccountClaims } from './service-account-claims.ts';
import { commonAudiences, type TokenAuthenticator, TokenError, type TokenIdentity } from './token.ts';

export interface ServiceAccountTokenOptions {
  readonly issuer: string;
  /** Audiences of the API server itself: what a token without audiences (from a Secret) is good for. */
  readonly apiAudiences: readonly string[];
  readonly keys: readonly VerificationKey[];
  readonly reader: ClusterReader;
  readonly clock: Clock;
}

/** Tokens whose signature was checked are remembered: this many at most. */
const maxVerified = 4096;
/** Clocks of the machines that issue and check a token may differ by this much. */
const leewaySeconds = 60;

interface Verified {
  readonly claims: ServiceAccountClaims;
  readonly user: UserInfo;
}

/**
 * Tokens of service accounts: bound ones from TokenRequest, and those that Secrets of type
 * kubernetes.io/service-account-token hold. A signature is checked once; that the account, and what the token is bound
 * to, still exist is looked up each time, so a deletion ends a token at once.
 */
export class ServiceAccountTokens implements TokenAuthenticator {
  private readonly options: ServiceAccountTokenOptions;
  private readonly verified = new Map<string, Verified>();

  constructor(options: ServiceAccountTokenOptions) {
    this.options = options;
  }

  authenticateToken(token: string, audiences: readonly string[]): TokenIdentity | null {
    const known = this.verified.get(token) ?? this.verify(token);
    if (known === null) return null;
    const { claims, user } = known;
    const offered = claims.audiences.length === 0 ? this.options.apiAudiences : claims.audiences;
    const common = commonAudiences(audiences, offered);
    if (common.length === 0) {
      const [tokenAudiences, target] = [goQuoteList(offered), goQuoteList(audiences)];
      throw new TokenError(`token audiences ${tokenAudiences} is invalid for the target audiences ${target}`);
    }
    this.checkTime(claims);
    this.checkObjects(token, claims);
    return { user, audiences: common };
  }

  private verify(token: string): Verified | null {
    const jwt = decodeJwt(token);
    if (jwt === undefined) return null;
    const issuer = jwt.claims['iss'];
    if (issuer !== this.options.issuer && issuer !== legacyIssuer) return null;
    if (!hasValidSignature(token, jwt, this.options.keys)) throw new TokenError('invalid signature');
    const claims = decodeClaims(jwt.claims);
    if (claims === undefined) throw new TokenError('token could not be parsed');
    const verified = { claims, user: userOf(claims) };
    if (this.verified.size >= maxVerified) {
      const [oldest] = this.verified.keys();
      if (oldest !== undefined) this.verified.delete(oldest);
    }
    this.verified.set(token, verified);
    return verified;
  }

  private checkTime(claims: ServiceAccountClaims): void {
    const now = this.options.clock.now() / 1000;
    if (now > claims.expires + leewaySeconds) throw new TokenError('service account token has expired');
    if (now < claims.notBefore - leewaySeconds) throw new TokenError('service account token is not valid yet');
  }

  private checkObjects(token: string, claims: ServiceAccountClaims): void {
    const { namespace, serviceAccount, pod, secret, node } = claims;
    this.check(serviceaccounts, 'service account', namespace, serviceAccount);
    if (pod !== undefined) this.check(pods, 'pod', namespace, pod);
    // The node of a pod's token is told for information; the pod's own existence decides.
    else if (node !== undefined) this.check(nodes, 'node', '', node);
    if (secret === undefined) return;
    const standing = this.check(secrets, 'secret', namespace, secret);
    if (secret.uid === '' && !holds(standing, token)) {
      throw new TokenError("Token does not match server's copy");
    }
  }

  private check<T extends KubeObject>(resource: Resource<T>, what: string, namespace: string, ref: ObjectRef): T {
    const object = this.options.reader.get(
      resource,
      namespace === '' ? { name: ref.name } : { namespace, name: ref.name },
    );
    if (object === undefined) {
      throw new TokenError(
        what === 'service account' ? `serviceaccounts "${ref.name}" not found` : `${what} "${ref.name}" not found`,
      );
    }
    // Tokens from Secrets name their Secret without a uid.
    if (ref.uid !== '' && object.metadata.uid !== ref.uid) {
      throw new TokenError(`The ${what} UID (${object.metadata.uid}) does not match claim (${ref.uid})`);
    }
    const deleted = parseTime(object.metadata.deletionTimestamp);
    if (deleted !== undefined && deleted < this.options.clock.now() - leewaySeconds * 1000) {
      throw new TokenError(`${what} ${ref.name} has been deleted`);
    }
    return object;
  }
}

function holds(secret: Secret, token: string): boolean {
  const kept = Buffer.from(secret.data?.['token'] ?? '', 'base64');
  const given = Buffer.from(token);
  return kept.length === given.length && timingSafeEqual(kept, given);
}

/** The user that a service account is; `extra` tells what its token is bound to. */
export function userOf(claims: ServiceAccountClaims): UserInfo {
  const { namespace, serviceAccount, pod, node, id } = claims;
  const prefix = 'authentication.kubernetes.io';
  const extra: Record<string, readonly string[]> = {};
  if (id !== undefined) extra[`${prefix}/credential-id`] = [`JTI=${id}`];
  if (node !== undefined) {
    extra[`${prefix}/node-name`] = [node.name];
    extra[`${prefix}/node-uid`] = [node.uid];
  }
  if (pod !== undefined) {
    extra[`${prefix}/pod-name`] = [pod.name];
    extra[`${prefix}/pod-uid`] = [pod.uid];
  }
  return {
    name: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    uid: serviceAccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}
