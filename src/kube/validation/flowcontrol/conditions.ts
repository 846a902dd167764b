import { duplicate, required } from '../../field-error.ts';
import type { Errors } from '../common.ts';

/** The conditions of flow control: one of each type. */
export function* validateFlowConditions(conditions: readonly { readonly type?: string }[]): Errors {
  const seen = new Set<string>();
  for (const [index, { type = '' }] of conditions.entries()) {
    const field = `status.conditions[${index}].type`;
    if (seen.has(type)) yield duplicate(field, type);
    seen.add(type);
    if (type === '') yield required(field, 'must not be empty');
  }
}
