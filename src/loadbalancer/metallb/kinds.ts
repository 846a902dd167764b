import type { KubeObject } from '../../kube/object.ts';
import type { Resource } from '../../kube/resource.ts';
import type { CustomResourceDefinition } from '../../kube/types.gen.ts';
import type {
  BFDProfile,
  BGPAdvertisement,
  BGPPeer,
  BGPSessionState,
  Community,
  IPAddressPool,
  L2Advertisement,
  ServiceBGPStatus,
  ServiceL2Status,
} from './types.ts';

/** Where MetalLB's users keep its configuration. */
export const metallbNamespace = 'metallb-system';
const group = 'metallb.io';

function kind<T extends KubeObject>(
  kindName: string,
  plural: string,
  singular: string,
  version = 'v1beta1',
  ownGroup = group,
): Resource<T> {
  return {
    ...{ group: ownGroup, version, kind: kindName, plural, singular, listKind: `${kindName}List`, namespaced: true },
    shortNames: [],
    categories: [],
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    subresources: [{ name: 'status', group: ownGroup, version, kind: kindName, verbs: ['get', 'patch', 'update'] }],
    typeName: null,
  };
}

export const ipAddressPools = kind<IPAddressPool>('IPAddressPool', 'ipaddresspools', 'ipaddresspool');
export const l2Advertisements = kind<L2Advertisement>('L2Advertisement', 'l2advertisements', 'l2advertisement');
export const bgpAdvertisements = kind<BGPAdvertisement>('BGPAdvertisement', 'bgpadvertisements', 'bgpadvertisement');
export const bgpPeers = kind<BGPPeer>('BGPPeer', 'bgppeers', 'bgppeer', 'v1beta2');
export const bfdProfiles = kind<BFDProfile>('BFDProfile', 'bfdprofiles', 'bfdprofile');
export const communities = kind<Community>('Community', 'communities', 'community');
export const serviceL2Statuses = kind<ServiceL2Status>('ServiceL2Status', 'servicel2statuses', 'servicel2status');
export const serviceBGPStatuses = kind<ServiceBGPStatus>('ServiceBGPStatus', 'servicebgpstatuses', 'servicebgpstatus');
/** Of MetalLB's FRR part: how a node's session with a peer stands. */
export const bgpSessionStates = kind<BGPSessionState>(
  ...(['BGPSessionState', 'bgpsessionstates', 'bgpsessionstate', 'v1beta1', 'frrk8s.metallb.io'] as const),
);

type Schema = NonNullable<
  NonNullable<CustomResourceDefinition['spec']['versions'][number]['schema']>['openAPIV3Schema']
>;
type Column = NonNullable<CustomResourceDefinition['spec']['versions'][number]['additionalPrinterColumns']>[number];

