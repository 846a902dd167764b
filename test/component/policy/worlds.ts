import type {
  LabelSelector,
  Namespace,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Node,
  Pod,
} from '../../../src/kube/types.gen.ts';
import type {
  ClusterNetworkPolicy,
  ClusterPeer,
  ClusterProtocol,
  ClusterRule,
} from '../../../src/network/policy/cluster-network-policy.ts';
import { fc } from '../../../tools/property.ts';

/** The truth table's cluster: namespaces x, y and z with pods a, b and c each, on two nodes, with both IP families. */
export const clusterCidrs = ['10.42.0.0/16', 'fd42::/56'] as const;
export const nodeNames = ['node-0', 'node-1'] as const;
export const namespaceNames = ['x', 'y', 'z'] as const;
export const podNames = ['a', 'b', 'c'] as const;
/** What every pod listens on. */
export const tcpPorts = [80, 81] as const;
/** An address of no pod and no node. */
export const outsider = '198.51.100.7';

export function ownRanges(node: number): readonly string[] {
  return [`10.42.${node}.0/24`, `fd42:0:0:${node}::/64`];
}

export const namespaces: readonly Namespace[] = namespaceNames.map((name) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name,
    uid: `ns-${name}`,
    labels: { ns: name, 'kubernetes.io/metadata.name': name, ...(name === 'z' ? {} : { team: 'blue' }) },
  },
}));

export const nodes: readonly Node[] = nodeNames.map((name, index) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, uid: name, labels: { 'kubernetes.io/hostname': name } },
  spec: { podCIDR: ownRanges(index)[0] ?? '', podCIDRs: ownRanges(index) },
  status: { addresses: [{ type: 'InternalIP', address: `192.0.2.${index + 1}` }] },
}));

/** Pods alternate between the nodes; 81 is called `serve-81` everywhere, 80 has another name in namespace z. */
export const pods: readonly Pod[] = namespaceNames.flatMap((namespace, n) =>
  podNames.map((name, p) => {
    const index = n * podNames.length + p;
    const node = index % nodeNames.length;
    const ports = [
      { name: namespace === 'z' ? 'web' : 'serve-80', containerPort: 80, protocol: 'TCP' },
      { name: 'serve-81', containerPort: namespace === 'y' ? 80 : 81, protocol: 'TCP' },
      { name: 'serve-udp', containerPort: 80, protocol: 'UDP' },
      { name: 'serve-sctp', containerPort: 80, protocol: 'SCTP' },
    ];
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        namespace,
        name,
        uid: `${namespace}-${name}`,
        labels: { pod: name, ...(name === 'c' ? {} : { app: 'web' }) },
      },
      spec: { nodeName: nodeNames[node] ?? '', containers: [{ name: 'main', ports }] },
      status: {
        phase: 'Running',
        podIP: `10.42.${node}.${index + 10}`,
        podIPs: [
          { ip: `10.42.${node}.${index + 10}` },
          { ip: `${node === 0 ? 'fd42' : `fd42:0:0:${node}`}::${(index + 16).toString(16)}` },
        ],
      },
    };
  }),
);

export function policy(namespace: string, name: string, spec: NetworkPolicy['spec']): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name },
    ...(spec === undefined ? {} : { spec }),
  };
}

