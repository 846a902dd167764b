import type { CustomResourceDefinition } from '../../kube/types.gen.ts';
import { clusternetworkpolicies } from './cluster-network-policy.ts';

/** The schema of ClusterNetworkPolicy as its project publishes it, with the peers and ports that are enforced here. */

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const rulesMax = 25;
const portNumber: Schema = { type: 'integer', format: 'int32', minimum: 1, maximum: 65_535 };

function object(description: string, properties: Schema, more: Schema = {}): Schema {
  return { type: 'object', description, properties, ...more };
}

const exactlyOne: Schema = { minProperties: 1, maxProperties: 1 };

function labelSelector(description: string): Schema {
  return object(
    description,
    {
      matchExpressions: {
        type: 'array',
        'x-kubernetes-list-type': 'atomic',
        items: object(
          'A requirement that labels must meet.',
          {
            key: { ...text, description: 'The label.' },
            operator: { ...text, description: 'In, NotIn, Exists or DoesNotExist.' },
            values: {
              type: 'array',
              items: text,
              'x-kubernetes-list-type': 'atomic',
              description: 'For In and NotIn.',
            },
          },
          { required: ['key', 'operator'] },
        ),
      },
      matchLabels: { type: 'object', additionalProperties: text },
    },
    { 'x-kubernetes-map-type': 'atomic' },
  );
}

const namespaces = labelSelector(
  'All pods of the namespaces that have these labels; pods on the host network are not among them.',
);
const namespacedPod = object(
  'Pods by their own and their namespaces’ labels; pods on the host network are not among them.',
  {
    namespaceSelector: labelSelector('Labels of namespaces; empty: all.'),
    podSelector: labelSelector('Labels of pods; empty: all.'),
  },
  { required: ['podSelector'] },
);

const port = object(
  'One port, or a range of ports.',
  {
    number: { ...portNumber, description: 'The port.' },
    range: object(
      'All ports from start to end.',
      { start: portNumber, end: portNumber },
      {
        required: ['end', 'start'],
        'x-kubernetes-validations': [
          { rule: 'self.start < self.end', message: 'Start port must be less than End port' },
        ],
      },
    ),
  },
  exactlyOne,
);

function protocol(name: string): Schema {
  return object(`${name} connections, of all ports or of some.`, { destinationPort: port });
}

const protocols: Schema = {
  type: 'array',
  description: 'What the connection must be of; absent: anything, ICMP included.',
  minItems: 1,
  maxItems: rulesMax,
  items: object(
    'One protocol or named port.',
    {
      tcp: protocol('TCP'),
      udp: protocol('UDP'),
      sctp: protocol('SCTP'),
      destinationNamedPort: { ...text, description: 'The name of a container port of the pod that is connected to.' },
    },
    exactlyOne,
  ),
};

const outsidePeers: Schema = {
  nodes: labelSelector('Addresses of the nodes that have these labels; empty: of all nodes.'),
  networks: {
    type: 'array',
    description: 'Addresses by prefix, those of pods included.',
    minItems: 1,
    maxItems: rulesMax,
    'x-kubernetes-list-type': 'set',
    items: {
      ...text,
      maxLength: 43,
      'x-kubernetes-validations': [{ rule: 'isCIDR(self)', message: 'Invalid CIDR format provided' }],
    },
  },
};

function rules(direction: 'ingress' | 'egress'): Schema {
  const side = direction === 'ingress' ? 'from' : 'to';
  const peers = { namespaces, pods: namespacedPod, ...(direction === 'egress' ? outsidePeers : {}) };
  return {
    type: 'array',
    description: `Rules for ${direction} of the chosen pods, of which the first that matches decides.`,
    maxItems: rulesMax,
    items: object(
      'What happens to connections with some peers.',
      {
        name: { ...text, maxLength: 100, description: 'What messages call the rule.' },
        action: {
          ...text,
          enum: ['Accept', 'Deny', 'Pass'],
          description: 'Accept or Deny decides; Pass leaves it to the next tier.',
        },
        [side]: {
          type: 'array',
          description: 'The peers; one of them must match.',
          minItems: 1,
          maxItems: rulesMax,
          items: object('Exactly one kind of peer.', peers, exactlyOne),
        },
        protocols,
      },
      { required: ['action', side] },
    ),
  };
}

const spec = object(
  'What the policy demands.',
  {
    tier: {
      ...text,
      enum: ['Admin', 'Baseline'],
      description:
        'Admin is asked before all NetworkPolicies; Baseline after them, for pods that none of them is about.',
    },
    priority: {
      type: 'integer',
      format: 'int32',
      minimum: 0,
      maximum: 1000,
      description: 'The policy with the lower number is asked first within its tier.',
    },
    subject: object('The pods that the policy is about.', { namespaces, pods: namespacedPod }, exactlyOne),
    ingress: rules('ingress'),
    egress: rules('egress'),
  },
  { required: ['priority', 'subject', 'tier'] },
);

const condition = object(
  'One fact about the policy.',
  {
    type: { ...text, maxLength: 316 },
    status: { ...text, enum: ['True', 'False', 'Unknown'] },
    reason: { ...text, minLength: 1, maxLength: 1024 },
    message: { ...text, maxLength: 32_768 },
    observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
    lastTransitionTime: { ...text, format: 'date-time' },
  },
  { required: ['lastTransitionTime', 'message', 'reason', 'status', 'type'] },
);

const status = object(
  'What was found of the policy.',
  {
    conditions: {
      type: 'array',
      items: condition,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    },
  },
  { required: ['conditions'] },
);

const { group, version, kind, listKind, plural, singular, shortNames } = clusternetworkpolicies;

/** The CustomResourceDefinition of ClusterNetworkPolicy. */
export const clusterNetworkPolicyDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: `${plural}.${group}`,
    annotations: {
      'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/network-policy-api/pull/300',
      'policy.networking.k8s.io/channel': 'standard',
    },
  },
  spec: {
    group,
    scope: 'Cluster',
    names: { kind, listKind, plural, singular, shortNames: [...shortNames] },
    versions: [
      {
        name: version,
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [
          { name: 'Tier', type: 'string', jsonPath: '.spec.tier' },
          { name: 'Priority', type: 'string', jsonPath: '.spec.priority' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: object(
            'A policy of the cluster’s administrator about the connections of pods.',
            { apiVersion: text, kind: text, metadata: { type: 'object' }, spec, status },
            { required: ['metadata', 'spec'] },
          ),
        },
      },
    ],
  },
} as unknown as CustomResourceDefinition;
