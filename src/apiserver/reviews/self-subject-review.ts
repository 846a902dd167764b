import type { Clock } from '../../core/clock.ts';
import { formatTime } from '../../kube/time.ts';
import type { UserInfo } from '../../kube/user.ts';
import type { ReviewHandler } from './review.ts';

/** Who am I? (`kubectl auth whoami`) */
export function selfSubjectReview(clock: Clock): ReviewHandler {
  return (_, { user }) => ({
    kind: 'SelfSubjectReview',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { creationTimestamp: formatTime(clock.now()) },
    status: { userInfo: userInfoBody(user) },
  });
}

/** A user as authentication.k8s.io/v1 UserInfo. */
export function userInfoBody({ name, uid, groups, extra }: UserInfo): object {
  return {
    username: name,
    ...(uid && { uid }),
    ...(groups.length > 0 && { groups }),
    ...(extra !== undefined && Object.keys(extra).length > 0 && { extra }),
  };
}
