/** The part of a condition that all kinds share. */
export interface ConditionLike {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export function findCondition<C extends { readonly type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isTrue(conditions: readonly ConditionLike[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/**
 * The conditions with `next` in its type's place. The transition time is kept while the status stays; a condition
 * that says the same as before is left untouched, so that comparing the results tells whether to write.
 */
export function withCondition<C extends ConditionLike>(conditions: readonly C[] | undefined, next: C): readonly C[] {
  const standing = findCondition(conditions, next.type);
  if (!standing) return [...(conditions ?? []), next];
  const isSame =
    standing.status === next.status && standing.reason === next.reason && standing.message === next.message;
  if (isSame) return conditions ?? [];
  const keepsTime = standing.status === next.status && standing.lastTransitionTime !== undefined;
  const merged = keepsTime ? { ...next, lastTransitionTime: standing.lastTransitionTime } : next;
  return (conditions ?? []).map((condition) => (condition.type === next.type ? merged : condition));
}

export function withoutCondition<C extends { readonly type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): readonly C[] {
  return (conditions ?? []).filter((condition) => condition.type !== type);
}
