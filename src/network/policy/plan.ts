import type { IpFamily, PodChains, PolicyChain, PolicyRules, PolicySet } from '../../engines/nftables/policy-rules.ts';
import { keyOf } from '../../kube/resource.ts';
import type { Namespace, NetworkPolicy, Node, Pod } from '../../kube/types.gen.ts';
import { ChainPlan } from './chains.ts';
import { type ClusterNetworkPolicy, readClusterPolicy } from './cluster-network-policy.ts';
import { type AdmittedAddresses, type PodFacts, PodTable } from './pods.ts';
import { inOrder, type Policy, readNetworkPolicy } from './policy.ts';
import { Selection } from './selection.ts';
import { choiceId, SetPlan } from './sets.ts';

/** What the plan needs to know of the cluster and of this node. */
export interface PolicyInput {
  readonly networkPolicies: readonly NetworkPolicy[];
  readonly clusterPolicies: readonly ClusterNetworkPolicy[];
  readonly namespaces: readonly Namespace[];
  /** Of all nodes. */
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
  readonly nodeName: string;
  /** Ranges of this node's pods. */
  readonly ownRanges: readonly string[];
  readonly clusterCidrs: readonly string[];
  /** The cluster DNS, when this node answers for it. */
  readonly dns: readonly string[];
  readonly admitted: AdmittedAddresses;
}

/** What a plan remembers of the one before, so that it costs what changed. A plan without it is the same. */
export class PlanMemory {
  readonly pods = new PodTable();
  readonly selection = new Selection();
  readonly policies = new WeakMap<NetworkPolicy | ClusterNetworkPolicy, Policy>();
  readonly chains = new Map<string, PolicyChain>();
  readonly sets = new Map<string, PolicySet>();
}

/** Policies as rules for the pods of this node. Its result depends on nothing but its input. */
export function planPolicies(input: PolicyInput, memory = new PlanMemory()): PolicyRules {
  const facts = memory.pods.read(input.pods, input.nodeName, input.admitted);
  const labels = new Map(input.namespaces.map((namespace) => [keyOf(namespace), namespace.metadata.labels ?? {}]));
  memory.selection.update(facts, labels);
  const policies = inOrder(readPolicies(input, memory));
  const sets = new SetPlan(input, facts, memory.selection, memory.sets);
  const chains = new ChainPlan(sets, memory.chains);
  const own = facts.filter(({ isOwn }) => isOwn);
  const applied = policiesByPod(own, policies, memory.selection);
  const pods = new Map<string, PodChains>();
  for (const pod of own) {
    const dispatch = chains.ofPod(applied.get(pod) ?? []);
    for (const address of pod.addresses) pods.set(address, dispatch);
  }
  const result: PolicyRules = {
    families: familiesOf(input.clusterCidrs),
    ownRanges: input.ownRanges,
    dns: input.dns,
    sets: sets.all(),
    chains: chains.all(),
    pods,
  };
  memory.selection.sweep();
  return result;
}

function readPolicies(input: PolicyInput, memory: PlanMemory): readonly Policy[] {
  const read = <T extends NetworkPolicy | ClusterNetworkPolicy>(objects: readonly T[], how: (object: T) => Policy) =>
    objects.map((object) => {
      const known = memory.policies.get(object);
      if (known !== undefined) return known;
      const policy = how(object);
      memory.policies.set(object, policy);
      return policy;
    });
  return [
    ...read(input.networkPolicies, readNetworkPolicy),
    ...read(input.clusterPolicies, (object) => readClusterPolicy(object).policy),
  ];
}

/** For each of this node's pods the policies about it, in their order. */
function policiesByPod(
  own: readonly PodFacts[],
  policies: readonly Policy[],
  selection: Selection,
): ReadonlyMap<PodFacts, readonly Policy[]> {
  const result = new Map<PodFacts, Policy[]>(own.map((pod) => [pod, []]));
  for (const policy of policies) {
    for (const pod of selection.pods(choiceId(policy.subject), policy.subject)) result.get(pod)?.push(policy);
  }
  return result;
}

function familiesOf(cidrs: readonly string[]): readonly IpFamily[] {
  const families = new Set(cidrs.map((cidr): IpFamily => (cidr.includes(':') ? 6 : 4)));
  return [...families].sort((a, b) => a - b);
}
