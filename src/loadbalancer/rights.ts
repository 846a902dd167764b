import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../kube/types.gen.ts';
import { metallbNamespace } from './metallb/kinds.ts';

/** The service accounts of kube-system as which the controllers act: their names. */
const accounts = ['service-load-balancer', 'load-balancer-configuration'] as const;
const watched = ['get', 'list', 'watch'] as const;
const events = { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['get', 'create', 'patch', 'update'] };

/** What the controllers need and no more. */
export const loadBalancerRole: ClusterRole = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'wherry:load-balancer' },
  rules: [
    { apiGroups: ['metallb.io'], resources: ['*'], verbs: [...watched] },
    {
      apiGroups: ['metallb.io'],
      resources: [
        'ipaddresspools',
        'l2advertisements',
        'bgpadvertisements',
        'bgppeers',
        'bfdprofiles',
        'communities',
      ].map((plural) => `${plural}/status`),
      verbs: ['patch', 'update'],
    },
    { apiGroups: [''], resources: ['services'], verbs: [...watched, 'patch', 'update'] },
    { apiGroups: [''], resources: ['services/status'], verbs: ['patch', 'update'] },
    { apiGroups: [''], resources: ['nodes', 'namespaces', 'configmaps'], verbs: [...watched] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: [...watched] },
    events,
  ],
};

export const loadBalancerBinding: ClusterRoleBinding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'wherry:load-balancer' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'wherry:load-balancer' },
  subjects: accounts.map((name) => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' })),
};

const nodes = { kind: 'Group', name: 'system:nodes', apiGroup: 'rbac.authorization.k8s.io' };

/** What each node needs to announce addresses: the configuration, and to say what it announces. */
export const announcerRole: ClusterRole = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'wherry:announcer' },
  rules: [
    { apiGroups: ['metallb.io'], resources: ['*'], verbs: [...watched] },
    {
      apiGroups: ['frrk8s.metallb.io'],
      resources: ['bgpsessionstates'],
      verbs: [...watched, 'create', 'delete'],
    },
    { apiGroups: ['frrk8s.metallb.io'], resources: ['bgpsessionstates/status'], verbs: ['patch', 'update'] },
    {
      apiGroups: ['metallb.io'],
      resources: ['servicel2statuses', 'servicebgpstatuses'],
      verbs: ['create', 'patch', 'update', 'delete'],
    },
    {
      apiGroups: ['metallb.io'],
      resources: ['servicel2statuses/status', 'servicebgpstatuses/status', 'bgppeers/status'],
      verbs: ['patch', 'update'],
    },
  ],
};

export const announcerBinding: ClusterRoleBinding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'wherry:announcer' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'wherry:announcer' },
  subjects: [nodes],
};

/** Passwords of BGP sessions are Secrets beside the configuration, which itself is a ConfigMap where it is an older one. */
export const announcerSecretsRole: Role = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'Role',
  metadata: { name: 'wherry:announcer', namespace: metallbNamespace },
  rules: [
    { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
    { apiGroups: [''], resources: ['configmaps'], verbs: [...watched] },
  ],
};

export const announcerSecretsBinding: RoleBinding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { name: 'wherry:announcer', namespace: metallbNamespace },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'wherry:announcer' },
  subjects: [nodes],
};
