import { type FieldError, required } from '../../field-error.ts';
import type { IPAddress } from '../../types.gen.ts';
import { dnsSubdomain, type Errors, immutable } from '../common.ts';
import { internalForm } from '../internal-form.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { pathSegment, requiredPathSegment } from '../path-segment.ts';

export function validateIpAddress(address: IPAddress): readonly FieldError[] {
  return [...parentErrors(address)];
}

export function validateIpAddressUpdate(address: IPAddress, old: IPAddress): readonly FieldError[] {
  const parent = internalForm('ParentReference', address.spec?.parentRef);
  const oldParent = internalForm('ParentReference', old.spec?.parentRef);
  return [
    ...validateMetaUpdateOfKind(address.metadata, old.metadata),
    ...immutable(parent, oldParent, 'spec.parentRef'),
  ];
}

function* parentErrors({ spec }: IPAddress): Errors {
  const field = 'spec.parentRef';
  const parent = spec?.parentRef;
  if (parent === undefined) {
    yield required(field);
    return;
  }
  const { group = '', resource, name, namespace = '' } = parent;
  if (group !== '') yield* dnsSubdomain(group, `${field}.group`);
  yield* requiredPathSegment(resource, `${field}.resource`);
  yield* requiredPathSegment(name, `${field}.name`);
  if (namespace !== '') yield* pathSegment(namespace, `${field}.namespace`);
}
