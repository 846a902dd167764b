import type { ClusterRole, ClusterRoleBinding } from '../../kube/types.gen.ts';
import { tunnels } from './tunnel-kind.ts';

/** The service accounts of kube-system as which the controllers act: their names. */
const accounts = ['tunnel-controller', 'tunnel-service-controller'] as const;

/** What the controllers need and no more. */
export const tunnelRole: ClusterRole = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'wherry:tunnel' },
  rules: [
    { apiGroups: [tunnels.group], resources: [tunnels.plural], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [tunnels.group], resources: [`${tunnels.plural}/status`], verbs: ['update', 'patch'] },
    { apiGroups: [''], resources: ['services'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['services/status'], verbs: ['update', 'patch'] },
    { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['get', 'create', 'patch', 'update'] },
  ],
};

export const tunnelBinding: ClusterRoleBinding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'wherry:tunnel' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'wherry:tunnel' },
  subjects: accounts.map((name) => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' })),
};
