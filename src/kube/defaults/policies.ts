import type { Draft } from '../draft.ts';
import type {
  ClusterRoleBinding,
  CSIDriver,
  EndpointSlice,
  FlowSchema,
  IngressClass,
  NetworkPolicy,
  PriorityClass,
  PriorityLevelConfiguration,
  RbacV1Subject,
  RoleBinding,
  StorageClass,
} from '../types.gen.ts';

// Kinds whose defaults are a few lines each: networking, discovery, rbac, storage, scheduling, flow control.

export function setNetworkPolicyDefaults({ spec }: Draft<NetworkPolicy>): void {
  if (spec === undefined) return;
  if ((spec.policyTypes ?? []).length === 0) {
    spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
  }
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
    for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
  }
}

export function setIngressClassDefaults({ spec }: Draft<IngressClass>): void {
  if (spec?.parameters !== undefined) spec.parameters.scope ??= 'Cluster';
}

export function setEndpointSliceDefaults(slice: Draft<EndpointSlice>): void {
  for (const port of slice.ports ?? []) {
    port.name ??= '';
    port.protocol ??= 'TCP';
  }
}

const rbacGroup = 'rbac.authorization.k8s.io';

export function setRoleBindingDefaults(binding: Draft<RoleBinding> | Draft<ClusterRoleBinding>): void {
  if (!binding.roleRef.apiGroup) binding.roleRef.apiGroup = rbacGroup;
  for (const subject of binding.subjects ?? []) setSubjectDefaults(subject);
}

function setSubjectDefaults(subject: Draft<RbacV1Subject>): void {
  if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ??= rbacGroup;
}

export function setStorageClassDefaults(storageClass: Draft<StorageClass>): void {
  storageClass.reclaimPolicy ??= 'Delete';
  storageClass.volumeBindingMode ??= 'Immediate';
}

export function setCsiDriverDefaults({ spec }: Draft<CSIDriver>): void {
  spec.attachRequired ??= true;
  spec.podInfoOnMount ??= false;
  spec.storageCapacity ??= false;
  spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
  if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ['Persistent'];
  spec.requiresRepublish ??= false;
  spec.seLinuxMount ??= false;
}

export function setPriorityClassDefaults(priorityClass: Draft<PriorityClass>): void {
  priorityClass.preemptionPolicy ??= 'PreemptLowerPriority';
}

export function setFlowSchemaDefaults({ spec }: Draft<FlowSchema>): void {
  if (spec !== undefined && !spec.matchingPrecedence) spec.matchingPrecedence = 1000;
}

export function setPriorityLevelDefaults({ spec }: Draft<PriorityLevelConfiguration>): void {
  if (spec?.type === 'Exempt') spec.exempt ??= {};
  if (spec?.exempt !== undefined) {
    spec.exempt.nominalConcurrencyShares ??= 0;
    spec.exempt.lendablePercent ??= 0;
  }
  const limited = spec?.limited;
  if (limited === undefined) return;
  limited.nominalConcurrencyShares ??= 30;
  limited.lendablePercent ??= 0;
  const queuing = limited.limitResponse?.queuing;
  if (queuing === undefined) return;
  if (!queuing.queues) queuing.queues = 64;
  if (!queuing.handSize) queuing.handSize = 8;
  if (!queuing.queueLengthLimit) queuing.queueLengthLimit = 50;
}
