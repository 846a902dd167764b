import { goQuote } from '../../kube/go-json.ts';
import { isDns1123Subdomain, isDomainPrefixedPath, nameIsDnsLabel, nameIsDnsSubdomain } from '../../kube/names.ts';
import { isReason, type StatusError } from '../../kube/status-error.ts';
import { systemMasters, type UserInfo } from '../../kube/user.ts';
import type { SyncAuthorizer } from '../authz/authorizers.ts';
import { refusal } from '../authz/refusal.ts';
import { badRequest } from '../errors.ts';
import type { AuthorizationAttributes } from '../request.ts';
import { withAuthenticated } from './static-tokens.ts';

/**
 * Acting as another user (Impersonate-User and its companions). Besides the old `impersonate` verb, which allows all,
 * the constrained modes of KEP-5284 are tried first: `impersonate:MODE` on who is impersonated together with
 * `impersonate-on:MODE:VERB` on what is then done.
 */

/** Headers by lower-case name, each with all of its values, as Node's `headersDistinct` gives them. */
export type DistinctHeaders = Readonly<Record<string, readonly string[] | undefined>>;

/** The user that the headers ask for, nothing filled in. */
interface Wanted {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: ReadonlyMap<string, readonly string[]>;
}

const extraPrefix = 'impersonate-extra-';
const authentication = 'authentication.k8s.io';
/** From this many groups or extra values on, a permission for all of them is asked first. */
const manyValues = 4;
/** Entries of `impersonate-*` headers that are looked at. */
const maxValues = 1000;

/**
 * The user that the request runs as: `attributes.user` where no header asks for another. Throws BadRequest for headers
 * without a user, Forbidden when the requester may not.
 */
export function impersonated(
  headers: DistinctHeaders,
  attributes: AuthorizationAttributes,
  authorizer: SyncAuthorizer,
): UserInfo {
  const wanted = wantedUser(headers);
  if (wanted === null) return attributes.user;
  const refusals: StatusError[] = [];
  const old: Mode = () => new IdentityCheck(attributes.user, 'impersonate', authorizer).run(wanted);
  for (const mode of [old, ...modes]) {
    try {
      const user = mode(wanted, attributes, authorizer);
      if (user !== null) return user;
    } catch (error) {
      if (!isReason(error, 'Forbidden')) throw error;
      refusals.push(error);
    }
  }
  // The refusal of a constrained mode tells which permission is the narrowest that would do.
  throw refusals[1] ?? refusals[0] ?? refusal({ ...attributes, verb: 'impersonate' }, '');
}

function wantedUser(headers: DistinctHeaders): Wanted | null {
  const name = headers['impersonate-user']?.[0] ?? '';
  const uid = headers['impersonate-uid']?.[0] ?? '';
  const groups = headers['impersonate-group'] ?? [];
  const extra = new Map<string, readonly string[]>();
  for (const [header, values = []] of Object.entries(headers)) {
    if (!header.startsWith(extraPrefix)) continue;
    const key = unescapeKey(header.slice(extraPrefix.length));
    extra.set(key, [...(extra.get(key) ?? []), ...values]);
  }
  if (name !== '') {
    const count = groups.length + [...extra.values()].reduce((sum, values) => sum + values.length, 0);
    if (count > maxValues) throw badRequest(`more than ${maxValues} groups and extra values to impersonate`);
    return { name, uid, groups, extra };
  }
  if (uid === '' && groups.length === 0 && extra.size === 0) return null;
  throw badRequest(`requested ${describe({ name, uid, groups, extra })} without impersonating a user name`);
}

// Header names can't hold every character of a key, so keys come percent-encoded.
function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

// Go's %#v of user.DefaultInfo, which is what clients get to see.
function describe({ name, uid, groups, extra }: Wanted): string {
  const list = (values: readonly string[]) => `[]string{${values.map(goQuote).join(', ')}}`;
  const groupText = groups.length === 0 ? '[]string(nil)' : list(groups);
  const pairs = [...extra].map(([key, values]) => `${goQuote(key)}:${list(values)}`).join(', ');
  const extraText = extra.size === 0 ? 'map[string][]string(nil)' : `map[string][]string{${pairs}}`;
  return `&user.DefaultInfo{Name:${goQuote(name)}, UID:${goQuote(uid)}, Groups:${groupText}, Extra:${extraText}}`;
}

