import type { UserInfo } from '../../kube/user.ts';

/** What a bearer token proves, and for which of the audiences that were asked. */
export interface TokenIdentity {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

/** A token of a kind that is known here, and that is not good. The message is what a TokenReview tells. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

/** Knows one kind of bearer token. */
export interface TokenAuthenticator {
  /** Null when the token is of another kind; throws TokenError when it is of this kind but must be refused. */
  authenticateToken(token: string, audiences: readonly string[]): TokenIdentity | null;
}

/** The audiences that both lists have, in the order of the first. */
export function commonAudiences(wanted: readonly string[], offered: readonly string[]): readonly string[] {
  return wanted.filter((audience) => offered.includes(audience));
}
