import { WherryError } from '../../core/errors.ts';
import type { Status, StatusCause } from '../object.ts';
import { StatusError } from '../status-error.ts';

/** A field that another manager owns with another value. */
export interface FieldConflict {
  /** The other manager as messages name it: `"kubectl" using apps/v1`. */
  readonly manager: string;
  /** E.g. `.spec.template.spec.containers[name="a"].image`. */
  readonly path: string;
}

/** Server-side apply met fields of other managers: 409 Conflict with a cause for each field. */
export class ApplyConflict extends StatusError {
  readonly conflicts: readonly FieldConflict[];

  constructor(conflicts: readonly FieldConflict[]) {
    super(conflictStatus(conflicts));
    this.conflicts = conflicts;
  }
}

function conflictStatus(conflicts: readonly FieldConflict[]): Status {
  const causes = conflicts.map(
    ({ manager, path }): StatusCause => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${manager}`,
      field: path,
    }),
  );
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: conflictMessage(conflicts),
    reason: 'Conflict',
    details: { causes },
    code: 409,
  };
}

function conflictMessage(conflicts: readonly FieldConflict[]): string {
  const [first] = conflicts;
  if (conflicts.length === 1 && first !== undefined) {
    return `Apply failed with 1 conflict: conflict with ${first.manager}: ${first.path}`;
  }
  const lines: string[] = [];
  let manager: string | undefined;
  for (const conflict of conflicts) {
    if (conflict.manager !== manager) lines.push(`conflicts with ${conflict.manager}:`);
    manager = conflict.manager;
    lines.push(`- ${conflict.path}`);
  }
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}

/** An applied configuration that can't be used: `bad-request` answers 400, `internal` 500, both with the message. */
export class ApplyError extends WherryError {
  readonly kind: 'bad-request' | 'internal';

  constructor(kind: 'bad-request' | 'internal', message: string) {
    super(kind === 'bad-request' ? 'APPLY_MALFORMED' : 'APPLY_FAILED', message);
    this.kind = kind;
  }
}

/** A value that the schema can't describe, e.g. an element of a keyed list without its key. */
export class TypeMismatch extends WherryError {
  constructor(message: string) {
    super('APPLY_TYPE_MISMATCH', message);
  }
}
