import { isObject } from '../../core/json.ts';
import { goQuote, goQuoteList } from '../../kube/go-json.ts';
import type { Kind } from '../../kube/kind.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef } from '../../kube/types.gen.ts';
import { systemMasters, type UserInfo } from '../../kube/user.ts';
import { sameExceptGarbageCollection } from '../admission/metadata.ts';
import type { SyncAuthorizer } from '../authz/authorizers.ts';
import { forbidden, notFound } from '../errors.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { compactRules, describeRule, missingRules } from './rules.ts';

/** What the check must know of the roles there are. */
export interface RuleResolver {
  rulesFor(user: UserInfo, namespace: string): readonly PolicyRule[];
  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined;
}

const group = 'rbac.authorization.k8s.io';
const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/**
 * Nobody gives away permissions that they don't have: who writes a role must hold all of its rules or may `escalate`
 * it, who writes a binding must hold all rules of its role or may `bind` it. Upstream checks this in the storage of
 * these kinds, after mutating admission; here it is the last mutating plugin.
 */
export class RbacEscalationCheck implements AdmissionPlugin {
  readonly name = 'RBACEscalationCheck';
  private readonly rules: RuleResolver;
  private readonly authorizer: SyncAuthorizer;

  constructor(rules: RuleResolver, authorizer: SyncAuthorizer) {
    this.rules = rules;
    this.authorizer = authorizer;
  }

  handles({ operation, info, kind, user }: AdmissionRequest): boolean {
    if (kind.resource.group !== group || info.subresource !== '') return false;
    return (operation === 'CREATE' || operation === 'UPDATE') && !user.groups.includes(systemMasters);
  }

  async admit(request: AdmissionRequest): Promise<void> {
    const { object, old } = request;
    if (object === null || (old !== null && sameExceptGarbageCollection(object, old))) return;
    if (isBinding(request.kind, object)) this.checkBinding(request, object);
    else this.checkRole(request, object as unknown as Role | ClusterRole);
  }

  private checkRole(request: AdmissionRequest, role: Role | ClusterRole): void {
    const { info, user, kind } = request;
    const attributes = { ...info, user, verb: 'escalate' };
    if (this.authorizer.decide(attributes).allowed) return;
    const name = role.metadata.name ?? '';
    this.confirm(request, name, role.rules ?? []);
    const aggregated = hasAggregation(role) || (request.old !== null && hasAggregation(request.old));
    if (!aggregated || missingRules(this.rules.rulesFor(user, ''), everything).length === 0) return;
    throw forbidden(kind.resource, name, 'must have cluster-admin privileges to use the aggregationRule');
  }

  private checkBinding(request: AdmissionRequest, binding: RoleBinding | ClusterRoleBinding): void {
    const { info, user } = request;
    const { roleRef } = binding;
    const resource = { Role: 'roles', ClusterRole: 'clusterroles' }[roleRef.kind];
    if (resource === undefined) return; // Validation refuses it.
    const target = {
      verb: 'bind',
      group: roleRef.apiGroup ?? group,
      version: '*',
      resource,
      subresource: '',
      name: roleRef.name,
    };
    if (this.authorizer.decide({ ...info, ...target, user, isResource: true }).allowed) return;
    const rules = this.rules.rulesOf(roleRef, info.namespace);
    if (rules === undefined) throw notFound({ group, plural: resource }, roleRef.name);
    this.confirm(request, binding.metadata.name ?? '', rules);
  }

  private confirm({ info, user, kind }: AdmissionRequest, name: string, wanted: readonly PolicyRule[]): void {
    const missing = missingRules(this.rules.rulesFor(user, info.namespace), wanted);
    if (missing.length === 0) return;
    const list = [...new Set(compactRules(missing).map(describeRule))].sort();
    const who = `user ${goQuote(user.name)} (groups=${goQuoteList(user.groups)})`;
    const why = `${who} is attempting to grant RBAC permissions not currently held:\n${list.join('\n')}`;
    throw forbidden(kind.resource, name, why);
  }
}

function isBinding(kind: Kind, object: unknown): object is RoleBinding | ClusterRoleBinding {
  return kind.resource.kind.endsWith('Binding') && isObject(object) && isObject(object['roleRef']);
}

function hasAggregation(role: object): boolean {
  return 'aggregationRule' in role && isObject(role.aggregationRule);
}