const text: Schema = { type: 'string' };
const flag: Schema = { type: 'boolean' };
const texts: Schema = { type: 'array', items: text };
const whole = (minimum: number, maximum: number): Schema => ({ type: 'integer', format: 'int64', minimum, maximum });
const structure = (properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema => ({
  type: 'object',
  properties,
  ...(required.length === 0 ? {} : { required }),
});
const list = (items: Schema): Schema => ({ type: 'array', items });

const selector: Schema = {
  ...structure({
    matchLabels: { type: 'object', additionalProperties: text },
    matchExpressions: list(structure({ key: text, operator: text, values: texts }, ['key', 'operator'])),
  }),
  'x-kubernetes-map-type': 'atomic',
};
const selectors = list(selector);

const condition = structure(
  {
    ...{ type: text, status: text, reason: text, message: text },
    observedGeneration: { type: 'integer', format: 'int64' },
    lastTransitionTime: { type: 'string', format: 'date-time' },
  },
  ['type', 'status'],
);
const conditions: Schema = {
  ...list(condition),
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type'],
};
const withConditions = structure({ conditions });

const asNumber = whole(0, 4_294_967_295);
const advertised = { ipAddressPools: texts, ipAddressPoolSelectors: selectors, nodeSelectors: selectors };
const oldPeer = {
  ...{ myASN: asNumber, peerASN: asNumber, peerAddress: text, sourceAddress: text, routerID: text },
  ...{ peerPort: { ...whole(0, 65_535), default: 179 }, holdTime: text, keepaliveTime: text, password: text },
  ...{ nodeSelectors: selectors, bfdProfile: text, ebgpMultiHop: flag },
};
const peer = {
  ...oldPeer,
  dynamicASN: { type: 'string', enum: ['internal', 'external'] },
  ...{ interface: text, connectTime: text, vrf: text, enableGracefulRestart: flag },
  ...{ disableMP: { ...flag, default: false }, dualStackAddressFamily: { ...flag, default: false } },
  passwordSecret: { ...structure({ name: text, namespace: text }), 'x-kubernetes-map-type': 'atomic' },
} satisfies Readonly<Record<string, Schema>>;
const milliseconds = whole(10, 60_000);
const served = { serviceName: text, serviceNamespace: text, node: text };

const column = (name: string, jsonPath: string, type = 'string'): Column => ({ name, jsonPath, type });
const serviceColumns = (node: string) => [
  column(node, '.status.node'),
  column('Service Name', '.status.serviceName'),
  column('Service Namespace', '.status.serviceNamespace'),
];
const peerColumns = [
  column('Address', '.spec.peerAddress'),
  column('ASN', '.spec.peerASN'),
  column('BFD Profile', '.spec.bfdProfile'),
  column('Multi Hops', '.spec.ebgpMultiHop'),
];

interface Version {
  readonly name: string;
  readonly storage: boolean;
  readonly spec: Schema;
  readonly status: Schema;
  readonly columns: readonly Column[];
  readonly deprecated?: string;
}

function definition(
  { group: ownGroup, kind: name, plural, singular, listKind }: Resource,
  versions: readonly Version[],
): CustomResourceDefinition {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${ownGroup}` },
    spec: {
      group: ownGroup,
      scope: 'Namespaced',
      names: { kind: name, plural, singular, listKind },
      versions: versions.map((version) => ({
        name: version.name,
        served: true,
        storage: version.storage,
        schema: { openAPIV3Schema: structure({ spec: version.spec, status: version.status }) },
        subresources: { status: {} },
        additionalPrinterColumns: version.columns,
        ...(version.deprecated === undefined ? {} : { deprecated: true, deprecationWarning: version.deprecated }),
      })),
    },
  };
}

const only = (spec: Schema, columns: readonly Column[], status: Schema = withConditions): readonly Version[] => [
  { name: 'v1beta1', storage: true, spec, status, columns },
];

const counted: Schema = { type: 'integer', format: 'int64' };

/** The definitions of these kinds: what `kubectl apply` of MetalLB's own examples needs. */
export const metallbDefinitions: readonly CustomResourceDefinition[] = [
  definition(
    ipAddressPools,
    only(
      structure(
        {
          addresses: texts,
          autoAssign: { ...flag, default: true },
          avoidBuggyIPs: { ...flag, default: false },
          serviceAllocation: structure({
            ...{ priority: { type: 'integer' }, namespaces: texts },
            ...{ namespaceSelectors: selectors, serviceSelectors: selectors },
          }),
        },
        ['addresses'],
      ),
      [
        column('Auto Assign', '.spec.autoAssign', 'boolean'),
        column('Avoid Buggy IPs', '.spec.avoidBuggyIPs', 'boolean'),
        column('Addresses', '.spec.addresses'),
      ],
      structure({
        ...{ assignedIPv4: counted, assignedIPv6: counted, availableIPv4: counted, availableIPv6: counted },
        conditions,
      }),
    ),
  ),
  definition(
    l2Advertisements,
    only(structure({ ...advertised, interfaces: texts }), [
      column('IPAddressPools', '.spec.ipAddressPools'),
      column('IPAddressPool Selectors', '.spec.ipAddressPoolSelectors'),
      column('Interfaces', '.spec.interfaces'),
      { ...column('Node Selectors', '.spec.nodeSelectors'), priority: 10 },
    ]),
  ),
  definition(
    bgpAdvertisements,
    only(
      structure({
        ...advertised,
        ...{
          aggregationLength: { ...whole(1, 32), default: 32 },
          aggregationLengthV6: { ...whole(1, 128), default: 128 },
        },
        ...{ localPref: whole(0, 4_294_967_295), communities: texts, peers: texts },
      }),
      [
        column('IPAddressPools', '.spec.ipAddressPools'),
        column('IPAddressPool Selectors', '.spec.ipAddressPoolSelectors'),
        column('Peers', '.spec.peers'),
        { ...column('Node Selectors', '.spec.nodeSelectors'), priority: 10 },
      ],
    ),
  ),
  definition(bgpPeers, [
    {
      name: 'v1beta1',
      storage: false,
      spec: structure(oldPeer, ['myASN', 'peerASN', 'peerAddress']),
      status: withConditions,
      columns: peerColumns,
      deprecated: 'v1beta1 is deprecated, please use v1beta2',
    },
    { name: 'v1beta2', storage: true, spec: structure(peer, ['myASN']), status: withConditions, columns: peerColumns },
  ]),
  definition(
    bfdProfiles,
    only(
      structure({
        ...{ receiveInterval: milliseconds, transmitInterval: milliseconds, echoInterval: milliseconds },
        ...{ detectMultiplier: whole(2, 255), echoMode: flag, passiveMode: flag, minimumTtl: whole(1, 254) },
      }),
      [
        column('Passive Mode', '.spec.passiveMode', 'boolean'),
        column('Transmit Interval', '.spec.transmitInterval', 'integer'),
        column('Receive Interval', '.spec.receiveInterval', 'integer'),
        column('Multiplier', '.spec.detectMultiplier', 'integer'),
      ],
    ),
  ),
  definition(communities, only(structure({ communities: list(structure({ name: text, value: text })) }), [])),
  definition(
    serviceL2Statuses,
    only(
      { type: 'object' },
      serviceColumns('Allocated Node'),
      structure({ ...served, interfaces: list(structure({ name: text })) }),
    ),
  ),
  definition(
    serviceBGPStatuses,
    only({ type: 'object' }, serviceColumns('Node'), structure({ ...served, peers: texts })),
  ),
  definition(
    bgpSessionStates,
    only(
      { type: 'object' },
      [
        ...[column('Node', '.status.node'), column('Peer', '.status.peer'), column('VRF', '.status.vrf')],
        ...[
          column('BGP', '.status.bgpStatus'),
          column('BFD', '.status.bfdStatus'),
          column('Message', '.status.message'),
        ],
      ],
      structure({ node: text, peer: text, vrf: text, bgpStatus: text, bfdStatus: text, message: text }),
    ),
  ),
];
