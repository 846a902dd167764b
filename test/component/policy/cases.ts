/**
 * Policies of the truth table. Those of Kubernetes' own network policy tests and of the network-policy-api's conformance
 * tests are among them, written anew from what their descriptions say that they check.
 */
import type {
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from '../../../src/kube/types.gen.ts';
import type {
  ClusterNetworkPolicy,
  ClusterPeer,
  ClusterProtocol,
  ClusterRule,
} from '../../../src/network/policy/cluster-network-policy.ts';
import { clusterPolicy, policy } from './worlds.ts';

export interface PolicyCase {
  readonly name: string;
  readonly networkPolicies: readonly NetworkPolicy[];
  readonly clusterPolicies: readonly ClusterNetworkPolicy[];
}

const pod = (...names: string[]): LabelSelector =>
  names.length === 1
    ? { matchLabels: { pod: names[0] ?? '' } }
    : { matchExpressions: [{ key: 'pod', operator: 'In', values: names }] };
const ns = (...names: string[]): LabelSelector =>
  names.length === 1
    ? { matchLabels: { ns: names[0] ?? '' } }
    : { matchExpressions: [{ key: 'ns', operator: 'In', values: names }] };
const tcp = (port: number | string, endPort?: number): NetworkPolicyPort => ({
  protocol: 'TCP',
  port,
  ...(endPort === undefined ? {} : { endPort }),
});
const udp = (port: number | string): NetworkPolicyPort => ({ protocol: 'UDP', port });
const sctp = (port: number | string): NetworkPolicyPort => ({ protocol: 'SCTP', port });

const ingress = (
  podSelector: LabelSelector,
  ...rules: readonly { from?: NetworkPolicyPeer[]; ports?: NetworkPolicyPort[] }[]
): NetworkPolicySpec => ({ podSelector, policyTypes: ['Ingress'], ingress: rules });
const egress = (
  podSelector: LabelSelector,
  ...rules: readonly { to?: NetworkPolicyPeer[]; ports?: NetworkPolicyPort[] }[]
): NetworkPolicySpec => ({ podSelector, policyTypes: ['Egress'], egress: rules });

/** One or several NetworkPolicies, in namespace x unless they say otherwise. */
function np(name: string, ...specs: readonly (NetworkPolicySpec | readonly [string, NetworkPolicySpec])[]): PolicyCase {
  const networkPolicies = specs.map((spec, index) => {
    const [namespace, inner] =
      'podSelector' in spec ? (['x', spec] as const) : (spec as readonly [string, NetworkPolicySpec]);
    return policy(namespace, `policy-${index}`, inner);
  });
  return { name, networkPolicies, clusterPolicies: [] };
}

const networkPolicyCases: readonly PolicyCase[] = [
  // Defaults.
  np('default deny ingress', ingress({})),
  np('default deny egress', egress({})),
  np('default deny all', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
  np(
    'default deny all in every namespace',
    ...['x', 'y', 'z'].map((one) => [one, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }] as const),
  ),
  np('types that are not said are ingress', { podSelector: pod('a') }),
  np('types that are not said are egress too, where it has rules', {
    podSelector: pod('a'),
    egress: [{ to: [{ podSelector: pod('b') }] }],
  }),
  np('allow all ingress', ingress({}, {})),
  np('allow all egress', egress({}, {})),
  np('a policy about nobody', ingress({ matchLabels: { pod: 'nobody' } })),
  np('allow all wins over deny all', ingress({}), ingress({}, {})),
  // Ingress by peers.
  np('from pods of the namespace by label', ingress(pod('a'), { from: [{ podSelector: pod('b') }] })),
  np('from pods of the namespace by expression', ingress(pod('a'), { from: [{ podSelector: pod('b', 'c') }] })),
  np('from any pod of the namespace', ingress(pod('a'), { from: [{ podSelector: {} }] })),
  np(
    'from pods without a label',
    ingress(pod('a'), { from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] } }] }),
  ),
  np(
    'from pods that do not have a value',
    ingress(pod('a'), {
      from: [{ podSelector: { matchExpressions: [{ key: 'pod', operator: 'NotIn', values: ['b'] }] } }],
    }),
  ),
  np('from another namespace by label', ingress(pod('a'), { from: [{ namespaceSelector: ns('y') }] })),
  np('from namespaces by expression', ingress(pod('a'), { from: [{ namespaceSelector: ns('y', 'z') }] })),
  np(
    'from namespaces by the name that each has as label',
    ingress(pod('a'), { from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'z' } } }] }),
  ),
  np(
    'from namespaces without a label',
    ingress({}, { from: [{ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] } }] }),
  ),
  np('from all namespaces, but not from outside', ingress({}, { from: [{ namespaceSelector: {} }] })),
  np(
    'from pods or namespaces',
    ingress(pod('a'), { from: [{ podSelector: pod('b') }, { namespaceSelector: ns('y') }] }),
  ),
  np('from pods in namespaces', ingress(pod('a'), { from: [{ podSelector: pod('b'), namespaceSelector: ns('y') }] })),
  np(
    'from several pairs of selectors',
    ingress(pod('a'), {
      from: [
        { podSelector: pod('b', 'c'), namespaceSelector: ns('y', 'z') },
        { podSelector: pod('c'), namespaceSelector: ns('x') },
      ],
    }),
  ),
  np(
    'from any pod of one other namespace',
    ingress(pod('a'), { from: [{ podSelector: {}, namespaceSelector: ns('y') }] }),
  ),
  np('not from other namespaces', ingress({}, { from: [{ podSelector: {} }] })),
  np('an empty list of peers is everybody', ingress(pod('a'), { from: [], ports: [tcp(80)] })),
  // Ports.
  np('by port', ingress(pod('a'), { from: [{ namespaceSelector: ns('y') }], ports: [tcp(81)] })),
  np(
    'stacked policies with one subject',
    ingress(pod('a'), { from: [{ namespaceSelector: ns('y') }], ports: [tcp(81)] }),
    ingress(pod('a'), { from: [{ namespaceSelector: ns('y') }], ports: [tcp(80)] }),
  ),
  np(
    'rules don’t mix peers and ports',
    ingress(
      pod('a'),
      { from: [{ namespaceSelector: ns('y') }], ports: [tcp(80)] },
      { from: [{ namespaceSelector: ns('z') }], ports: [udp(80)] },
    ),
  ),
  np('by named port', ingress(pod('a'), { ports: [tcp('serve-81')] })),
  np(
    'a name that has another number in another namespace',
    ...['x', 'y', 'z'].map((one) => [one, ingress({}, { ports: [tcp('serve-81')] })] as const),
  ),
  np('a name that nobody has', ingress(pod('a'), { ports: [tcp('nothing')] })),
  np('a name of another protocol', ingress(pod('a'), { ports: [tcp('serve-udp')] })),
  np(
    'by named port from a namespace',
    ingress(pod('a'), { from: [{ namespaceSelector: ns('y') }], ports: [tcp('serve-80')] }),
  ),
  np('named UDP and SCTP ports', ingress({}, { ports: [udp('serve-udp'), sctp('serve-sctp')] })),
  np('egress by named port', egress({}, { ports: [tcp('serve-80')] })),
  np('egress by a name that differs by pod', egress({}, { to: [{ namespaceSelector: {} }], ports: [tcp('serve-81')] })),
  np('a range of ports', ingress(pod('a'), { ports: [tcp(79, 80)] })),
  np('a range of one port', ingress(pod('a'), { ports: [tcp(81, 81)] })),
  np('several ports', ingress(pod('a'), { ports: [tcp(80), tcp(81), tcp(90, 95)] })),
  np(
    'egress to a range of ports',
    egress(pod('a'), { to: [{ podSelector: {}, namespaceSelector: {} }], ports: [tcp(81, 90)] }),
  ),
  np('a protocol without a port', ingress(pod('a'), { ports: [{ protocol: 'UDP' }] })),
  np('a port without a protocol is TCP', ingress(pod('a'), { ports: [{ port: 80 }] })),
  np('only UDP: not TCP', ingress(pod('a'), { ports: [udp(80)] })),
  np('only SCTP: not TCP', ingress(pod('a'), { ports: [sctp(80)] })),
  np('SCTP on another port isolates all the same', ingress(pod('a'), { ports: [sctp(90)] })),
  np('SCTP beside TCP does not open the other', ingress(pod('a'), { ports: [tcp(81)] }, { ports: [sctp(80)] })),
  // Egress.
  np('egress of one pod is denied', egress(pod('a'))),
  np('egress to pods of the namespace', egress(pod('a'), { to: [{ podSelector: pod('b') }] })),
  np(
    'egress to a pod in another namespace',
    egress(pod('a'), { to: [{ podSelector: pod('b'), namespaceSelector: ns('y') }] }),
  ),
  np('egress by port', egress({}, { ports: [tcp(80)] })),
  np('ingress and egress in one policy', {
    podSelector: pod('a'),
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: [{ namespaceSelector: {} }], ports: [tcp(80)] }],
    egress: [{ ports: [tcp(81)] }],
  }),
  np(
    'the client’s denial counts though the server allows',
    ['x', egress(pod('a'))],
    ['y', ingress({}, { from: [{ namespaceSelector: ns('x') }] })],
  ),
  np('the server’s denial counts though the client allows', ['x', egress(pod('a'), {})], ['y', ingress({})]),
  np(
    'ingress and egress are independent',
    ['x', ingress(pod('a'))],
    ['x', egress(pod('b'), { to: [{ podSelector: pod('c') }] })],
  ),
  // Networks.
  np('egress to one address', egress({}, { to: [{ ipBlock: { cidr: '10.42.1.11/32' } }] })),
  np(
    'egress to a network with an exception',
    egress({}, { to: [{ ipBlock: { cidr: '10.42.0.0/16', except: ['10.42.1.0/24'] } }] }),
  ),
  np(
    'an exception that another policy allows',
    egress({}, { to: [{ ipBlock: { cidr: '10.42.0.0/16', except: ['10.42.1.0/24'] } }] }),
    egress({}, { to: [{ ipBlock: { cidr: '10.42.1.11/32' } }] }),
  ),
  np('ingress from outside only', ingress({}, { from: [{ ipBlock: { cidr: '198.51.100.0/24' } }] })),
  np('ingress from anywhere in IPv4, not IPv6', ingress({}, { from: [{ ipBlock: { cidr: '0.0.0.0/0' } }] })),
  np('ingress from anywhere in IPv6, not IPv4', ingress({}, { from: [{ ipBlock: { cidr: '::/0' } }] })),
  np(
    'an IPv6 network with an exception',
    ingress(pod('a'), { from: [{ ipBlock: { cidr: 'fd42::/56', except: ['fd42:0:0:1::/64'] } }] }),
  ),
  np(
    'networks and pods in one rule',
    ingress(pod('a'), {
      from: [{ ipBlock: { cidr: '198.51.100.7/32' } }, { podSelector: pod('c') }],
      ports: [tcp(80)],
    }),
  ),
];

