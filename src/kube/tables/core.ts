import type { Table } from '../kind.ts';
import { ageOf } from '../kinds/name-and-age.ts';
import type {
  ComponentStatus,
  ConfigMap,
  Endpoints,
  Event,
  LimitRange,
  Namespace,
  Node,
  NodeSystemInfo,
  PersistentVolume,
  PersistentVolumeClaim,
  PodTemplate,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
} from '../types.gen.ts';
import { accessModesText, columnOf, containersAndImages, labelsText, nameColumn, none, tableWith } from './columns.ts';

export const componentStatusTable = tableWith<ComponentStatus>(['Status', 'Message', 'Error'], (o) => {
  const health = o.conditions?.find(({ type }) => type === 'Healthy');
  const status = health === undefined ? 'Unknown' : health.status === 'True' ? 'Healthy' : 'Unhealthy';
  return [status, health?.message ?? '', health?.error ?? ''];
});

export const configMapTable = tableWith<ConfigMap>(['Data', 'Age'], (o, age) => [
  Object.keys(o.data ?? {}).length + Object.keys(o.binaryData ?? {}).length,
  age(o.metadata.creationTimestamp),
]);

export const secretTable = tableWith<Secret>(['Type', 'Data', 'Age'], (o, age) => [
  o.type ?? '',
  Object.keys(o.data ?? {}).length,
  age(o.metadata.creationTimestamp),
]);

export const namespaceTable = tableWith<Namespace>(['Status', 'Age'], (o, age) => [
  o.status?.phase ?? '',
  age(o.metadata.creationTimestamp),
]);

export const limitRangeTable: Table<LimitRange> = {
  ...tableWith<LimitRange>(['Created At:date'], (o) => [o.metadata.creationTimestamp ?? null]),
  hasNullRows: true,
};

const endpointsShown = 3;

export const endpointsTable = tableWith<Endpoints>(['Endpoints', 'Age'], (o, age) => {
  const all = (o.subsets ?? []).flatMap(({ ports = [], addresses = [] }) =>
    ports.length === 0
      ? addresses.map((a) => a.ip)
      : ports.flatMap((port) => addresses.map((a) => `${hostOf(a.ip)}:${port.port}`)),
  );
  const more = all.length - endpointsShown;
  const text = all.slice(0, endpointsShown).join(',');
  return [all.length === 0 ? none : more > 0 ? `${text} + ${more} more...` : text, age(o.metadata.creationTimestamp)];
});

function hostOf(ip: string): string {
  return ip.includes(':') ? `[${ip}]` : ip;
}

export const podTemplateTable = tableWith<PodTemplate>(['Containers', 'Images', 'Pod Labels'], (o) => [
  ...containersAndImages(o.template?.spec),
  labelsText(o.template?.metadata?.labels),
]);

export const replicationControllerTable = tableWith<ReplicationController>(
  ['Desired:integer', 'Current:integer', 'Ready:integer', 'Age', 'Containers!', 'Images!', 'Selector!'],
  (o, age) => [
    o.spec?.replicas ?? 0,
    o.status?.replicas ?? 0,
    o.status?.readyReplicas ?? 0,
    age(o.metadata.creationTimestamp),
    ...containersAndImages(o.spec?.template?.spec),
    labelsText(o.spec?.selector),
  ],
);

