import type { PolicyRule } from '../../kube/types.gen.ts';
import type { UserInfo } from '../../kube/user.ts';
import { type CompiledRule, compileRule, ruleAllows } from '../rbac/rules.ts';
import type { AuthorizationAttributes, Decision } from '../request.ts';
import { requiredValue } from './attributes.ts';
import { allowed, noOpinion, type SyncAuthorizer } from './authorizers.ts';
import type { NodeGraph, VertexKind } from './node-graph.ts';

/** A user of the group system:nodes is a node; its name is empty when the user's name isn't system:node:NAME. */
export function nodeIdentity(user: UserInfo): { readonly node: string } | null {
  if (!user.groups.includes('system:nodes')) return null;
  const prefix = 'system:node:';
  return user.name.startsWith(prefix) ? { node: user.name.slice(prefix.length) } : null;
}

const writeOwn = new Set(['get', 'create', 'update', 'patch', 'delete']);
const readVerbs = new Set(['get', 'list', 'watch']);

/**
 * What a node may do: read what pods on it use, ask for tokens of their accounts, write its own Node, Lease and CSINode,
 * and report on its pods. NodeRestriction (admission) checks what only the object can tell.
 */
export class NodeAuthorizer implements SyncAuthorizer {
  private readonly graph: NodeGraph;
  private readonly rules: readonly CompiledRule[];

  /** `rules`: what all nodes may do alike; those of the bootstrap role system:node. */
  constructor(graph: NodeGraph, rules: readonly PolicyRule[]) {
    this.graph = graph;
    this.rules = rules.map(compileRule);
  }

  decide(attributes: AuthorizationAttributes): Decision {
    const identity = nodeIdentity(attributes.user);
    if (identity === null) return noOpinion();
    const { node } = identity;
    if (node === '') return noOpinion(`unknown node for user ${JSON.stringify(attributes.user.name)}`);
    if (attributes.isResource) {
      const special = this.bySpecialRule(node, attributes);
      if (special !== undefined) return special;
    }
    return this.rules.some((rule) => ruleAllows(rule, attributes)) ? allowed : noOpinion();
  }

  private bySpecialRule(node: string, attributes: AuthorizationAttributes): Decision | undefined {
    const { group, resource } = attributes;
    switch (group === '' ? resource : `${resource}.${group}`) {
      case 'secrets':
        return this.readNamespaced(node, 'secret', attributes);
      case 'configmaps':
        return this.readNamespaced(node, 'configmap', attributes);
      case 'persistentvolumeclaims':
        return attributes.subresource === 'status'
          ? this.updateStatus(node, 'persistentvolumeclaim', attributes)
          : this.get(node, 'persistentvolumeclaim', attributes);
      case 'persistentvolumes':
        return this.get(node, 'persistentvolume', attributes);
      case 'resourceclaims.resource.k8s.io':
        return this.get(node, 'resourceclaim', attributes);
      case 'volumeattachments.storage.k8s.io':
        return this.get(node, 'volumeattachment', attributes);
      case 'serviceaccounts':
        return this.serviceAccount(node, attributes);
      case 'leases.coordination.k8s.io':
        return lease(node, attributes);
      case 'csinodes.storage.k8s.io':
        return csiNode(node, attributes);
      case 'resourceslices.resource.k8s.io':
        return this.resourceSlice(node, attributes);
      case 'nodes':
        return ownNode(node, attributes);
      case 'pods':
        return this.pod(node, attributes);
      default:
        return undefined;
    }
  }

  private related(node: string, kind: VertexKind, { namespace, name }: AuthorizationAttributes): Decision {
    if (name === '') return noOpinion('No Object name found');
    return this.graph.reaches(node, kind, namespace, name)
      ? allowed
      : noOpinion(`no relationship found between node '${node}' and this object`);
  }

  private readNamespaced(node: string, kind: VertexKind, attributes: AuthorizationAttributes): Decision {
    if (!readVerbs.has(attributes.verb)) return noOpinion('can only read resources of this type');
    if (attributes.subresource !== '') return noOpinion('cannot read subresource');
    if (attributes.namespace === '') return noOpinion('can only read namespaced object of this type');
    return this.related(node, kind, attributes);
  }

