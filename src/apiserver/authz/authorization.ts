import type { PolicyRule } from '../../kube/types.gen.ts';
import type { UserInfo } from '../../kube/user.ts';
import { RbacAuthorizer } from '../rbac/authorizer.ts';
import { bootstrapObjects } from '../rbac/bootstrap.ts';
import type { ClusterReader } from '../reader.ts';
import type { AuthorizationAttributes, Authorizer, Decision } from '../request.ts';
import { AuthorizerChain, type SyncAuthorizer, superusers } from './authorizers.ts';
import { NodeAuthorizer, nodeIdentity } from './node-authorizer.ts';
import { NodeGraph } from './node-graph.ts';

/** What a user may do in a namespace, as far as that can be listed. */
export interface UserRules {
  readonly rules: readonly PolicyRule[];
  /** True when an authorizer can't list what it allows. */
  readonly incomplete: boolean;
  readonly evaluationError: string;
}

/** The authorizers of a cluster in their order: system:masters, Node, RBAC. */
export class Authorization implements Authorizer, SyncAuthorizer, Disposable {
  readonly rbac: RbacAuthorizer;
  private readonly chain: AuthorizerChain;
  private readonly resources = new DisposableStack();

  constructor(reader: ClusterReader) {
    const graph = this.resources.use(new NodeGraph(reader));
    this.rbac = this.resources.use(new RbacAuthorizer(reader));
    this.chain = new AuthorizerChain([superusers, new NodeAuthorizer(graph, nodeRules()), this.rbac]);
  }

  [Symbol.dispose](): void {
    this.resources.dispose();
  }

  decide(attributes: AuthorizationAttributes): Decision {
    return this.chain.decide(attributes);
  }

  authorize(attributes: AuthorizationAttributes): Promise<Decision> {
    return this.chain.authorize(attributes);
  }

  rulesFor(user: UserInfo, namespace: string): UserRules {
    const isNode = nodeIdentity(user) !== null;
    return {
      rules: this.rbac.rulesFor(user, namespace),
      incomplete: isNode,
      evaluationError: isNode ? 'node authorizer does not support user rule resolution' : '',
    };
  }
}

function nodeRules(): readonly PolicyRule[] {
  const role = bootstrapObjects().find(
    ([, object]) => object.kind === 'ClusterRole' && object.metadata.name === 'system:node',
  );
  const rules: unknown = role === undefined ? undefined : Reflect.get(role[1], 'rules');
  return Array.isArray(rules) ? rules : [];
}