const admin = (
  name: string,
  priority: number,
  rules: Partial<Pick<ClusterNetworkPolicy['spec'], 'ingress' | 'egress' | 'subject'>>,
) => clusterPolicy(name, { tier: 'Admin', priority, subject: { namespaces: ns('x') }, ...rules });
const baseline = (
  name: string,
  priority: number,
  rules: Partial<Pick<ClusterNetworkPolicy['spec'], 'ingress' | 'egress' | 'subject'>>,
) => clusterPolicy(name, { tier: 'Baseline', priority, subject: { namespaces: {} }, ...rules });
const from = (
  action: ClusterRule['action'],
  peers: readonly ClusterPeer[],
  protocols?: readonly ClusterProtocol[],
): ClusterRule => ({
  action,
  from: peers,
  ...(protocols === undefined ? {} : { protocols }),
});
const to = (
  action: ClusterRule['action'],
  peers: readonly ClusterPeer[],
  protocols?: readonly ClusterProtocol[],
): ClusterRule => ({
  action,
  to: peers,
  ...(protocols === undefined ? {} : { protocols }),
});
const everybody: readonly ClusterPeer[] = [{ namespaces: {} }];
const cnp = (
  name: string,
  clusterPolicies: readonly ClusterNetworkPolicy[],
  ...networkPolicies: readonly NetworkPolicy[]
): PolicyCase => ({
  name,
  clusterPolicies,
  networkPolicies,
});

