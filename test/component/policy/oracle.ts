/**
 * What the specifications of NetworkPolicy and ClusterNetworkPolicy allow, evaluated as they are written, one connection at
 * a time. It shares nothing with the planner but the types of the API, so that both can't be wrong in the same way.
 */

import type {
  LabelSelector,
  Namespace,
  NetworkPolicy,
  NetworkPolicyPort,
  Node,
  Pod,
} from '../../../src/kube/types.gen.ts';
import type { ClusterNetworkPolicy, ClusterRule } from '../../../src/network/policy/cluster-network-policy.ts';

export interface World {
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
  readonly networkPolicies: readonly NetworkPolicy[];
  readonly clusterPolicies: readonly ClusterNetworkPolicy[];
}

export interface Connection {
  /** Addresses; whose they are follows from the world. */
  readonly client: string;
  readonly server: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP' | 'ICMP';
  readonly port: number;
}

type Labels = Readonly<Record<string, string>>;

/** Whether the world lets a connection be. */
export function oracle(world: World, connection: Connection): boolean {
  const client = podAt(world, connection.client);
  const server = podAt(world, connection.server);
  if (client !== undefined && client === server) return true;
  if (client !== undefined && !mayLeave(world, client, connection)) return false;
  return server === undefined || mayEnter(world, server, connection);
}

/** The pod that has an address: it runs, and not on its node's own network. */
function podAt(world: World, address: string): Pod | undefined {
  return world.pods.find(
    (pod) =>
      pod.spec?.hostNetwork !== true &&
      pod.status?.phase !== 'Succeeded' &&
      pod.status?.phase !== 'Failed' &&
      (pod.status?.podIPs ?? []).some(({ ip }) => sameAddress(ip, address)),
  );
}

function mayLeave(world: World, pod: Pod, connection: Connection): boolean {
  return decide(world, pod, 'egress', connection);
}

function mayEnter(world: World, pod: Pod, connection: Connection): boolean {
  return decide(world, pod, 'ingress', connection);
}

function decide(world: World, pod: Pod, direction: 'ingress' | 'egress', connection: Connection): boolean {
  const admin = tierVerdict(world, 'Admin', pod, direction, connection);
  if (admin === 'Accept') return true;
  if (admin === 'Deny') return false;
  const about = world.networkPolicies.filter(
    (policy) =>
      policy.metadata.namespace === pod.metadata.namespace &&
      select(policy.spec?.podSelector ?? {}, pod.metadata.labels ?? {}) &&
      isOfType(policy, direction),
  );
  if (about.length > 0) return about.some((policy) => networkPolicyAccepts(world, policy, direction, connection));
  return tierVerdict(world, 'Baseline', pod, direction, connection) !== 'Deny';
}

function isOfType({ spec = {} }: NetworkPolicy, direction: 'ingress' | 'egress'): boolean {
  if (spec.policyTypes !== undefined) return spec.policyTypes.includes(direction === 'ingress' ? 'Ingress' : 'Egress');
  return direction === 'ingress' || (spec.egress ?? []).length > 0;
}

function networkPolicyAccepts(
  world: World,
  policy: NetworkPolicy,
  direction: 'ingress' | 'egress',
  connection: Connection,
): boolean {
  const other = direction === 'ingress' ? connection.client : connection.server;
  const rules =
    direction === 'ingress'
      ? (policy.spec?.ingress ?? []).map(({ from, ports }) => ({ peers: from ?? [], ports: ports ?? [] }))
      : (policy.spec?.egress ?? []).map(({ to, ports }) => ({ peers: to ?? [], ports: ports ?? [] }));
  for (const { peers, ports } of rules) {
    const isPeer =
      peers.length === 0 ||
      peers.some(({ ipBlock, namespaceSelector, podSelector }) => {
        if (ipBlock !== undefined) {
          return within(other, ipBlock.cidr) && !(ipBlock.except ?? []).some((part) => within(other, part));
        }
        const pod = podAt(world, other);
        if (pod === undefined) return false;
        const isNamespace =
          namespaceSelector === undefined
            ? pod.metadata.namespace === policy.metadata.namespace
            : select(namespaceSelector, labelsOfNamespace(world, pod));
        return isNamespace && (podSelector === undefined || select(podSelector, pod.metadata.labels ?? {}));
      });
    if (isPeer && (ports.length === 0 || ports.some((port) => isPort(world, port, connection)))) return true;
  }
  return false;
}

function isPort(world: World, { protocol = 'TCP', port, endPort }: NetworkPolicyPort, connection: Connection): boolean {
  if (protocol !== connection.protocol) return false;
  if (port === undefined) return true;
  if (typeof port === 'number') return connection.port >= port && connection.port <= (endPort ?? port);
  return namedPort(world, port, protocol, connection);
}

