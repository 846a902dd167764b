import type { Kind } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { builtinResources } from '../resources.gen.ts';
import { specAndStatus, specAndStatusResetFields, statusSubresource } from '../strategy/status.ts';
import { kindOf } from './kind-of.ts';

/** A resource that objects of can be kept; reviews, bindings and component statuses are answered without a store. */
function isStored(resource: Resource): boolean {
  return resource.verbs.includes('create') && resource.verbs.includes('get');
}

function plainKind(resource: Resource): Kind {
  if (!resource.subresources.some(({ name }) => name === 'status')) return kindOf(resource);
  return kindOf(resource, {
    ...specAndStatus(resource),
    subresources: { status: statusSubresource() },
    resetFields: specAndStatusResetFields(),
  });
}

/** All built-in kinds that are stored, in the order of discovery. */
export const builtinKinds: readonly Kind[] = builtinResources.filter(isStored).map(plainKind);
