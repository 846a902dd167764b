import { hash } from 'node:crypto';
import type { UserInfo } from '../../kube/user.ts';
import { commonAudiences, type TokenAuthenticator, type TokenIdentity } from './token.ts';

/**
 * Tokens that are given at start, such as that of the server's own administrator. They are found by their SHA-256, so
 * that the time of a search tells nothing about them.
 */
export class StaticTokens implements TokenAuthenticator {
  private readonly users: ReadonlyMap<string, UserInfo>;
  /** Tokens of other lengths need no search; a token's length is no secret. */
  private readonly lengths: ReadonlySet<number>;
  private readonly apiAudiences: readonly string[];

  constructor(tokens: ReadonlyMap<string, UserInfo>, apiAudiences: readonly string[]) {
    this.users = new Map([...tokens].map(([token, user]) => [digest(token), withAuthenticated(user)]));
    this.lengths = new Set([...tokens.keys()].map((token) => token.length));
    this.apiAudiences = apiAudiences;
  }

  authenticateToken(token: string, audiences: readonly string[]): TokenIdentity | null {
    if (!this.lengths.has(token.length)) return null;
    const user = this.users.get(digest(token));
    const common = commonAudiences(audiences, this.apiAudiences);
    return user === undefined || common.length === 0 ? null : { user, audiences: common };
  }
}

function digest(token: string): string {
  return hash('sha256', token, 'base64');
}

/** Everybody who proved an identity is in system:authenticated. */
export function withAuthenticated(user: UserInfo): UserInfo {
  const { groups } = user;
  if (groups.includes('system:authenticated') || groups.includes('system:unauthenticated')) return user;
  return { ...user, groups: [...groups, 'system:authenticated'] };
}
