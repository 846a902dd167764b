import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../kube/types.gen.ts';
import { ingressNamespace } from './certificate-copies.ts';

/** The service account of kube-system as which the controller acts. */
export const ingressAccount = 'ingress-controller';

const rbac = 'rbac.authorization.k8s.io';
const watched = ['get', 'list', 'watch'] as const;
const controller = { kind: 'ServiceAccount', name: ingressAccount, namespace: 'kube-system' };
const nodes = { kind: 'Group', name: 'system:nodes', apiGroup: rbac };

/** What the controller needs and no more. */
export const controllerRole: ClusterRole = {
  ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name: 'wherry:ingress' } },
  rules: [
    { apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'ingressclasses'], verbs: [...watched] },
    { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['patch', 'update'] },
    { apiGroups: [''], resources: ['services', 'nodes', 'secrets'], verbs: [...watched] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: [...watched] },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['get', 'create', 'patch', 'update'] },
  ],
};

export const controllerBinding: ClusterRoleBinding = {
  ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'wherry:ingress' } },
  roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'wherry:ingress' },
  subjects: [controller],
};

/** Certificates are copied for the nodes. */
export const copierRole: Role = {
  ...{ apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { name: 'wherry:ingress', namespace: ingressNamespace } },
  rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['create', 'patch', 'update', 'delete'] }],
};

export const copierBinding: RoleBinding = {
  ...{
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name: 'wherry:ingress', namespace: ingressNamespace },
  },
  roleRef: { apiGroup: rbac, kind: 'Role', name: 'wherry:ingress' },
  subjects: [controller],
};

/** What each node needs beside what it sees anyway. */
export const nodeRole: ClusterRole = {
  ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name: 'wherry:ingress-node' } },
  rules: [{ apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'ingressclasses'], verbs: ['list', 'watch'] }],
};

export const nodeBinding: ClusterRoleBinding = {
  ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'wherry:ingress-node' } },
  roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'wherry:ingress-node' },
  subjects: [nodes],
};

export const nodeCertificatesRole: Role = {
  ...{ apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { name: 'wherry:ingress-node', namespace: ingressNamespace } },
  rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['list', 'watch'] }],
};

export const nodeCertificatesBinding: RoleBinding = {
  ...{
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name: 'wherry:ingress-node', namespace: ingressNamespace },
  },
  roleRef: { apiGroup: rbac, kind: 'Role', name: 'wherry:ingress-node' },
  subjects: [nodes],
};
