import type { Informer } from '../../client/informer.ts';
import { namespaces, networkpolicies, nodes, pods } from '../../kube/resources.gen.ts';
import type { Namespace, NetworkPolicy, Node, Pod } from '../../kube/types.gen.ts';
import type { Informers } from '../../runtime/controller.ts';
import { type ClusterNetworkPolicy, clusternetworkpolicies, readClusterPolicy } from './cluster-network-policy.ts';
import type { DecisionView } from './decide.ts';
import { type PodFacts, PodTable } from './pods.ts';
import { readNetworkPolicy } from './policy.ts';

/** The objects that policies depend on. */
export interface ClusterState {
  readonly networkPolicies: readonly NetworkPolicy[];
  readonly clusterPolicies: readonly ClusterNetworkPolicy[];
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
}

/** Follows those objects. */
export interface ClusterFeed {
  readonly synced: Promise<unknown>;
  state(): ClusterState;
  subscribe(handler: () => void): Disposable;
}

export function createClusterFeed(informers: Informers): ClusterFeed {
  const sources = {
    networkPolicies: informers.of(networkpolicies),
    clusterPolicies: informers.of(clusternetworkpolicies),
    namespaces: informers.of(namespaces),
    pods: informers.of(pods),
    nodes: informers.of(nodes),
  };
  const all: readonly Pick<Informer<Pod>, 'synced'>[] = Object.values(sources);
  return {
    synced: Promise.all(all.map(({ synced }) => synced)),
    state: () => ({
      networkPolicies: sources.networkPolicies.list(),
      clusterPolicies: sources.clusterPolicies.list(),
      namespaces: sources.namespaces.list(),
      pods: sources.pods.list(),
      nodes: sources.nodes.list(),
    }),
    subscribe(handler) {
      const stack = new DisposableStack();
      stack.use(sources.networkPolicies.subscribe(handler));
      stack.use(sources.clusterPolicies.subscribe(handler));
      stack.use(sources.namespaces.subscribe(handler));
      stack.use(
        sources.pods.subscribe(({ old, current }) => {
          if (old === undefined || current === undefined || concernsPolicies(old, current)) handler();
        }),
      );
      // A node's heartbeat changes nothing here.
      stack.use(
        sources.nodes.subscribe(({ old, current }) => {
          if (nodePart(old) !== nodePart(current)) handler();
        }),
      );
      return stack;
    },
  };
}

function concernsPolicies(old: Pod, current: Pod): boolean {
  return podPart(old) !== podPart(current);
}

function podPart({ metadata, spec, status }: Pod): string {
  return JSON.stringify([metadata.uid, metadata.labels, spec?.nodeName, status?.phase, status?.podIPs, status?.podIP]);
}

function nodePart(node: Node | undefined): string {
  if (node === undefined) return '';
  return JSON.stringify([node.metadata.labels, node.spec?.podCIDRs, node.status?.addresses]);
}

/** The state as `decide` asks for it. */
export function decisionView(state: ClusterState): DecisionView & { readonly pods: readonly PodFacts[] } {
  const facts = new PodTable().read(state.pods, '', new Map());
  const byAddress = new Map(facts.flatMap((pod) => pod.addresses.map((address) => [address, pod] as const)));
  const labels = new Map(state.namespaces.map(({ metadata }) => [metadata.name ?? '', metadata.labels ?? {}]));
  return {
    policies: [
      ...state.networkPolicies.map(readNetworkPolicy),
      ...state.clusterPolicies.map((object) => readClusterPolicy(object).policy),
    ],
    nodes: state.nodes,
    pods: facts,
    podAt: (address) => byAddress.get(address),
    namespaceLabels: (namespace) => labels.get(namespace),
  };
}
