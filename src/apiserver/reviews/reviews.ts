import type { Clock } from '../../core/clock.ts';
import type { RequestAuthenticator } from '../authn/authenticator.ts';
import type { Authorization } from '../authz/authorization.ts';
import { AccessReviews } from './access-reviews.ts';
import type { ReviewHandler } from './review.ts';
import { selfSubjectReview } from './self-subject-review.ts';
import { tokenReview } from './token-review.ts';

export interface ReviewDependencies {
  readonly authenticator: RequestAuthenticator;
  readonly authorization: Authorization;
  readonly apiAudiences: readonly string[];
  readonly clock: Clock;
}

/** The resources that can only be created, and whose answer is their whole life; by `plural.group`. */
export function createReviews(dependencies: ReviewDependencies): ReadonlyMap<string, ReviewHandler> {
  const { authenticator, authorization, apiAudiences, clock } = dependencies;
  const access = new AccessReviews(authorization);
  return new Map([
    ['tokenreviews.authentication.k8s.io', tokenReview(authenticator, apiAudiences)],
    ['selfsubjectreviews.authentication.k8s.io', selfSubjectReview(clock)],
    ['subjectaccessreviews.authorization.k8s.io', access.subject],
    ['selfsubjectaccessreviews.authorization.k8s.io', access.self],
    ['localsubjectaccessreviews.authorization.k8s.io', access.local],
    ['selfsubjectrulesreviews.authorization.k8s.io', access.rules],
  ]);
}
