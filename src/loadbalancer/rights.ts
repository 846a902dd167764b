import type { ClusterRole, ClusterRoleBinding } from '../kube/types.gen.ts';

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
