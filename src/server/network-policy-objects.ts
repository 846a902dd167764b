import type { KubeObject } from '../kube/object.ts';
import type { Resource } from '../kube/resource.ts';
import { clusterrolebindings, clusterroles, serviceaccounts } from '../kube/resources.gen.ts';
import { clusterPolicyAccount } from '../network/policy/cluster-policy-status.ts';

const group = 'policy.networking.k8s.io';
const roleName = `wherry:${clusterPolicyAccount}`;
const rbac = 'rbac.authorization.k8s.io';

/** The account of the controller that tells whether each can be enforced. */
export const networkPolicyObjects: readonly (readonly [Resource, KubeObject])[] = [
  [
    serviceaccounts,
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: clusterPolicyAccount, namespace: 'kube-system' } },
  ],
  [
    clusterroles,
    withMembers('ClusterRole', roleName, {
      rules: [
        { apiGroups: [group], resources: ['clusternetworkpolicies'], verbs: ['get', 'list', 'watch'] },
        { apiGroups: [group], resources: ['clusternetworkpolicies/status'], verbs: ['update', 'patch'] },
        { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['get', 'create', 'patch', 'update'] },
      ],
    }),
  ],
  [
    clusterrolebindings,
    withMembers('ClusterRoleBinding', roleName, {
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: roleName },
      subjects: [{ kind: 'ServiceAccount', name: clusterPolicyAccount, namespace: 'kube-system' }],
    }),
  ],
];

function withMembers(kind: string, name: string, members: Readonly<Record<string, unknown>>): KubeObject {
  return { apiVersion: `${rbac}/v1`, kind, metadata: { name }, ...members };
}
