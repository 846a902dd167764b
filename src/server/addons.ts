import type { Client } from '../client/client.ts';
import type { KubeObject } from '../kube/object.ts';
import type { Resource } from '../kube/resource.ts';
import {
  clusterrolebindings,
  clusterroles,
  configmaps,
  rolebindings,
  roles,
  serviceaccounts,
  services,
  storageclasses,
} from '../kube/resources.gen.ts';
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding, Service, ServiceAccount } from '../kube/types.gen.ts';
import { clusterNetworkPolicyDefinition } from '../network/policy/definition.ts';
import { defaultConfigMap, localPathClass } from '../storage/localpath/objects.ts';
import { familyOf } from './address-ranges.ts';
import { ensureDefinitions } from './definitions.ts';
import { ensureLatest, ensureThere } from './ensure.ts';
import { networkPolicyObjects } from './network-policy-objects.ts';
import type { ServerOptions } from './options.ts';

/** The service account as which the local-path controllers act; k3s's name. */
export const localPathAccount = 'local-path-provisioner-service-account';

/** Makes the objects that Wherry's own components need. Rights are those of this version; what users may change stays as it is. */
export async function ensureAddons(client: Client, options: ServerOptions): Promise<void> {
  const there = <T extends KubeObject>(resource: Resource<T>, object: T) => ensureThere(client, resource, object);
  const latest = <T extends KubeObject>(resource: Resource<T>, object: T) => ensureLatest(client, resource, object);
  const isOn = (component: string) => !options.disable.includes(component);
  // All at once: what waits for the disk waits together.
  await Promise.all([
    ...(isOn('coredns')
      ? [
          there(services, dnsService(options.clusterDns)),
          latest(clusterroles, dnsRole),
          latest(clusterrolebindings, dnsBinding),
          latest(roles, dnsConfigurationRole),
          latest(rolebindings, dnsConfigurationBinding),
          latest(clusterroles, nodeHostsRole),
          latest(clusterrolebindings, nodeHostsBinding),
          latest(roles, nodeHostsWriterRole),
          latest(rolebindings, nodeHostsWriterBinding),
        ]
      : []),
    ...(isOn('metrics-server') ? [latest(clusterroles, metricsReaderRole)] : []),
    ...(options.disableNetworkPolicy
      ? []
      : [
          ensureDefinitions(client, [clusterNetworkPolicyDefinition]),
          ...networkPolicyObjects.map(([resource, object]) => latest(resource, object)),
        ]),
    ...(isOn('local-storage')
      ? [
          there(serviceaccounts, localPathServiceAccount),
          latest(clusterroles, localPathRole),
          latest(clusterrolebindings, localPathBinding),
          there(configmaps, defaultConfigMap(options.defaultLocalStoragePath)),
          there(storageclasses, localPathClass),
        ]
      : []),
  ]);
}

/** Without a selector: each node answers the address itself, so there are no endpoints. */
function dnsService(clusterIPs: readonly string[]): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kube-dns',
      namespace: 'kube-system',
      labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
      annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9153' },
    },
    spec: {
      ...(clusterIPs[0] === undefined ? {} : { clusterIP: clusterIPs[0] }),
      clusterIPs,
      ipFamilies: clusterIPs.map(familyOf),
      ipFamilyPolicy: clusterIPs.length > 1 ? 'RequireDualStack' : 'SingleStack',
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
        { name: 'metrics', port: 9153, protocol: 'TCP' },
      ],
    },
  };
}

const nodeGroup = { kind: 'Group', name: 'system:nodes', apiGroup: 'rbac.authorization.k8s.io' };

/** Each node answers for the cluster: beside Services and endpoints, which it sees anyway, it must know which namespaces there are. */
const dnsRole: ClusterRole = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'system:coredns' },
  rules: [{ apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'watch'] }],
};

const dnsBinding: ClusterRoleBinding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'system:coredns' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:coredns' },
  subjects: [nodeGroup],
};

/** What the nodes are called, and what users add (k3s' names). */
const dnsConfigurationRole: Role = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'Role',
  metadata: { name: 'system:coredns', namespace: 'kube-system' },
  rules: [
    {
      apiGroups: [''],
      resources: ['configmaps'],
      resourceNames: ['coredns', 'coredns-custom'],
      verbs: ['get', 'list', 'watch'],
    },
  ],
};

const dnsConfigurationBinding: RoleBinding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { name: 'system:coredns', namespace: 'kube-system' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'system:coredns' },
  subjects: [nodeGroup],
};

/** The controller that writes what the nodes are called; k3s' account of CoreDNS. */
const dnsAccount = { kind: 'ServiceAccount', name: 'coredns', namespace: 'kube-system' };

const nodeHostsRole: ClusterRole = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'system:coredns-node-hosts' },
  rules: [{ apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] }],
};

const nodeHostsBinding: ClusterRoleBinding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'system:coredns-node-hosts' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:coredns-node-hosts' },
  subjects: [dnsAccount],
};

const nodeHostsWriterRole: Role = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'Role',
  metadata: { name: 'system:coredns-node-hosts', namespace: 'kube-system' },
  rules: [
    { apiGroups: [''], resources: ['configmaps'], verbs: ['create'] },
    {
      apiGroups: [''],
      resources: ['configmaps'],
      resourceNames: ['coredns'],
      verbs: ['get', 'list', 'watch', 'update', 'patch'],
    },
  ],
};

const nodeHostsWriterBinding: RoleBinding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { name: 'system:coredns-node-hosts', namespace: 'kube-system' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'system:coredns-node-hosts' },
  subjects: [dnsAccount],
};

/** Whoever may view, may see what pods and nodes use: metrics-server's role. */
const metricsReaderRole: ClusterRole = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: {
    name: 'system:aggregated-metrics-reader',
    labels: {
      'k8s-app': 'metrics-server',
      'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
      'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
      'rbac.authorization.k8s.io/aggregate-to-view': 'true',
    },
  },
  rules: [{ apiGroups: ['metrics.k8s.io'], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] }],
};

const localPathServiceAccount: ServiceAccount = {
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: localPathAccount, namespace: 'kube-system' },
};

const localPathRole: ClusterRole = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'local-path-provisioner-role' },
  rules: [
    { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['get', 'list', 'watch', 'patch', 'update'] },
    { apiGroups: [''], resources: ['persistentvolumes'], verbs: ['get', 'list', 'watch', 'create', 'delete'] },
    { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['storage.k8s.io'], resources: ['storageclasses'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['get', 'create', 'patch', 'update'] },
  ],
};

const localPathBinding: ClusterRoleBinding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'local-path-provisioner-bind' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'local-path-provisioner-role' },
  subjects: [{ kind: 'ServiceAccount', name: localPathAccount, namespace: 'kube-system' }],
};
