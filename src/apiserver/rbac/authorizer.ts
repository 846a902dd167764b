import { goQuote } from '../../kube/go-json.ts';
import { clusterrolebindings, clusterroles, rolebindings, roles } from '../../kube/resources.gen.ts';
import type { ClusterRole, PolicyRule, RbacV1Subject, Role, RoleRef } from '../../kube/types.gen.ts';
import type { UserInfo } from '../../kube/user.ts';
import { noOpinion, type SyncAuthorizer } from '../authz/authorizers.ts';
import type { ClusterReader } from '../reader.ts';
import type { AuthorizationAttributes, Decision } from '../request.ts';
import { type CompiledRule, compileRule, ruleAllows } from './rules.ts';

interface CompiledRole {
  readonly rules: readonly PolicyRule[];
  readonly compiled: readonly CompiledRule[];
}

/** What one binding gives to one of its subjects. */
interface Grant {
  /** Name of the binding; grants are kept in its order, so that answers don't depend on the order of events. */
  readonly binding: string;
  /** Key of the role in `roles`. */
  readonly role: string;
  readonly roleRef: RoleRef;
  readonly decision: Decision;
}

/** The grants of one user or group: those of the whole cluster, and those of each namespace. */
interface Grants {
  cluster: readonly Grant[];
  readonly namespaces: Map<string, readonly Grant[]>;
}

interface Binding {
  readonly metadata: { readonly name?: string; readonly namespace?: string };
  readonly roleRef: RoleRef;
  readonly subjects?: readonly RbacV1Subject[];
}

const none: readonly Grant[] = [];

/**
 * Role-based access control from an index by subject that follows the changes of roles and bindings. A decision looks
 * only at what is bound to the user and to its groups.
 */
export class RbacAuthorizer implements SyncAuthorizer, Disposable {
  private readonly users = new Map<string, Grants>();
  private readonly groups = new Map<string, Grants>();
  private readonly roles = new Map<string, CompiledRole>();
  private readonly subscriptions = new DisposableStack();

  constructor(reader: ClusterReader) {
    const onRole = (change: { old: Role | ClusterRole | undefined; current: Role | ClusterRole | undefined }) => {
      const object = change.current ?? change.old;
      if (object === undefined) return;
      const key = roleKey(object.metadata.namespace ?? '', object.metadata.name ?? '');
      if (change.current === undefined) this.roles.delete(key);
      else {
        const rules = change.current.rules ?? [];
        this.roles.set(key, { rules, compiled: rules.map(compileRule) });
      }
    };
    const onBinding = (change: { old: Binding | undefined; current: Binding | undefined }) => {
      if (change.old !== undefined) this.unbind(change.old);
      if (change.current !== undefined) this.bind(change.current);
    };
    this.subscriptions.use(reader.subscribe(clusterroles, onRole));
    this.subscriptions.use(reader.subscribe(roles, onRole));
    this.subscriptions.use(reader.subscribe(clusterrolebindings, onBinding));
    this.subscriptions.use(reader.subscribe(rolebindings, onBinding));
  }

  [Symbol.dispose](): void {
    this.subscriptions.dispose();
  }

  decide(attributes: AuthorizationAttributes): Decision {
    const { user, namespace } = attributes;
    let decision = this.inGrants(this.users.get(user.name)?.cluster, attributes);
    for (let index = 0; decision === undefined && index < user.groups.length; index++) {
      decision = this.inGrants(this.groups.get(user.groups[index] ?? '')?.cluster, attributes);
    }
    if (decision === undefined && namespace !== '') {
      decision = this.inGrants(this.users.get(user.name)?.namespaces.get(namespace), attributes);
      for (let index = 0; decision === undefined && index < user.groups.length; index++) {
        decision = this.inGrants(this.groups.get(user.groups[index] ?? '')?.namespaces.get(namespace), attributes);
      }
    }
    return decision ?? noOpinion(this.missingRoles(user, namespace));
  }

  /** All rules that hold for a user in a namespace (and in the whole cluster), in the order of their bindings' names. */
  rulesFor(user: UserInfo, namespace: string): readonly PolicyRule[] {
    return this.grantsOf(user, namespace).flatMap((grant) => this.roles.get(grant.role)?.rules ?? []);
  }

