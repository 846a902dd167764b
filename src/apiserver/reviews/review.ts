import type { UserInfo } from '../../kube/user.ts';

/** What a review may know besides its body. */
export interface ReviewContext {
  readonly user: UserInfo;
  /** Namespace of the URL; empty for those of the cluster. */
  readonly namespace: string;
}

/**
 * Answers the creation of an object that isn't stored. `body` has been decoded by its schema and has its metadata
 * (managedFields) filled in; what comes back is the answer's body. Throws StatusError.
 */
export type ReviewHandler = (body: Readonly<Record<string, unknown>>, context: ReviewContext) => object;
