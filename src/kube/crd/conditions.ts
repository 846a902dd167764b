import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from '../types.gen.ts';

export function conditionOf(
  definition: CustomResourceDefinition,
  type: string,
): CustomResourceDefinitionCondition | undefined {
  return definition.status?.conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(definition: CustomResourceDefinition, type: string): boolean {
  return conditionOf(definition, type)?.status === 'True';
}

/** The conditions with one set. Its time changes only with its status. */
export function withCondition(
  conditions: readonly CustomResourceDefinitionCondition[],
  condition: CustomResourceDefinitionCondition,
  now: string,
): readonly CustomResourceDefinitionCondition[] {
  const standing = conditions.find(({ type }) => type === condition.type);
  const lastTransitionTime = standing?.status === condition.status ? (standing.lastTransitionTime ?? now) : now;
  const { type, status, reason, message } = condition;
  const next = {
    type,
    status,
    lastTransitionTime,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
  };
  if (standing === undefined) return [...conditions, next];
  return conditions.map((one) => (one === standing ? next : one));
}

/** Held by a definition until all of its objects are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';
