import { systemMasters } from '../../kube/user.ts';
import type { AuthorizationAttributes, Authorizer, Decision } from '../request.ts';

/** An authorizer that answers at once, from memory. Authorization is on the way of every request. */
export interface SyncAuthorizer {
  decide(attributes: AuthorizationAttributes): Decision;
}

export const allowed: Decision = { allowed: true, reason: '' };

/** No opinion: another authorizer may allow it. */
export function noOpinion(reason = ''): Decision {
  return reason === '' ? silent : { allowed: false, reason };
}
const silent: Decision = { allowed: false, reason: '' };

/** Allows everything to members of system:masters. */
export const superusers: SyncAuthorizer = {
  decide: ({ user }) => (user.groups.includes(systemMasters) ? allowed : silent),
};

/**
 * Asks one authorizer after the other: the first that allows or denies decides. When none does, the reasons of all
 * that gave one are joined by newlines.
 */
export class AuthorizerChain implements Authorizer, SyncAuthorizer {
  private readonly authorizers: readonly SyncAuthorizer[];

  constructor(authorizers: readonly SyncAuthorizer[]) {
    this.authorizers = authorizers;
  }

  decide(attributes: AuthorizationAttributes): Decision {
    let reasons = '';
    for (const authorizer of this.authorizers) {
      const decision = authorizer.decide(attributes);
      if (decision.allowed || decision.denied) return decision;
      if (decision.reason !== '') reasons += reasons === '' ? decision.reason : `\n${decision.reason}`;
    }
    return noOpinion(reasons);
  }

  async authorize(attributes: AuthorizationAttributes): Promise<Decision> {
    return this.decide(attributes);
  }
}
