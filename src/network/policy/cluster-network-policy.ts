import type { KubeObject } from '../../kube/object.ts';
import type { Resource } from '../../kube/resource.ts';
import type { Condition, LabelSelector } from '../../kube/types.gen.ts';
import {
  lastPort,
  type Peer,
  type PodChoice,
  type Policy,
  type PortMatch,
  type Protocol,
  type Rule,
} from './policy.ts';

/** policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy, of the network-policy-api project (NPEP-285, NPEP-187). */
export interface ClusterNetworkPolicy extends KubeObject {
  readonly spec: {
    readonly tier: 'Admin' | 'Baseline';
    readonly priority: number;
    readonly subject: ClusterSubject;
    readonly ingress?: readonly ClusterRule[];
    readonly egress?: readonly ClusterRule[];
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface ClusterSubject {
  readonly namespaces?: LabelSelector;
  readonly pods?: NamespacedPod;
}

export interface NamespacedPod {
  readonly namespaceSelector?: LabelSelector;
  readonly podSelector: LabelSelector;
}

export interface ClusterRule {
  readonly name?: string;
  readonly action: 'Accept' | 'Deny' | 'Pass';
  readonly from?: readonly ClusterPeer[];
  readonly to?: readonly ClusterPeer[];
  readonly protocols?: readonly ClusterProtocol[];
}

export interface ClusterPeer extends ClusterSubject {
  readonly nodes?: LabelSelector;
  readonly networks?: readonly string[];
}

export interface ClusterProtocol {
  readonly tcp?: { readonly destinationPort?: ClusterPort };
  readonly udp?: { readonly destinationPort?: ClusterPort };
  readonly sctp?: { readonly destinationPort?: ClusterPort };
  readonly destinationNamedPort?: string;
}

export interface ClusterPort {
  readonly number?: number;
  readonly range?: { readonly start: number; readonly end: number };
}

export const clusternetworkpolicies: Resource<ClusterNetworkPolicy> = {
  group: 'policy.networking.k8s.io',
  version: 'v1alpha2',
  kind: 'ClusterNetworkPolicy',
  plural: 'clusternetworkpolicies',
  singular: 'clusternetworkpolicy',
  listKind: 'ClusterNetworkPolicyList',
  namespaced: false,
  shortNames: ['cnp'],
  categories: [],
  verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [],
  typeName: null,
};

const everything: LabelSelector = {};

/**
 * A policy as it is enforced, with what of it is not understood. A rule with something unknown is closed: as Accept it
 * matches nothing, as Deny or Pass it denies everything, as the specification demands.
 */
export function readClusterPolicy(object: ClusterNetworkPolicy): {
  readonly policy: Policy;
  readonly problems: readonly string[];
} {
  const { spec } = object;
  const problems: string[] = [];
  const subject = choiceOf(spec.subject);
  if (subject === undefined) problems.push('spec.subject: neither namespaces nor pods');
  const read = (direction: 'ingress' | 'egress', rules: readonly ClusterRule[] | undefined) =>
    rules === undefined || rules.length === 0
      ? null
      : rules.map((rule, index) => readRule(rule, direction, index, problems));
  const policy: Policy = {
    name: `ClusterNetworkPolicy ${object.metadata.name}`,
    tier: spec.tier === 'Baseline' ? 'Baseline' : 'Admin',
    priority: spec.priority,
    subject: subject ?? { namespaces: { selector: { matchExpressions: [nothing] } }, pods: everything },
    ingress: read('ingress', spec.ingress),
    egress: read('egress', spec.egress),
  };
  return { policy, problems };
}

const nothing = { key: 'kubernetes.io/metadata.name', operator: 'In', values: [] };

function readRule(rule: ClusterRule, direction: 'ingress' | 'egress', index: number, problems: string[]): Rule {
  const path = `spec.${direction}[${index}]`;
  const side = direction === 'ingress' ? 'from' : 'to';
  const peers = (rule[side] ?? []).map((peer, at): Peer => {
    const known = readPeer(peer, direction);
    if (known === undefined) problems.push(`${path}.${side}[${at}]: a kind of peer that is not supported`);
    return known ?? { kind: 'unknown' };
  });
  if (peers.length === 0) {
    problems.push(`${path}.${side}: no peer`);
    peers.push({ kind: 'unknown' });
  }
  const ports = rule.protocols?.flatMap((protocol, at): PortMatch[] => {
    const known = readProtocol(protocol);
    if (known === undefined) {
      problems.push(`${path}.protocols[${at}]: a kind of protocol that is not supported`);
      peers.push({ kind: 'unknown' });
    }
    if (
      protocol.destinationNamedPort !== undefined &&
      peers.some(({ kind }) => kind === 'networks' || kind === 'nodes')
    )
      problems.push(`${path}.protocols[${at}]: networks and nodes have no named ports`);
    return known ?? [];
  });
  return {
    name: `${direction}[${index}]${rule.name ? ` "${rule.name}"` : ''}`,
    action: rule.action,
    peers,
    ports: ports ?? 'all',
  };
}

function readPeer(peer: ClusterPeer, direction: 'ingress' | 'egress'): Peer | undefined {
  const choice = choiceOf(peer);
  if (choice !== undefined) return { kind: 'pods', choice };
  if (direction === 'ingress') return undefined;
  if (peer.networks !== undefined) {
    return { kind: 'networks', blocks: peer.networks.map((cidr) => ({ cidr, except: [] })) };
  }
  return peer.nodes === undefined ? undefined : { kind: 'nodes', selector: peer.nodes };
}

function choiceOf({ namespaces, pods }: ClusterSubject): PodChoice | undefined {
  if (namespaces !== undefined) return { namespaces: { selector: namespaces }, pods: everything };
  if (pods === undefined) return undefined;
  return { namespaces: { selector: pods.namespaceSelector ?? everything }, pods: pods.podSelector };
}

function readProtocol(protocol: ClusterProtocol): PortMatch[] | undefined {
  if (protocol.destinationNamedPort !== undefined) return [{ name: protocol.destinationNamedPort }];
  const names: readonly (readonly ['tcp' | 'udp' | 'sctp', Protocol])[] = [
    ['tcp', 'TCP'],
    ['udp', 'UDP'],
    ['sctp', 'SCTP'],
  ];
  for (const [member, name] of names) {
    const match = protocol[member];
    if (match === undefined) continue;
    const { number, range } = match.destinationPort ?? {};
    if (match.destinationPort === undefined) return [{ protocol: name, from: 0, to: lastPort }];
    if (number !== undefined) return [{ protocol: name, from: number, to: number }];
    return range === undefined ? undefined : [{ protocol: name, from: range.start, to: range.end }];
  }
  return undefined;
}
