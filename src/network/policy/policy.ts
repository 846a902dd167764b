import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../kube/types.gen.ts';

/**
 * What NetworkPolicies and ClusterNetworkPolicies have in common, once read: which pods they are about, and rules in
 * their order. The tiers are asked in this order (NPEP-285).
 */
export interface Policy {
  /** `NetworkPolicy default/deny-all`, `ClusterNetworkPolicy quarantine`: as messages name it. */
  readonly name: string;
  readonly tier: Tier;
  /** Within its tier; the lower number is asked first. */
  readonly priority: number;
  readonly subject: PodChoice;
  /** Null: it says nothing of that direction. */
  readonly ingress: readonly Rule[] | null;
  readonly egress: readonly Rule[] | null;
}

export type Tier = 'Admin' | 'NetworkPolicy' | 'Baseline';

export interface Rule {
  /** `ingress[0]`, with its own name behind it when it has one. */
  readonly name: string;
  readonly action: 'Accept' | 'Deny' | 'Pass';
  readonly peers: readonly Peer[] | 'all';
  readonly ports: readonly PortMatch[] | 'all';
}

export interface PodChoice {
  readonly namespaces: { readonly name: string } | { readonly selector: LabelSelector };
  readonly pods: LabelSelector;
}

export type Peer =
  | { readonly kind: 'pods'; readonly choice: PodChoice }
  | { readonly kind: 'networks'; readonly blocks: readonly NetworkBlock[] }
  | { readonly kind: 'nodes'; readonly selector: LabelSelector }
  /** A member that this version doesn't know: such a rule accepts nothing and denies everything. */
  | { readonly kind: 'unknown' };

export interface NetworkBlock {
  readonly cidr: string;
  readonly except: readonly string[];
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP';
export const protocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

export type PortMatch =
  | { readonly protocol: Protocol; readonly from: number; readonly to: number }
  /** The container port of this name of the pod that is connected to; without a protocol, of whichever it has. */
  | { readonly protocol?: Protocol; readonly name: string };

export const lastPort = 65_535;

const everything: LabelSelector = {};

/** networking.k8s.io/v1: all that a policy lets through is accepted, in any order. */
export function readNetworkPolicy(policy: NetworkPolicy): Policy {
  const { namespace = '', name = '' } = policy.metadata;
  const { spec = {} } = policy;
  const types = spec.policyTypes ?? ['Ingress', ...(spec.egress?.length ? ['Egress'] : [])];
  const read = (
    direction: string,
    index: number,
    peers: readonly NetworkPolicyPeer[],
    ports: readonly NetworkPolicyPort[],
  ) => ({
    name: `${direction}[${index}]`,
    action: 'Accept' as const,
    peers: peers.length === 0 ? ('all' as const) : peers.map((peer) => readPeer(peer, namespace)),
    ports: ports.length === 0 ? ('all' as const) : ports.flatMap(readPort),
  });
  return {
    name: `NetworkPolicy ${namespace}/${name}`,
    tier: 'NetworkPolicy',
    priority: 0,
    subject: { namespaces: { name: namespace }, pods: spec.podSelector ?? everything },
    ingress: types.includes('Ingress')
      ? (spec.ingress ?? []).map(({ from = [], ports = [] }, index) => read('ingress', index, from, ports))
      : null,
    egress: types.includes('Egress')
      ? (spec.egress ?? []).map(({ to = [], ports = [] }, index) => read('egress', index, to, ports))
      : null,
  };
}

function readPeer({ ipBlock, namespaceSelector, podSelector }: NetworkPolicyPeer, namespace: string): Peer {
  if (ipBlock !== undefined) {
    return { kind: 'networks', blocks: [{ cidr: ipBlock.cidr, except: ipBlock.except ?? [] }] };
  }
  if (namespaceSelector === undefined && podSelector === undefined) return { kind: 'unknown' };
  const namespaces = namespaceSelector === undefined ? { name: namespace } : { selector: namespaceSelector };
  return { kind: 'pods', choice: { namespaces, pods: podSelector ?? everything } };
}

function readPort({ protocol = 'TCP', port, endPort }: NetworkPolicyPort): readonly PortMatch[] {
  const known = protocols.find((one) => one === protocol);
  if (known === undefined) return [];
  if (typeof port === 'string') return [{ protocol: known, name: port }];
  if (port === undefined) return [{ protocol: known, from: 0, to: lastPort }];
  return [{ protocol: known, from: port, to: endPort ?? port }];
}

/** In the order in which a tier asks them. Of two with the same priority the name decides, so that it stays. */
export function inOrder(policies: readonly Policy[]): readonly Policy[] {
  return [...policies].sort((a, b) => a.priority - b.priority || (a.name < b.name ? -1 : 1));
}
