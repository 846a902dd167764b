import type { KubeObject } from '../../kube/object.ts';
import { apiVersionOf, type Resource } from '../../kube/resource.ts';
import type { Condition, CustomResourceDefinition } from '../../kube/types.gen.ts';

/** The loadBalancerClass of Services that a tunnel serves. */
export const tunnelClass = 'wherry.dev/tunnel';
/** On a Service: which Tunnel serves it; needed when there are several and none is the default. */
export const tunnelAnnotation = 'wherry.dev/tunnel';
/** On a Service: host names by which its HTTP port is served, with commas between, instead of by a port of its own. */
export const hostNamesAnnotation = 'wherry.dev/tunnel-hostnames';
/** On a Service: `v2` begins each TCP connection with a PROXY header. */
export const proxyProtocolAnnotation = 'wherry.dev/tunnel-proxy-protocol';

/** wherry.dev/v1alpha1 Tunnel: an exit, and what this cluster serves there besides its Services. */
export interface Tunnel extends KubeObject {
  readonly spec: {
    /** As `wherry tunnel client --remote`. */
    readonly remote: string;
    readonly tokenSecretRef: { readonly namespace: string; readonly name: string; readonly key?: string };
    /** The digest of the exit's key, `sha256//...`. */
    readonly pin?: string;
    /** Authorities that vouch for the exit's certificate; base64 of PEM. */
    readonly caBundle?: string;
    /** Allows a remote without encryption. */
    readonly insecure?: boolean;
    /** Serves the Services that name no Tunnel. */
    readonly default?: boolean;
    /** What Services show as their external address; the exit's own word, or its address, when absent. */
    readonly publicAddresses?: readonly string[];
    /** As `wherry tunnel client --upstream`; a host NAME.NAMESPACE.svc is a Service. */
    readonly upstreams?: readonly string[];
  };
  readonly status?: TunnelObjectStatus;
}

export interface TunnelObjectStatus {
  readonly conditions?: readonly Condition[];
  readonly addresses?: readonly string[];
  /** The digest of the key that the exit showed. */
  readonly pin?: string;
  readonly routes?: readonly { readonly id: string; readonly state: string; readonly message?: string }[];
}

export const tunnels: Resource<Tunnel> = {
  group: 'wherry.dev',
  version: 'v1alpha1',
  kind: 'Tunnel',
  plural: 'tunnels',
  singular: 'tunnel',
  listKind: 'TunnelList',
  namespaced: false,
  shortNames: ['tun'],
  categories: [],
  verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [
    { name: 'status', group: 'wherry.dev', version: 'v1alpha1', kind: 'Tunnel', verbs: ['get', 'patch', 'update'] },
  ],
  typeName: null,
};

const text = { type: 'string' } as const;
const texts = { type: 'array', items: text, maxItems: 500 } as const;

const schema = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['remote', 'tokenSecretRef'],
      properties: {
        remote: { ...text, minLength: 1, description: 'The exit: wss://HOST:PORT or HOST:PORT.' },
        tokenSecretRef: {
          type: 'object',
          description: 'The Secret with the token that the exit knows.',
          required: ['namespace', 'name'],
          properties: {
            namespace: { ...text, minLength: 1 },
            name: { ...text, minLength: 1 },
            key: { ...text, default: 'token' },
          },
        },
        pin: { ...text, pattern: '^sha256//[A-Za-z0-9+/]{43}=$', description: "The digest of the exit's key." },
        caBundle: { ...text, format: 'byte', description: "Authorities that vouch for the exit's certificate." },
        insecure: { type: 'boolean', description: 'Allows a remote without encryption (ws://).' },
        default: { type: 'boolean', description: 'Serves the Services that name no Tunnel.' },
        publicAddresses: { ...texts, maxItems: 16, description: 'What Services show as their external address.' },
        upstreams: { ...texts, description: 'URL, HOST=URL or PORT=tcp://HOST:PORT, as on the command line.' },
      },
    },
    status: {
      type: 'object',
      properties: {
        addresses: texts,
        pin: text,
        conditions: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['type'],
          items: {
            type: 'object',
            required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
            properties: {
              type: text,
              status: text,
              reason: text,
              message: text,
              lastTransitionTime: { ...text, format: 'date-time' },
              observedGeneration: { type: 'integer', format: 'int64' },
            },
          },
        },
        routes: {
          type: 'array',
          items: {
            type: 'object',
            required: ['id', 'state'],
            properties: { id: text, state: text, message: text },
          },
        },
      },
    },
  },
} as const;

export const tunnelDefinition: CustomResourceDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${tunnels.plural}.${tunnels.group}` },
  spec: {
    group: tunnels.group,
    scope: 'Cluster',
    names: {
      kind: tunnels.kind,
      listKind: tunnels.listKind,
      plural: tunnels.plural,
      singular: tunnels.singular,
      shortNames: tunnels.shortNames,
    },
    versions: [
      {
        name: tunnels.version,
        served: true,
        storage: true,
        schema: { openAPIV3Schema: schema },
        subresources: { status: {} },
        additionalPrinterColumns: [
          { name: 'Remote', type: 'string', jsonPath: '.spec.remote' },
          { name: 'Connected', type: 'string', jsonPath: '.status.conditions[?(@.type=="Connected")].status' },
          { name: 'Address', type: 'string', jsonPath: '.status.addresses[0]' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
      },
    ],
  },
};

/** `wherry.dev/v1alpha1`. */
export const tunnelApiVersion = apiVersionOf(tunnels);
