import { isObject } from '../../core/json.ts';
import type { TokenReviewSpec } from '../../kube/types.gen.ts';
import type { RequestAuthenticator } from '../authn/authenticator.ts';
import { TokenError } from '../authn/token.ts';
import { badRequest } from '../errors.ts';
import type { ReviewHandler } from './review.ts';
import { userInfoBody } from './self-subject-review.ts';

/** Whom does a token speak for? Asked by webhooks and by aggregated API servers. */
export function tokenReview(authenticator: RequestAuthenticator, apiAudiences: readonly string[]): ReviewHandler {
  return (body) => {
    const spec: Partial<TokenReviewSpec> = isObject(body['spec']) ? body['spec'] : {};
    const { token = '', audiences = [] } = spec;
    if (token === '') throw badRequest('token is required for TokenReview in authentication');
    try {
      const identity = authenticator.reviewToken(token, audiences.length > 0 ? audiences : apiAudiences);
      const status = { authenticated: true, user: userInfoBody(identity.user), audiences: identity.audiences };
      return { ...body, status };
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      return { ...body, status: { user: {}, error: error.message } };
    }
  };
}
