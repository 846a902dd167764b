import type { Client } from '../../client/client.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Resource } from '../../kube/resource.ts';
import { clusterrolebindings, clusterroles, configmaps, rolebindings, roles } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  PolicyRule,
  RbacV1Subject,
  Role,
  RoleBinding,
} from '../../kube/types.gen.ts';
import { localPathAccount } from '../addons.ts';
import { ensureLatest } from '../ensure.ts';
import type { ServerOptions } from '../options.ts';
import { encodeSettings, settingsKey } from './cluster-settings.ts';
import { joinPath, tokenStatePath } from './gate.ts';
import { joinGroup } from './join-group.ts';

const rbac = 'rbac.authorization.k8s.io';
const apiVersion = `${rbac}/v1`;
const namespace = 'kube-system';
const group = (name: string): RbacV1Subject => ({ apiGroup: rbac, kind: 'Group', name });
const allNodes = group('system:nodes');
const anybody = [group('system:authenticated'), group('system:unauthenticated')];

/**
 * What machines need so that they can join and then act as nodes: rights to ask for certificates, as kubeadm grants them,
 * and to read what the node's network needs. Written anew at each start, so that a newer version's rights come into force.
 */
export async function ensureJoinObjects(client: Client, options: ServerOptions): Promise<void> {
  const objects: readonly (readonly [Resource, KubeObject])[] = [
    [configmaps, settingsMap(options)],
    // The door for those who have no more than a token.
    [
      clusterroles,
      clusterRole('wherry:public-certificates', [
        { nonResourceURLs: ['/cacerts'], verbs: ['get'] },
        { nonResourceURLs: [tokenStatePath], verbs: ['post'] },
      ]),
    ],
    [clusterroles, clusterRole('wherry:node-join', [{ nonResourceURLs: [joinPath], verbs: ['post'] }])],
    [clusterrolebindings, clusterBinding('wherry:node-join', 'wherry:node-join', [group(joinGroup), allNodes])],
    [clusterrolebindings, clusterBinding('wherry:public-certificates', 'wherry:public-certificates', anybody)],
    [clusterrolebindings, clusterBinding('wherry:kubelet-bootstrap', 'system:node-bootstrapper', [group(joinGroup)])],
    [
      clusterrolebindings,
      clusterBinding('wherry:node-autoapprove-certificate-rotation', `${requestsRole}:selfnodeclient`, [allNodes]),
    ],
    [clusterroles, clusterRole('wherry:kubelet-serving-approver', [approveServing])],
    [
      clusterrolebindings,
      clusterBinding('wherry:kubelet-serving-approver', 'wherry:kubelet-serving-approver', [
        { kind: 'ServiceAccount', name: 'certificate-controller', namespace },
      ]),
    ],
    [roles, role('wherry:node-password-controller', [removeSecrets])],
    [
      rolebindings,
      binding('wherry:node-password-controller', 'wherry:node-password-controller', [
        { kind: 'ServiceAccount', name: 'node-password-controller', namespace },
      ]),
    ],
    // Services, DNS and policies on each node follow the endpoints and the pods of the whole cluster.
    [
      clusterroles,
      clusterRole('wherry:node-network', [
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
        { apiGroups: [''], resources: ['nodes', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['list', 'watch'] },
        {
          apiGroups: ['policy.networking.k8s.io'],
          resources: ['clusternetworkpolicies'],
          verbs: ['list', 'watch'],
        },
      ]),
    ],
    [clusterrolebindings, clusterBinding('wherry:node-network', 'wherry:node-network', [allNodes])],
    [roles, role('wherry:node-settings', [readSettings])],
    [rolebindings, binding('wherry:node-settings', 'wherry:node-settings')],
    // Each node makes and removes its own local-path volumes, as the account that has the rights for it.
    [roles, role('wherry:node-local-path', options.disable.includes('local-storage') ? [] : [actAsLocalPath])],
    [rolebindings, binding('wherry:node-local-path', 'wherry:node-local-path')],
  ];
  await Promise.all(objects.map(([resource, object]) => ensureLatest(client, resource, object)));
  await withdraw(client, clusterrolebindings, 'wherry:node-autoapprove-bootstrap');
}

const requestsRole = 'system:certificates.k8s.io:certificatesigningrequests';
const approveServing: PolicyRule = {
  apiGroups: ['certificates.k8s.io'],
  resources: ['signers'],
  resourceNames: ['kubernetes.io/kubelet-serving'],
  verbs: ['approve'],
};
const removeSecrets: PolicyRule = { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'delete'] };
const readSettings: PolicyRule = {
  apiGroups: [''],
  resources: ['configmaps'],
  resourceNames: [settingsKey.name, 'extension-apiserver-authentication'],
  verbs: ['get'],
};
const actAsLocalPath: PolicyRule = {
  apiGroups: [''],
  resources: ['serviceaccounts'],
  resourceNames: [localPathAccount],
  verbs: ['impersonate'],
};

function settingsMap(options: ServerOptions): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...settingsKey }, data: { ...encodeSettings(options) } };
}

function clusterRole(name: string, rules: PolicyRule[]): ClusterRole {
  return { apiVersion, kind: 'ClusterRole', metadata: { name }, rules };
}

function role(name: string, rules: PolicyRule[]): Role {
  return { apiVersion, kind: 'Role', metadata: { name, namespace }, rules };
}

function clusterBinding(name: string, roleName: string, subjects: RbacV1Subject[]): ClusterRoleBinding {
  const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name: roleName };
  return { apiVersion, kind: 'ClusterRoleBinding', metadata: { name }, roleRef, subjects };
}

function binding(name: string, roleName: string, subjects: RbacV1Subject[] = [allNodes]): RoleBinding {
  const roleRef = { apiGroup: rbac, kind: 'Role', name: roleName };
  return { apiVersion, kind: 'RoleBinding', metadata: { name, namespace }, roleRef, subjects };
}

/** A right that earlier versions gave: with a token alone, a machine could become any node. */
async function withdraw(client: Client, resource: Resource, name: string): Promise<void> {
  await client.delete(resource, { name }).catch((error: unknown) => {
    if (!isReason(error, 'NotFound')) throw error;
  });
}