export const resourceQuotaTable = tableWith<ResourceQuota>(['Request', 'Limit', 'Age'], (o, age) => {
  const requests: string[] = [];
  const limits: string[] = [];
  for (const [name, hard] of Object.entries(o.status?.hard ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    (name.startsWith('limits') ? limits : requests).push(`${name}: ${o.status?.used?.[name] ?? '0'}/${hard}`);
  }
  return [requests.join(', '), limits.join(', '), age(o.metadata.creationTimestamp)];
});

export const serviceTable = tableWith<Service>(
  ['Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age', 'Selector!'],
  (o, age) => [
    o.spec?.type ?? '',
    o.spec?.clusterIPs?.[0] || o.spec?.clusterIP || none,
    externalIp(o),
    servicePorts(o) || none,
    age(o.metadata.creationTimestamp),
    labelsText(o.spec?.selector),
  ],
);

function externalIp(service: Service): string {
  const external = service.spec?.externalIPs ?? [];
  switch (service.spec?.type) {
    case 'ExternalName':
      return service.spec.externalName ?? '';
    case 'LoadBalancer': {
      const given = (service.status?.loadBalancer?.ingress ?? [])
        .map((i) => i.ip || i.hostname || '')
        .filter((a) => a !== '');
      return [...new Set([...given, ...external])].join(',') || '<pending>';
    }
    default:
      return external.join(',') || none;
  }
}

function servicePorts(service: Service): string {
  return (service.spec?.ports ?? [])
    .map((p) => `${p.port}${p.nodePort ? `:${p.nodePort}` : ''}/${p.protocol ?? 'TCP'}`)
    .join(',');
}

// Nodes of all architectures look alike but for this.
function kernelText(info: NodeSystemInfo | undefined): string {
  const { kernelVersion = '', architecture = '' } = info ?? {};
  if (kernelVersion === '') return '<unknown>';
  return architecture === '' ? kernelVersion : `${kernelVersion} (${architecture})`;
}

export const nodeTable = tableWith<Node>(
  [
    'Status',
    'Roles',
    'Age',
    'Version',
    'Internal-IP!',
    'External-IP!',
    'OS-Image!',
    'Kernel-Version!',
    'Container-Runtime!',
  ],
  (o, age) => {
    const info = o.status?.nodeInfo;
    const address = (type: string) => o.status?.addresses?.find((a) => a.type === type)?.address ?? none;
    return [
      nodeStatus(o),
      nodeRoles(o) || none,
      age(o.metadata.creationTimestamp),
      info?.kubeletVersion ?? '',
      address('InternalIP'),
      address('ExternalIP'),
      info?.osImage || '<unknown>',
      kernelText(info),
      info?.containerRuntimeVersion || '<unknown>',
    ];
  },
);

function nodeStatus(node: Node): string {
  const ready = node.status?.conditions?.find((c) => c.type === 'Ready');
  const words = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
  if (node.spec?.unschedulable) words.push('SchedulingDisabled');
  return words.join(',');
}

function nodeRoles(node: Node): string {
  const prefix = 'node-role.kubernetes.io/';
  const roles = new Set<string>();
  for (const [label, value] of Object.entries(node.metadata.labels ?? {})) {
    if (label.startsWith(prefix) && label.length > prefix.length) roles.add(label.slice(prefix.length));
    else if (label === 'kubernetes.io/role' && value !== '') roles.add(value);
  }
  return [...roles].sort().join(',');
}

export const persistentVolumeTable = tableWith<PersistentVolume>(
  [
    'Capacity',
    'Access Modes',
    'Reclaim Policy',
    'Status',
    'Claim',
    'StorageClass',
    'VolumeAttributesClass',
    'Reason',
    'Age',
    'VolumeMode!',
  ],
  (o, age) => {
    const claim = o.spec?.claimRef;
    const phase = o.status?.phase ?? '';
    return [
      o.spec?.capacity?.['storage'] ?? '',
      accessModesText(o.spec?.accessModes),
      o.spec?.persistentVolumeReclaimPolicy ?? '',
      o.metadata.deletionTimestamp === undefined ? phase : 'Terminating',
      claim === undefined ? '' : `${claim.namespace}/${claim.name}`,
      o.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? o.spec?.storageClassName ?? '',
      o.spec?.volumeAttributesClassName || '<unset>',
      o.status?.reason ?? '',
      age(o.metadata.creationTimestamp),
      o.spec?.volumeMode ?? '<unset>',
    ];
  },
);

export const persistentVolumeClaimTable = tableWith<PersistentVolumeClaim>(
  ['Status', 'Volume', 'Capacity', 'Access Modes', 'StorageClass', 'VolumeAttributesClass', 'Age', 'VolumeMode!'],
  (o, age) => {
    const bound = (o.spec?.volumeName ?? '') !== '';
    return [
      o.metadata.deletionTimestamp === undefined ? (o.status?.phase ?? '') : 'Terminating',
      o.spec?.volumeName ?? '',
      bound ? (o.status?.capacity?.['storage'] ?? '0') : '',
      bound ? accessModesText(o.status?.accessModes) : '',
      o.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? o.spec?.storageClassName ?? '',
      o.spec?.volumeAttributesClassName || '<unset>',
      age(o.metadata.creationTimestamp),
      o.spec?.volumeMode ?? '<unset>',
    ];
  },
);

/** Events have their time first and their name last. */
export const eventTable: Table<Event> = {
  columns: [
    ...['Last Seen', 'Type', 'Reason', 'Object', 'Subobject!', 'Source!', 'Message', 'First Seen!', 'Count!'].map(
      columnOf,
    ),
    { ...nameColumn, priority: 1 },
  ],
  row(event, nowMs) {
    const since = (time: string | null | undefined) => ageOf(time, nowMs);
    const first = since(event.firstTimestamp ?? event.eventTime);
    const last =
      event.series !== undefined
        ? since(event.series.lastObservedTime)
        : since(event.lastTimestamp ?? event.firstTimestamp ?? event.eventTime);
    const { kind = '', name = '', fieldPath = '' } = event.involvedObject;
    const component = event.source?.component || event.reportingComponent || '';
    const host = event.source?.host || event.reportingInstance || '';
    return [
      last,
      event.type ?? '',
      event.reason ?? '',
      name === '' ? kind.toLowerCase() : `${kind.toLowerCase()}/${name}`,
      fieldPath,
      host === '' ? component : `${component}, ${host}`,
      (event.message ?? '').trim(),
      first,
      event.series?.count ?? event.count ?? 1,
      event.metadata.name ?? '',
    ];
  },
};
