import type { Clock } from '../../core/clock.ts';
import type { UserInfo } from '../../kube/user.ts';
import { unauthorized } from '../errors.ts';
import type { ClusterReader } from '../reader.ts';
import type { Authenticator, Credentials } from '../request.ts';
import { BootstrapTokens } from './bootstrap-tokens.ts';
import { ClientCertificates } from './client-certificates.ts';
import type { VerificationKey } from './jwt.ts';
import { ServiceAccountTokens } from './service-accounts.ts';
import { StaticTokens } from './static-tokens.ts';
import { type TokenAuthenticator, TokenError, type TokenIdentity } from './token.ts';

export interface AuthenticationOptions {
  readonly reader: ClusterReader;
  readonly clock: Clock;
  /** Issuer of service account tokens, a URL. */
  readonly issuer: string;
  /** What tokens must be meant for; the issuer when the cluster's configuration says nothing else. */
  readonly apiAudiences: readonly string[];
  readonly serviceAccountKeys: readonly VerificationKey[];
  /** Tokens known from the start, e.g. the administrator's. */
  readonly staticTokens: ReadonlyMap<string, UserInfo>;
  /** Whether requests without credentials are let in as system:anonymous. */
  readonly anonymous: boolean;
}

const anonymousUser: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
const invalidToken = 'invalid bearer token';

/** Client certificate, then bearer token, then anonymous. */
export class RequestAuthenticator implements Authenticator {
  private readonly certificates: ClientCertificates;
  private readonly tokens: readonly TokenAuthenticator[];
  private readonly options: AuthenticationOptions;

  constructor(options: AuthenticationOptions) {
    const { reader, clock, issuer, apiAudiences, serviceAccountKeys, staticTokens } = options;
    this.options = options;
    this.certificates = new ClientCertificates(clock);
    this.tokens = [
      new StaticTokens(staticTokens, apiAudiences),
      new ServiceAccountTokens({ issuer, apiAudiences, keys: serviceAccountKeys, reader, clock }),
      new BootstrapTokens(reader, clock, apiAudiences),
    ];
  }

  async authenticate(credentials: Credentials): Promise<UserInfo | null> {
    return this.identify(credentials);
  }

  /** The same without a promise: nothing here waits. Throws StatusError Unauthorized. */
  identify({ peerCertificate, authorization }: Credentials): UserInfo | null {
    const user = peerCertificate === undefined ? null : this.certificates.authenticate(peerCertificate);
    if (user !== null) return user;
    const token = bearerToken(authorization);
    if (token === undefined) return this.options.anonymous ? anonymousUser : null;
    try {
      return this.reviewToken(token, this.options.apiAudiences).user;
    } catch (error) {
      if (error instanceof TokenError) throw unauthorized();
      throw error;
    }
  }

  /** Who a token speaks for, to one of these audiences. Throws TokenError with the text that a TokenReview shows. */
  reviewToken(token: string, audiences: readonly string[]): TokenIdentity {
    for (const authenticator of this.tokens) {
      try {
        const identity = authenticator.authenticateToken(token, audiences);
        if (identity !== null) return identity;
      } catch (error) {
        if (error instanceof TokenError) throw new TokenError(`[${invalidToken}, ${error.message}]`);
        throw error;
      }
    }
    throw new TokenError(invalidToken);
  }
}

/** The token of an `Authorization: Bearer TOKEN` header; undefined when there is none. */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const [scheme = '', token = ''] = authorization.trim().split(' ', 3);
  return scheme.toLowerCase() === 'bearer' && token !== '' ? token : undefined;
}