  /** The rules of the role that a binding refers to; undefined when there is no such role. */
  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    return this.roles.get(referredRole(roleRef, namespace))?.rules;
  }

  private inGrants(grants: readonly Grant[] | undefined, attributes: AuthorizationAttributes): Decision | undefined {
    if (grants === undefined) return undefined;
    for (const grant of grants) {
      const role = this.roles.get(grant.role);
      if (role === undefined) continue;
      for (const rule of role.compiled) if (ruleAllows(rule, attributes)) return grant.decision;
    }
    return undefined;
  }

  private grantsOf(user: UserInfo, namespace: string): readonly Grant[] {
    const subjects = [this.users.get(user.name), ...user.groups.map((group) => this.groups.get(group))];
    const merge = (pick: (grants: Grants) => readonly Grant[]) => {
      // A binding that names the user and one of its groups counts once.
      const found = new Map<string, Grant>();
      for (const grants of subjects) {
        for (const grant of grants === undefined ? none : pick(grants))
          if (!found.has(grant.binding)) found.set(grant.binding, grant);
      }
      return [...found.values()].sort((a, b) => (a.binding < b.binding ? -1 : 1));
    };
    return [
      ...merge((g) => g.cluster),
      ...merge((g) => (namespace === '' ? none : (g.namespaces.get(namespace) ?? none))),
    ];
  }

  private missingRoles(user: UserInfo, namespace: string): string {
    const errors = new Set<string>();
    for (const grant of this.grantsOf(user, namespace)) {
      if (this.roles.has(grant.role)) continue;
      const resource = `${grant.roleRef.kind.toLowerCase()}.rbac.authorization.k8s.io`;
      errors.add(`${resource} ${goQuote(grant.roleRef.name)} not found`);
    }
    if (errors.size === 0) return '';
    const list = [...errors];
    return `RBAC: ${list.length === 1 ? list[0] : `[${list.join(', ')}]`}`;
  }

  private bind(binding: Binding): void {
    const { name = '', namespace = '' } = binding.metadata;
    const seen = new Set<Grants>();
    for (const subject of binding.subjects ?? []) {
      const grants = this.entry(subject, namespace);
      if (grants === undefined || seen.has(grants)) continue;
      seen.add(grants);
      const grant: Grant = {
        binding: name,
        role: referredRole(binding.roleRef, namespace),
        roleRef: binding.roleRef,
        decision: { allowed: true, reason: describeGrant(binding, subject, namespace) },
      };
      update(grants, namespace, (list) => [...list, grant].sort((a, b) => (a.binding < b.binding ? -1 : 1)));
    }
  }

  private unbind(binding: Binding): void {
    const { name = '', namespace = '' } = binding.metadata;
    for (const subject of binding.subjects ?? []) {
      const grants = this.entry(subject, namespace);
      if (grants === undefined) continue;
      update(grants, namespace, (list) => list.filter((grant) => grant.binding !== name));
      if (grants.cluster.length > 0 || grants.namespaces.size > 0) continue;
      const { map, key } = this.placeOf(subject, namespace);
      map.delete(key);
    }
  }

  private entry(subject: RbacV1Subject, bindingNamespace: string): Grants | undefined {
    const { map, key } = this.placeOf(subject, bindingNamespace);
    if (key === '') return undefined;
    let grants = map.get(key);
    if (grants === undefined) {
      grants = { cluster: none, namespaces: new Map() };
      map.set(key, grants);
    }
    return grants;
  }

  private placeOf(subject: RbacV1Subject, bindingNamespace: string): { map: Map<string, Grants>; key: string } {
    if (subject.kind === 'Group') return { map: this.groups, key: subject.name };
    if (subject.kind === 'User') return { map: this.users, key: subject.name };
    const namespace = subject.namespace || bindingNamespace;
    const known = subject.kind === 'ServiceAccount' && namespace !== '';
    return { map: this.users, key: known ? `system:serviceaccount:${namespace}:${subject.name}` : '' };
  }
}

function update(grants: Grants, namespace: string, change: (list: readonly Grant[]) => readonly Grant[]): void {
  if (namespace === '') {
    grants.cluster = change(grants.cluster);
    return;
  }
  const list = change(grants.namespaces.get(namespace) ?? none);
  if (list.length === 0) grants.namespaces.delete(namespace);
  else grants.namespaces.set(namespace, list);
}

function roleKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function referredRole(roleRef: RoleRef, namespace: string): string {
  return roleKey(roleRef.kind === 'Role' ? namespace : '', roleRef.name);
}

function describeGrant({ metadata, roleRef }: Binding, subject: RbacV1Subject, namespace: string): string {
  const binding =
    namespace === ''
      ? `ClusterRoleBinding ${goQuote(metadata.name ?? '')}`
      : `RoleBinding ${goQuote(`${metadata.name}/${namespace}`)}`;
  const account = subject.kind === 'ServiceAccount' ? `/${subject.namespace || namespace}` : '';
  const to = `${subject.kind} ${goQuote(subject.name + account)}`;
  return `RBAC: allowed by ${binding} of ${roleRef.kind} ${goQuote(roleRef.name)} to ${to}`;
}
