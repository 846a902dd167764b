import { goQuote } from '../../kube/go-json.ts';
import type { StatusError } from '../../kube/status-error.ts';
import { forbidden } from '../errors.ts';
import type { AuthorizationAttributes } from '../request.ts';

/** What was refused: `User "x" cannot list resource "pods" in API group "" in the namespace "y"`. */
export function describeRefusal(attributes: AuthorizationAttributes): string {
  const { user, verb, resource, subresource, group, namespace } = attributes;
  const who = `User ${goQuote(user.name)} cannot ${verb}`;
  if (!attributes.isResource) return `${who} path ${goQuote(attributes.path)}`;
  const target = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${goQuote(namespace)}`;
  return `${who} resource ${goQuote(target)} in API group ${goQuote(group)} ${where}`;
}

/** The answer to a request that no authorizer allowed; `reason` is what they said, possibly nothing. */
export function refusal(attributes: AuthorizationAttributes, reason: string): StatusError {
  const why = describeRefusal(attributes) + (reason === '' ? '' : `: ${reason}`);
  const resource = attributes.isResource ? attributes : { group: '', resource: '', name: '' };
  return forbidden({ group: resource.group, plural: resource.resource }, resource.name, why);
}
