import type { FieldError } from '../../field-error.ts';
import type { ServiceAccount } from '../../types.gen.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';

/** A ServiceAccount has nothing to check but its metadata. */
export function validateServiceAccountUpdate(account: ServiceAccount, old: ServiceAccount): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(account.metadata, old.metadata),
    ...validateObjectMeta(account.metadata, { namespaced: true }),
  ];
}