/** The server is a pod that has this name for the port that is connected to. */
function namedPort(world: World, name: string, protocol: string, { server, port }: Connection): boolean {
  const pod = podAt(world, server);
  if (pod === undefined) return false;
  for (const container of pod.spec?.containers ?? []) {
    for (const one of container.ports ?? []) {
      if (one.name === name && (one.protocol ?? 'TCP') === protocol) return one.containerPort === port;
    }
  }
  return false;
}

function tierVerdict(
  world: World,
  tier: 'Admin' | 'Baseline',
  pod: Pod,
  direction: 'ingress' | 'egress',
  connection: Connection,
): 'Accept' | 'Deny' | 'Pass' | undefined {
  const policies = world.clusterPolicies.filter(({ spec }) => spec.tier === tier);
  policies.sort((a, b) => a.spec.priority - b.spec.priority);
  for (const { spec } of policies) {
    const { namespaces, pods } = spec.subject;
    const isSubject =
      namespaces !== undefined
        ? select(namespaces, labelsOfNamespace(world, pod))
        : pods !== undefined &&
          select(pods.namespaceSelector ?? {}, labelsOfNamespace(world, pod)) &&
          select(pods.podSelector, pod.metadata.labels ?? {});
    if (!isSubject) continue;
    for (const rule of (direction === 'ingress' ? spec.ingress : spec.egress) ?? []) {
      if (clusterRuleMatches(world, rule, direction, connection)) return rule.action;
    }
  }
  return undefined;
}

function clusterRuleMatches(
  world: World,
  rule: ClusterRule,
  direction: 'ingress' | 'egress',
  connection: Connection,
): boolean {
  const other = direction === 'ingress' ? connection.client : connection.server;
  const pod = podAt(world, other);
  const isPeer = ((direction === 'ingress' ? rule.from : rule.to) ?? []).some(
    ({ namespaces, pods, networks, nodes }) => {
      if (namespaces !== undefined) return pod !== undefined && select(namespaces, labelsOfNamespace(world, pod));
      if (pods !== undefined) {
        return (
          pod !== undefined &&
          select(pods.namespaceSelector ?? {}, labelsOfNamespace(world, pod)) &&
          select(pods.podSelector, pod.metadata.labels ?? {})
        );
      }
      if (networks !== undefined) return networks.some((network) => within(other, network));
      if (nodes === undefined) return false;
      return world.nodes.some(
        (node) =>
          select(nodes, node.metadata.labels ?? {}) &&
          (node.status?.addresses ?? []).some(({ address }) => sameAddress(address, other)),
      );
    },
  );
  if (!isPeer) return false;
  if (rule.protocols === undefined) return true;
  return rule.protocols.some((protocol) => {
    if (protocol.destinationNamedPort !== undefined) {
      return namedPort(world, protocol.destinationNamedPort, connection.protocol, connection);
    }
    const match = { TCP: protocol.tcp, UDP: protocol.udp, SCTP: protocol.sctp, ICMP: undefined }[connection.protocol];
    if (match === undefined) return false;
    const { destinationPort } = match;
    if (destinationPort === undefined) return true;
    if (destinationPort.number !== undefined) return destinationPort.number === connection.port;
    const { start = 0, end = -1 } = destinationPort.range ?? {};
    return start <= connection.port && connection.port <= end;
  });
}

function labelsOfNamespace(world: World, pod: Pod): Labels {
  return world.namespaces.find(({ metadata }) => metadata.name === pod.metadata.namespace)?.metadata.labels ?? {};
}

function select({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Labels): boolean {
  for (const key of Object.keys(matchLabels)) if (labels[key] !== matchLabels[key]) return false;
  for (const { key, operator, values = [] } of matchExpressions) {
    const value = labels[key];
    if (operator === 'Exists' && value === undefined) return false;
    if (operator === 'DoesNotExist' && value !== undefined) return false;
    if (operator === 'In' && (value === undefined || values.indexOf(value) < 0)) return false;
    if (operator === 'NotIn' && value !== undefined && values.indexOf(value) >= 0) return false;
  }
  return true;
}

function sameAddress(a: string, b: string): boolean {
  return bitsOf(a) === bitsOf(b);
}

function within(address: string, cidr: string): boolean {
  const [network = '', length = '0'] = cidr.split('/');
  const [a, b] = [bitsOf(address), bitsOf(network)];
  return a.length === b.length && a.slice(0, Number(length)) === b.slice(0, Number(length));
}

const known = new Map<string, string>();

/** An address as a text of zeros and ones. */
function bitsOf(address: string): string {
  let bits = known.get(address);
  if (bits === undefined) {
    bits = readBits(address);
    known.set(address, bits);
  }
  return bits;
}

function readBits(address: string): string {
  if (!address.includes(':')) {
    return address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
  }
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const before = groups(head);
  const after = groups(tail);
  const zeros = new Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('');
}