  private get(node: string, kind: VertexKind, attributes: AuthorizationAttributes): Decision {
    if (attributes.verb !== 'get') return noOpinion('can only get individual resources of this type');
    if (attributes.subresource !== '') return noOpinion('cannot get subresource');
    return this.related(node, kind, attributes);
  }

  private updateStatus(node: string, kind: VertexKind, attributes: AuthorizationAttributes): Decision {
    const { verb } = attributes;
    if (verb !== 'update' && verb !== 'patch') return noOpinion('can only get/update/patch this type');
    return this.related(node, kind, attributes);
  }

  private serviceAccount(node: string, attributes: AuthorizationAttributes): Decision {
    const { verb, name, subresource } = attributes;
    if (verb === 'get' && subresource === '') return this.related(node, 'serviceaccount', attributes);
    if (verb !== 'create' || name === '') return noOpinion('can only create tokens for individual service accounts');
    if (subresource !== 'token') return noOpinion('can only create token subresource of serviceaccount');
    return this.related(node, 'serviceaccount', attributes);
  }

  private resourceSlice(node: string, attributes: AuthorizationAttributes): Decision {
    const { verb, subresource, fieldSelector } = attributes;
    if (subresource !== '') return noOpinion('cannot authorize ResourceSlice subresources');
    switch (verb) {
      case 'create':
        return allowed;
      case 'get':
      case 'update':
      case 'patch':
      case 'delete':
        return this.related(node, 'resourceslice', attributes);
      case 'watch':
      case 'list':
      case 'deletecollection':
        // The field is spec.nodeName in v1; it was nodeName in the first alpha.
        return selects(fieldSelector, 'spec.nodeName', node) || selects(fieldSelector, 'nodeName', node)
          ? allowed
          : noOpinion('can only list/watch/deletecollection resourceslices with nodeName field selector');
      default:
        return noOpinion(
          'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
        );
    }
  }

  private pod(node: string, attributes: AuthorizationAttributes): Decision {
    const { verb, subresource, name, fieldSelector } = attributes;
    switch (subresource === '' ? verb : `${verb} ${subresource}`) {
      case 'get':
        return this.get(node, 'pod', attributes);
      case 'list':
      case 'watch':
        if (selects(fieldSelector, 'spec.nodeName', node)) return allowed;
        if (name !== '') return this.related(node, 'pod', attributes);
        return noOpinion('can only list/watch pods with spec.nodeName field selector');
      case 'create':
      case 'delete':
      case 'update status':
      case 'patch status':
      case 'create eviction':
        return allowed;
      default:
        return noOpinion();
    }
  }
}

function selects(fieldSelector: string | undefined, field: string, node: string): boolean {
  return fieldSelector !== undefined && requiredValue(fieldSelector, field) === node;
}

function lease(node: string, { verb, namespace, name }: AuthorizationAttributes): Decision {
  if (!writeOwn.has(verb)) return noOpinion('can only get, create, update, patch, or delete a node lease');
  if (namespace !== 'kube-node-lease') {
    return noOpinion('can only access leases in the "kube-node-lease" system namespace');
  }
  // The name of what is created stands in the body: NodeRestriction checks it.
  if (verb !== 'create' && name !== node) {
    return noOpinion('can only access node lease with the same name as the requesting node');
  }
  return allowed;
}

function csiNode(node: string, { verb, subresource, name }: AuthorizationAttributes): Decision {
  if (!writeOwn.has(verb)) return noOpinion('can only get, create, update, patch, or delete a CSINode');
  if (subresource !== '') return noOpinion('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node) {
    return noOpinion('can only access CSINode with the same name as the requesting node');
  }
  return allowed;
}

function ownNode(node: string, { verb, subresource, name }: AuthorizationAttributes): Decision {
  const writes = verb === 'update' || verb === 'patch';
  if (subresource === 'status') return writes ? allowed : noOpinion();
  if (subresource !== '') return noOpinion();
  if (writes || verb === 'create') return allowed;
  if (!readVerbs.has(verb)) return noOpinion();
  if (name === node) return allowed;
  return noOpinion(
    name === ''
      ? `node '${node}' cannot read all nodes, only its own Node object`
      : `node '${node}' cannot read '${name}', only its own Node object`,
  );
}
