import { nameIsPathSegment } from '../../kube/names.ts';
import { parseFieldQuery, SelectorError } from '../../kube/selector.ts';
import type { UserInfo } from '../../kube/user.ts';
import type { AuthorizationAttributes, RequestInfo } from '../request.ts';

/** The parts of a query that authorization looks at. */
export interface Selectors {
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
}

const collectionVerbs = new Set(['list', 'watch', 'deletecollection']);

/**
 * What is asked of the authorizers for a request. A list, watch or deletion of a collection whose field selector
 * demands one metadata.name is about that one object, so a rule with resourceNames can allow it.
 */
export function attributesOf(user: UserInfo, target: RequestInfo, selectors: Selectors = {}): AuthorizationAttributes {
  // What follows a subresource (`proxy/metrics`) is the business of whoever serves it.
  const slash = target.subresource.indexOf('/');
  const info = slash < 0 ? target : { ...target, subresource: target.subresource.slice(0, slash) };
  const { fieldSelector, labelSelector } = selectors;
  if (!info.isResource || !collectionVerbs.has(info.verb) || (!fieldSelector && !labelSelector))
    return { ...info, user };
  const selected = fieldSelector && info.name === '' ? requiredValue(fieldSelector, 'metadata.name') : undefined;
  return {
    ...info,
    user,
    ...(selected !== undefined && nameIsPathSegment(selected, false).length === 0 ? { name: selected } : {}),
    ...(fieldSelector ? { fieldSelector } : {}),
    ...(labelSelector ? { labelSelector } : {}),
  };
}

/** The value that a field selector demands of a field (`field=value`); undefined when it demands none or can't be read. */
export function requiredValue(fieldSelector: string, field: string): string | undefined {
  try {
    return parseFieldQuery(fieldSelector).find((term) => term.field === field && !term.negated)?.value;
  } catch (error) {
    // The request will be refused for its selector once it is authorized.
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}
