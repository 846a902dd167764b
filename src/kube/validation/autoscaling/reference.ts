import { invalid } from '../../field-error.ts';
import type { CrossVersionObjectReference } from '../../types.gen.ts';
import type { Errors } from '../common.ts';
import { parseGroupVersion, unexpectedGroupVersion } from '../group-version.ts';
import { requiredPathSegment } from '../path-segment.ts';

export interface ReferenceRules {
  /** The core group has a single kind that scales; metrics may describe objects of it. */
  readonly allowEmptyGroup: boolean;
  /** An object that stands already has an apiVersion that today's rules refuse. */
  readonly allowInvalidVersion: boolean;
}

/** What an autoscaler scales or looks at. */
export function* validateReference(
  reference: Partial<CrossVersionObjectReference> | undefined,
  field: string,
  rules: ReferenceRules,
): Errors {
  const { kind, name, apiVersion = '' } = reference ?? {};
  yield* requiredPathSegment(kind, `${field}.kind`);
  yield* requiredPathSegment(name, `${field}.name`);
  const problem = rules.allowInvalidVersion ? undefined : apiVersionProblem(apiVersion, rules.allowEmptyGroup);
  if (problem !== undefined) yield invalid(`${field}.apiVersion`, apiVersion, problem);
}

export function apiVersionProblem(apiVersion: string, allowEmptyGroup: boolean): string | undefined {
  const parsed = parseGroupVersion(apiVersion);
  if (parsed === undefined) return unexpectedGroupVersion(apiVersion);
  return parsed.group === '' && !allowEmptyGroup ? 'apiVersion must specify API group' : undefined;
}
