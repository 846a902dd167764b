import type { Table } from '../kind.ts';
import { humanDuration } from '../kinds/name-and-age.ts';
import type { KubeObject } from '../object.ts';
import type {
  APIService,
  CertificateSigningRequest,
  ClusterRoleBinding,
  CSIDriver,
  CSINode,
  EndpointSlice,
  FlowSchema,
  Ingress,
  IngressClass,
  IPAddress,
  Lease,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  NetworkPolicy,
  PriorityClass,
  PriorityLevelConfiguration,
  ResourceSlice,
  ResourceV1ResourceClaim,
  RuntimeClass,
  ServiceCIDR,
  StorageClass,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../types.gen.ts';
import { columnOf, none, selectorText, tableWith } from './columns.ts';

const unset = '<unset>';

export const createdAtTable: Table = {
  ...tableWith<KubeObject>(['Created At:date'], (o) => [o.metadata.creationTimestamp ?? null]),
  hasNullRows: true,
};

export const apiServiceTable = tableWith<APIService>(['Service', 'Available', 'Age'], (o, age) => {
  const service = o.spec?.service;
  const available = o.status?.conditions?.find((c) => c.type === 'Available');
  const state =
    available === undefined ? 'Unknown' : available.status === 'True' ? 'True' : `False (${available.reason})`;
  return [
    service === undefined ? 'Local' : `${service.namespace}/${service.name}`,
    state,
    age(o.metadata.creationTimestamp),
  ];
});

export const certificateSigningRequestTable = tableWith<CertificateSigningRequest>(
  ['Age', 'SignerName', 'Requestor', 'RequestedDuration', 'Condition'],
  (o, age) => {
    const types = (o.status?.conditions ?? []).map((c) => c.type);
    const words = [types.includes('Denied') ? 'Denied' : types.includes('Approved') ? 'Approved' : 'Pending'];
    if (types.includes('Failed')) words.push('Failed');
    if (o.status?.certificate) words.push('Issued');
    const seconds = o.spec?.expirationSeconds;
    return [
      age(o.metadata.creationTimestamp),
      o.spec?.signerName ?? '',
      o.spec?.username ?? '',
      seconds === undefined ? none : humanDuration(seconds * 1000),
      words.join(','),
    ];
  },
);

export const ingressClassTable = tableWith<IngressClass>(['Controller', 'Parameters', 'Age'], (o, age) => {
  const p = o.spec?.parameters;
  const text = p === undefined ? none : `${p.kind}${p.apiGroup ? `.${p.apiGroup}` : ''}/${p.name}`;
  return [o.spec?.controller ?? '', text, age(o.metadata.creationTimestamp)];
});

export const ingressTable = tableWith<Ingress>(['Class', 'Hosts', 'Address', 'Ports', 'Age'], (o, age) => {
  const hosts = [...new Set((o.spec?.rules ?? []).map((r) => r.host ?? '').filter((h) => h !== ''))];
  const shown = hosts.length > 3 ? `${hosts.slice(0, 3).join(',')} + ${hosts.length - 3} more...` : hosts.join(',');
  const addresses = (o.status?.loadBalancer?.ingress ?? [])
    .map((i) => i.ip || i.hostname || '')
    .filter((a) => a !== '');
  return [
    o.spec?.ingressClassName ?? none,
    shown || '*',
    addresses.join(','),
    (o.spec?.tls ?? []).length > 0 ? '80, 443' : '80',
    age(o.metadata.creationTimestamp),
  ];
});

export const ipAddressTable = tableWith<IPAddress>(['ParentRef'], (o) => {
  const p = o.spec?.parentRef;
  return [p === undefined ? none : [p.group, p.resource, p.namespace, p.name].filter(Boolean).join('/')];
});

export const networkPolicyTable = tableWith<NetworkPolicy>(['Pod-Selector', 'Age'], (o, age) => [
  selectorText(o.spec?.podSelector),
  age(o.metadata.creationTimestamp),
]);

export const serviceCidrTable = tableWith<ServiceCIDR>(['CIDRs', 'Age'], (o, age) => [
  (o.spec?.cidrs ?? []).join(','),
  age(o.metadata.creationTimestamp),
]);

export const roleBindingTable = tableWith<ClusterRoleBinding>(
  ['Role', 'Age', 'Users!', 'Groups!', 'ServiceAccounts!'],
  (o, age) => {
    const of = (kind: string) => (o.subjects ?? []).filter((s) => s.kind === kind);
    return [
      `${o.roleRef.kind}/${o.roleRef.name}`,
      age(o.metadata.creationTimestamp),
      of('User')
        .map((s) => s.name)
        .join(', '),
      of('Group')
        .map((s) => s.name)
        .join(', '),
      of('ServiceAccount')
        .map((s) => `${s.namespace}/${s.name}`)
        .join(', '),
    ];
  },
);

export const csiDriverTable = tableWith<CSIDriver>(
  [
    'AttachRequired:boolean',
    'PodInfoOnMount:boolean',
    'StorageCapacity:boolean',
    'TokenRequests',
    'RequiresRepublish:boolean',
    'Modes',
    'Age',
  ],
  (o, age) => [
    o.spec.attachRequired ?? true,
    o.spec.podInfoOnMount ?? false,
    o.spec.storageCapacity ?? false,
    (o.spec.tokenRequests ?? []).map((t) => t.audience).join(',') || unset,
    o.spec.requiresRepublish ?? false,
    (o.spec.volumeLifecycleModes ?? []).join(',') || none,
    age(o.metadata.creationTimestamp),
  ],
);

export const csiNodeTable = tableWith<CSINode>(['Drivers:integer', 'Age'], (o, age) => [
  o.spec.drivers?.length ?? 0,
  age(o.metadata.creationTimestamp),
]);

export const storageClassTable = tableWith<StorageClass>(
  ['Provisioner', 'ReclaimPolicy', 'VolumeBindingMode', 'AllowVolumeExpansion', 'Age'],
  (o, age) => [
    o.provisioner,
    o.reclaimPolicy ?? 'Delete',
    o.volumeBindingMode ?? unset,
    o.allowVolumeExpansion ?? false,
    age(o.metadata.creationTimestamp),
  ],
);

export const volumeAttachmentTable = tableWith<VolumeAttachment>(
  ['Attacher', 'PV', 'Node', 'Attached:boolean', 'Age'],
  (o, age) => [
    o.spec.attacher,
    o.spec.source.persistentVolumeName ?? '',
    o.spec.nodeName,
    o.status?.attached ?? false,
    age(o.metadata.creationTimestamp),
  ],
);

export const volumeAttributesClassTable = tableWith<VolumeAttributesClass>(['DriverName', 'Age'], (o, age) => [
  o.driverName,
  age(o.metadata.creationTimestamp),
]);

export const webhooksTable = tableWith<MutatingWebhookConfiguration>(['Webhooks:integer', 'Age'], (o, age) => [
  o.webhooks?.length ?? 0,
  age(o.metadata.creationTimestamp),
]);

function paramKind(kind: { readonly apiVersion?: string; readonly kind?: string } | undefined): string {
  return kind === undefined ? unset : kind.apiVersion ? `${kind.apiVersion}/${kind.kind}` : (kind.kind ?? '');
}

export const mutatingPolicyTable = tableWith<MutatingAdmissionPolicy>(
  ['Mutations:integer', 'ParamKind', 'Age'],
  (o, age) => [o.spec?.mutations?.length ?? 0, paramKind(o.spec?.paramKind), age(o.metadata.creationTimestamp)],
);

export const validatingPolicyTable = tableWith<ValidatingAdmissionPolicy>(
  ['Validations:integer', 'ParamKind', 'Age'],
  (o, age) => [o.spec?.validations?.length ?? 0, paramKind(o.spec?.paramKind), age(o.metadata.creationTimestamp)],
);

export const policyBindingTable = tableWith<ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding>(
  ['PolicyName', 'ParamRef', 'Age'],
  (o, age) => {
    const ref = o.spec?.paramRef;
    const text =
      ref === undefined
        ? unset
        : ref.name
          ? ref.namespace
            ? `${ref.namespace}/${ref.name}`
            : `*/${ref.name}`
          : selectorText(ref.selector);
    return [o.spec?.policyName ?? '', text, age(o.metadata.creationTimestamp)];
  },
);

export const priorityClassTable = tableWith<PriorityClass>(
  ['Value:integer', 'Global-Default:boolean', 'Age', 'PreemptionPolicy'],
  (o, age) => [o.value ?? 0, o.globalDefault ?? false, age(o.metadata.creationTimestamp), o.preemptionPolicy ?? ''],
);

export const leaseTable = tableWith<Lease>(['Holder', 'Age'], (o, age) => [
  o.spec?.holderIdentity ?? '',
  age(o.metadata.creationTimestamp),
]);

export const runtimeClassTable = tableWith<RuntimeClass>(
  [{ ...columnOf('Handler'), description: '' }, 'Age'],
  (o, age) => [o.handler, age(o.metadata.creationTimestamp)],
);

const itemsShown = 3;

function firstFew(items: readonly string[], otherwise: string): string {
  if (items.length === 0) return otherwise;
  const more = items.length - itemsShown;
  return more > 0 ? `${items.slice(0, itemsShown).join(',')} + ${more} more...` : items.join(',');
}

export const endpointSliceTable = tableWith<EndpointSlice>(['AddressType', 'Ports', 'Endpoints', 'Age'], (o, age) => {
  const ports = (o.ports ?? []).map((p) => (p.port === undefined ? '*' : String(p.port)));
  const named = (o.ports ?? []).some((p) => p.port !== undefined);
  return [
    o.addressType,
    named ? firstFew(ports, unset) : unset,
    firstFew(
      (o.endpoints ?? []).flatMap((e) => e.addresses),
      unset,
    ),
    age(o.metadata.creationTimestamp),
  ];
});

export const resourceClaimTable = tableWith<ResourceV1ResourceClaim>(['State', 'Age'], (o, age) => {
  const words: string[] = [];
  if (o.metadata.deletionTimestamp !== undefined) words.push('deleted');
  if (o.status?.allocation === undefined) {
    if (words.length === 0) words.push('pending');
  } else {
    words.push('allocated');
    if ((o.status.reservedFor ?? []).length > 0) words.push('reserved');
  }
  return [words.join(','), age(o.metadata.creationTimestamp)];
});

export const resourceSliceTable = tableWith<ResourceSlice>(['Node', 'Driver', 'Pool', 'Age'], (o, age) => [
  o.spec.nodeName ?? '',
  o.spec.driver,
  o.spec.pool.name,
  age(o.metadata.creationTimestamp),
]);

export const flowSchemaTable = tableWith<FlowSchema>(
  ['PriorityLevel', 'MatchingPrecedence', 'DistinguisherMethod', 'Age', 'MissingPL'],
  (o, age) => [
    o.spec?.priorityLevelConfiguration.name ?? '',
    o.spec?.matchingPrecedence ?? 0,
    o.spec?.distinguisherMethod?.type ?? none,
    age(o.metadata.creationTimestamp),
    o.status?.conditions?.find((c) => c.type === 'Dangling')?.status ?? '?',
  ],
);

export const priorityLevelTable = tableWith<PriorityLevelConfiguration>(
  ['Type', 'NominalConcurrencyShares', 'Queues', 'HandSize', 'QueueLengthLimit', 'Age'],
  (o, age) => {
    const limited = o.spec?.limited;
    const queuing = limited?.limitResponse?.queuing;
    return [
      o.spec?.type ?? '',
      limited?.nominalConcurrencyShares ?? none,
      queuing?.queues ?? none,
      queuing?.handSize ?? none,
      queuing?.queueLengthLimit ?? none,
      age(o.metadata.creationTimestamp),
    ];
  },
);
