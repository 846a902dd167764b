import { type FieldError, required } from '../../field-error.ts';
import { withSortedKeys } from '../../go-json.ts';
import type { ControllerRevision } from '../../types.gen.ts';
import { type Errors, immutable, nonNegative } from '../common.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';

export function validateControllerRevision(revision: ControllerRevision): readonly FieldError[] {
  return [...createErrors(revision)];
}

function* createErrors({ data, revision }: ControllerRevision): Errors {
  if (data === undefined || data === null) yield required('data', 'data is mandatory');
  else if (typeof data !== 'object' || Array.isArray(data)) yield required('data', 'data must be a valid JSON object');
  yield* nonNegative(revision, 'revision');
}

export function validateControllerRevisionUpdate(
  revision: ControllerRevision,
  old: ControllerRevision,
): readonly FieldError[] {
  const data = revision.data ?? null;
  return [
    ...validateMetaUpdateOfKind(revision.metadata, old.metadata),
    ...validateObjectMeta(revision.metadata, { namespaced: true }),
    ...createErrors(revision),
    ...immutable(withSortedKeys(data), withSortedKeys(old.data ?? null), 'data', data),
  ];
}