const clusterPolicyCases: readonly PolicyCase[] = [
  cnp('admin denies ingress from a namespace', [
    admin('p', 10, { ingress: [from('Deny', [{ namespaces: ns('y') }])] }),
  ]),
  cnp('admin denies egress to pods', [
    admin('p', 10, { egress: [to('Deny', [{ pods: { namespaceSelector: ns('y', 'z'), podSelector: pod('b') } }])] }),
  ]),
  cnp('the first rule decides', [
    admin('p', 10, { ingress: [from('Accept', [{ namespaces: ns('y') }]), from('Deny', everybody)] }),
  ]),
  cnp('the lower priority number decides', [
    admin('late', 20, { ingress: [from('Deny', everybody)] }),
    admin('early', 10, { ingress: [from('Accept', [{ namespaces: ns('z') }])] }),
  ]),
  cnp(
    'admin accepts what a NetworkPolicy denies',
    [admin('p', 10, { ingress: [from('Accept', [{ namespaces: ns('y') }])] })],
    policy('x', 'deny', ingress({})),
  ),
  cnp(
    'admin denies what a NetworkPolicy accepts',
    [admin('p', 10, { ingress: [from('Deny', [{ namespaces: ns('y') }])] })],
    policy('x', 'allow', ingress({}, {})),
  ),
  cnp(
    'pass leaves it to NetworkPolicy',
    [
      admin('early', 10, { ingress: [from('Pass', [{ namespaces: ns('y') }])] }),
      admin('late', 20, { ingress: [from('Deny', everybody)] }),
    ],
    policy('x', 'some', ingress(pod('a'), { from: [{ namespaceSelector: ns('y') }], ports: [tcp(80)] })),
  ),
  cnp(
    'pass goes by NetworkPolicy to the baseline',
    [admin('p', 10, { ingress: [from('Pass', everybody)] }), baseline('b', 10, { ingress: [from('Deny', everybody)] })],
    policy('x', 'some', ingress(pod('a'), { from: [{ podSelector: pod('b') }] })),
  ),
  cnp(
    'a baseline denies, but a NetworkPolicy overrides it',
    [baseline('b', 10, { ingress: [from('Deny', everybody)] })],
    policy('x', 'some', ingress(pod('a'), {})),
  ),
  cnp('a baseline’s pass ends in what is allowed', [
    baseline('b1', 10, { ingress: [from('Pass', [{ namespaces: ns('x') }])] }),
    baseline('b2', 20, { ingress: [from('Deny', everybody)] }),
  ]),
  cnp('a baseline denies egress to networks', [
    baseline('b', 10, {
      egress: [
        to('Accept', everybody, [{ tcp: { destinationPort: { number: 80 } } }]),
        to('Deny', [{ networks: ['0.0.0.0/0', '::/0'] }]),
      ],
    }),
  ]),
  cnp('protocols and ports', [
    admin('p', 10, {
      ingress: [
        from('Deny', everybody, [{ tcp: { destinationPort: { range: { start: 79, end: 80 } } } }, { sctp: {} }]),
      ],
    }),
  ]),
  cnp('a named port', [
    admin('p', 10, {
      subject: { namespaces: {} },
      ingress: [from('Deny', everybody, [{ destinationNamedPort: 'serve-81' }, { destinationNamedPort: 'serve-udp' }])],
    }),
  ]),
  cnp('a subject of pods', [
    admin('p', 10, {
      subject: { pods: { namespaceSelector: {}, podSelector: pod('c') } },
      ingress: [from('Deny', everybody)],
      egress: [to('Deny', everybody)],
    }),
  ]),
  cnp('networks are asked for pods too', [
    admin('p', 10, {
      egress: [to('Accept', [{ networks: ['10.42.0.0/24'] }]), to('Deny', [{ networks: ['10.42.0.0/16'] }])],
    }),
  ]),
];

export const cases: readonly PolicyCase[] = [...networkPolicyCases, ...clusterPolicyCases];