/** One way of impersonating: null when it isn't meant for this user, an error when it is and is refused. */
type Mode = (wanted: Wanted, attributes: AuthorizationAttributes, authorizer: SyncAuthorizer) => UserInfo | null;

// Whoever holds the old permission gets what it always gave. Upstream tries the mode that worked last for the requester
// first, which gives the same to those who use the old permission, but depends on what they did before.
const modes: readonly Mode[] = [
  constrained('associated-node', (wanted, requester) => {
    const node = nodeName(wanted.name);
    const own = requester.extra?.['authentication.kubernetes.io/node-name'];
    const isAccount = serviceAccountName(requester.name) !== undefined;
    return onlyName(wanted) && node !== undefined && isAccount && own?.length === 1 && own[0] === node;
  }),
  constrained('arbitrary-node', (wanted) => onlyName(wanted) && nodeName(wanted.name) !== undefined),
  constrained('serviceaccount', (wanted) => onlyName(wanted) && serviceAccountName(wanted.name) !== undefined),
  constrained(
    'user-info',
    (wanted) => nodeName(wanted.name) === undefined && serviceAccountName(wanted.name) === undefined,
  ),
];

function constrained(mode: string, applies: (wanted: Wanted, requester: UserInfo) => boolean): Mode {
  return (wanted, attributes, authorizer) => {
    if (!applies(wanted, attributes.user)) return null;
    // A node's own agent may act as that node wherever it runs: the permission is for all nodes, and says nothing of extras.
    const requester = mode === 'associated-node' ? withExtraKeys(attributes.user) : attributes.user;
    check(authorizer, { ...attributes, user: requester, verb: `impersonate-on:${mode}:${attributes.verb}` });
    return new IdentityCheck(requester, `impersonate:${mode}`, authorizer).run(wanted);
  };
}

function withExtraKeys(user: UserInfo): UserInfo {
  const keys = Object.keys(user.extra ?? {}).sort();
  return { ...user, extra: { 'authentication.kubernetes.io/associated-node-keys': keys } };
}

/** Whether a requester may take on each part of the wanted identity. */
class IdentityCheck {
  private readonly requester: UserInfo;
  private readonly verb: string;
  private readonly authorizer: SyncAuthorizer;
  private readonly constrained: boolean;

  constructor(requester: UserInfo, verb: string, authorizer: SyncAuthorizer) {
    this.requester = requester;
    this.verb = verb;
    this.authorizer = authorizer;
    this.constrained = verb !== 'impersonate';
  }

  run(wanted: Wanted): UserInfo {
    const groups = this.checkName(wanted);
    if (wanted.uid !== '') this.ask(authentication, 'uids', wanted.uid);
    this.checkGroups(wanted.groups);
    this.checkExtra(wanted.extra);
    const extra = wanted.extra.size > 0 ? { extra: Object.fromEntries(wanted.extra) } : {};
    const user = { name: wanted.name, ...(wanted.uid && { uid: wanted.uid }), groups, ...extra };
    if (wanted.name !== 'system:anonymous') return withAuthenticated(user);
    return groups.includes('system:unauthenticated')
      ? user
      : { ...user, groups: [...groups, 'system:unauthenticated'] };
  }