export function clusterPolicy(name: string, spec: ClusterNetworkPolicy['spec']): ClusterNetworkPolicy {
  return { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', metadata: { name }, spec };
}

const anyPodSelector: fc.Arbitrary<LabelSelector> = fc.oneof(
  fc.constant({}),
  fc.constantFrom(...podNames).map((pod) => ({ matchLabels: { pod } })),
  fc
    .subarray([...podNames], { minLength: 1 })
    .chain((values) =>
      fc.constantFrom('In', 'NotIn').map((operator) => ({ matchExpressions: [{ key: 'pod', operator, values }] })),
    ),
  fc.constantFrom('Exists', 'DoesNotExist').map((operator) => ({ matchExpressions: [{ key: 'app', operator }] })),
  fc.constant({ matchLabels: { pod: 'nobody' } }),
);
const anyNamespaceSelector: fc.Arbitrary<LabelSelector> = fc.oneof(
  fc.constant({}),
  fc.constantFrom(...namespaceNames).map((ns) => ({ matchLabels: { ns } })),
  fc.constantFrom('Exists', 'DoesNotExist').map((operator) => ({ matchExpressions: [{ key: 'team', operator }] })),
  fc
    .subarray([...namespaceNames], { minLength: 1 })
    .map((values) => ({ matchExpressions: [{ key: 'ns', operator: 'NotIn', values }] })),
);
const anyBlock = fc.constantFrom(
  { cidr: '0.0.0.0/0' },
  { cidr: '::/0' },
  { cidr: '10.42.0.0/16', except: ['10.42.1.0/24'] },
  { cidr: '10.42.0.0/24', except: ['10.42.0.8/29', '10.42.0.10/32'] },
  { cidr: '10.42.1.11/32' },
  { cidr: '198.51.100.0/24' },
  { cidr: 'fd42::/56', except: ['fd42:0:0:1::/64'] },
  { cidr: '10.42.1.0/24' },
);
const anyPeer: fc.Arbitrary<NetworkPolicyPeer> = fc.oneof(
  anyPodSelector.map((podSelector) => ({ podSelector })),
  anyNamespaceSelector.map((namespaceSelector) => ({ namespaceSelector })),
  fc.record({ podSelector: anyPodSelector, namespaceSelector: anyNamespaceSelector }),
  anyBlock.map((ipBlock) => ({ ipBlock })),
);
const anyPort: fc.Arbitrary<NetworkPolicyPort> = fc.oneof(
  fc.constantFrom('TCP', 'UDP', 'SCTP').map((protocol) => ({ protocol })),
  fc.record({ protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'), port: fc.constantFrom<number | string>(80, 81, 90) }),
  fc.constantFrom('serve-80', 'serve-81', 'web', 'nothing').map((port) => ({ protocol: 'TCP', port })),
  fc.constantFrom({ protocol: 'UDP', port: 'serve-udp' }, { protocol: 'SCTP', port: 'serve-sctp' }, { port: 80 }),
  fc.constantFrom({ port: 79, endPort: 80 }, { port: 81, endPort: 81 }, { port: 1, endPort: 65_535 }),
);
const anyRule = { peers: fc.array(anyPeer, { maxLength: 3 }), ports: fc.array(anyPort, { maxLength: 3 }) };

export const anyNetworkPolicy: fc.Arbitrary<NetworkPolicy> = fc
  .record({
    namespace: fc.constantFrom(...namespaceNames),
    podSelector: anyPodSelector,
    policyTypes: fc.option(fc.subarray(['Ingress', 'Egress'], { minLength: 1 }), { nil: undefined }),
    ingress: fc.array(fc.record(anyRule), { maxLength: 3 }),
    egress: fc.array(fc.record(anyRule), { maxLength: 3 }),
    id: fc.nat(1_000_000),
  })
  .map(({ namespace, podSelector, policyTypes, ingress, egress, id }) =>
    policy(namespace, `policy-${id}`, {
      podSelector,
      ...(policyTypes === undefined ? {} : { policyTypes }),
      ingress: ingress.map(({ peers, ports }) => ({ from: peers, ports })),
      egress: egress.map(({ peers, ports }) => ({ to: peers, ports })),
    }),
  );

const anyNamespacedPod = fc.record({ namespaceSelector: anyNamespaceSelector, podSelector: anyPodSelector });
const anyPodsPeer: fc.Arbitrary<ClusterPeer> = fc.oneof(
  anyNamespaceSelector.map((selector) => ({ namespaces: selector })),
  anyNamespacedPod.map((chosen) => ({ pods: chosen })),
);
const anyEgressPeer: fc.Arbitrary<ClusterPeer> = fc.oneof(
  anyPodsPeer,
  fc
    .subarray(['0.0.0.0/0', '::/0', '10.42.1.0/24', '198.51.100.0/24'], { minLength: 1 })
    .map((networks) => ({ networks })),
  fc
    .constantFrom<LabelSelector>({}, { matchLabels: { 'kubernetes.io/hostname': 'node-0' } })
    .map((found) => ({ nodes: found })),
);
const anyClusterPort = fc.constantFrom(
  {},
  { destinationPort: { number: 80 } },
  { destinationPort: { number: 81 } },
  { destinationPort: { range: { start: 70, end: 80 } } },
);
const anyProtocol: fc.Arbitrary<ClusterProtocol> = fc.oneof(
  anyClusterPort.map((tcp) => ({ tcp })),
  anyClusterPort.map((udp) => ({ udp })),
  anyClusterPort.map((sctp) => ({ sctp })),
  fc.constantFrom('serve-80', 'serve-81', 'serve-udp', 'web').map((name) => ({ destinationNamedPort: name })),
);
const anyAction = fc.constantFrom('Accept', 'Deny', 'Pass');

function anyClusterRule(side: 'from' | 'to'): fc.Arbitrary<ClusterRule> {
  return fc
    .record({
      action: anyAction,
      peers: fc.array(side === 'from' ? anyPodsPeer : anyEgressPeer, { minLength: 1, maxLength: 2 }),
      protocols: fc.option(fc.array(anyProtocol, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    })
    .map(({ action, peers, protocols }) => ({
      action: action as ClusterRule['action'],
      [side]: peers,
      ...(protocols === undefined ? {} : { protocols }),
    }));
}

/** Policies of one list have priorities of their own: what happens when two share one is for nobody to know. */
export const anyClusterPolicies: fc.Arbitrary<readonly ClusterNetworkPolicy[]> = fc
  .array(
    fc.record({
      tier: fc.constantFrom('Admin' as const, 'Baseline' as const),
      subject: anyPodsPeer,
      ingress: fc.array(anyClusterRule('from'), { maxLength: 3 }),
      egress: fc.array(anyClusterRule('to'), { maxLength: 3 }),
      rank: fc.nat(100),
    }),
    { maxLength: 4 },
  )
  .map((list) =>
    list.map(({ tier, subject, ingress, egress, rank }, index) =>
      clusterPolicy(`cluster-policy-${index}`, { tier, priority: rank * 5 + index, subject, ingress, egress }),
    ),
  );
