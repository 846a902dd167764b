import { invalid } from '../../field-error.ts';
import type { Errors } from '../common.ts';

/** The count of name collisions only grows, so that names stay fresh. */
export function* collisionCountErrors(count: number | undefined, old: number | undefined): Errors {
  if (old === undefined || (count !== undefined && count >= old)) return;
  yield invalid('status.collisionCount', count ?? 0, 'cannot be decremented');
}