  /** Returns the groups that the user will be in. */
  private checkName({ name, groups }: Wanted): readonly string[] {
    const group = this.constrained ? authentication : '';
    const node = this.constrained ? nodeName(name) : undefined;
    if (node !== undefined) {
      this.ask(group, 'nodes', this.verb === 'impersonate:associated-node' ? '*' : node);
      return ['system:nodes'];
    }
    const account = serviceAccountName(name);
    if (account === undefined) {
      this.ask(group, 'users', name);
      return groups;
    }
    this.ask(group, 'serviceaccounts', account.name, account.namespace);
    return groups.length > 0 ? groups : ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`];
  }

  private checkGroups(groups: readonly string[]): void {
    const apiGroup = this.constrained ? authentication : '';
    if (this.constrained && groups.includes('')) {
      throw this.refuse(apiGroup, 'groups', '', 'impersonating the empty string group is not allowed');
    }
    if (this.constrained && groups.includes(systemMasters)) {
      throw this.refuse(apiGroup, 'groups', systemMasters, 'impersonating the system:masters group is not allowed');
    }
    if (this.constrained && groups.length >= manyValues && this.may(apiGroup, 'groups', '*')) return;
    for (const group of groups) this.ask(apiGroup, 'groups', group);
  }

  private checkExtra(extra: ReadonlyMap<string, readonly string[]>): void {
    if (this.constrained) {
      for (const [key, values] of extra) {
        const why = extraProblem(key, values);
        if (why !== undefined) throw this.refuse(authentication, 'userextras', '', why);
      }
      const count = [...extra.values()].reduce((sum, values) => sum + values.length, 0);
      if (Math.max(extra.size, count) >= manyValues && this.may(authentication, 'userextras', '*', '', '*')) return;
    }
    for (const [key, values] of extra) {
      for (const value of values) this.ask(authentication, 'userextras', value, '', key);
    }
  }

  private may(group: string, resource: string, name: string, namespace = '', subresource = ''): boolean {
    return this.authorizer.decide(this.attributes(group, resource, name, namespace, subresource)).allowed;
  }

  private ask(group: string, resource: string, name: string, namespace = '', subresource = ''): void {
    check(this.authorizer, this.attributes(group, resource, name, namespace, subresource));
  }

  private refuse(group: string, resource: string, name: string, why: string): Error {
    return refusal(this.attributes(group, resource, name, '', ''), why);
  }

  private attributes(
    group: string,
    resource: string,
    name: string,
    namespace: string,
    subresource: string,
  ): AuthorizationAttributes {
    const target = { group, version: 'v1', resource, subresource, namespace, name };
    return { user: this.requester, verb: this.verb, isResource: true, path: '', ...target };
  }
}

function extraProblem(key: string, values: readonly string[]): string | undefined {
  if (key === '') return 'impersonating the empty string key in extra is not allowed';
  const errors = isDomainPrefixedPath(key);
  if (errors.length > 0) return `impersonating an invalid key in extra is not allowed: ${errors.join(', ')}`;
  if (key !== key.toLowerCase()) return `impersonating a non-lowercase key in extra is not allowed: ${goQuote(key)}`;
  if (values.length === 0) return 'impersonating empty values in extra is not allowed';
  if (values.includes('')) return 'impersonating the empty string value in extra is not allowed';
  return undefined;
}

function check(authorizer: SyncAuthorizer, attributes: AuthorizationAttributes): void {
  const decision = authorizer.decide(attributes);
  if (!decision.allowed) throw refusal(attributes, decision.reason);
}

function onlyName({ uid, groups, extra }: Wanted): boolean {
  return uid === '' && groups.length === 0 && extra.size === 0;
}

function nodeName(user: string): string | undefined {
  const prefix = 'system:node:';
  if (!user.startsWith(prefix)) return undefined;
  const name = user.slice(prefix.length);
  return isDns1123Subdomain(name).length === 0 ? name : undefined;
}

/** The account that a user name of the form `system:serviceaccount:NAMESPACE:NAME` stands for. */
export function serviceAccountName(user: string): { readonly namespace: string; readonly name: string } | undefined {
  const [system, kind, namespace, name, ...rest] = user.split(':');
  if (system !== 'system' || kind !== 'serviceaccount' || namespace === undefined || name === undefined)
    return undefined;
  const valid = nameIsDnsLabel(namespace, false).length === 0 && nameIsDnsSubdomain(name, false).length === 0;
  return rest.length === 0 && valid ? { namespace, name } : undefined;
}
