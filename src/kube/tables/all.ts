import type { Table } from '../kind.ts';
import type { Resource } from '../resource.ts';
import * as core from './core.ts';
import * as others from './others.ts';
import { podTable } from './pod.ts';
import * as workloads from './workloads.ts';

/** The tables of the built-in resources, by `plural.group`, the same for all versions. Kinds that are absent show name and age. */
const tables: Readonly<Record<string, Table<never>>> = {
  'configmaps.': core.configMapTable,
  'endpoints.': core.endpointsTable,
  'events.': core.eventTable,
  'limitranges.': core.limitRangeTable,
  'namespaces.': core.namespaceTable,
  'nodes.': core.nodeTable,
  'persistentvolumeclaims.': core.persistentVolumeClaimTable,
  'persistentvolumes.': core.persistentVolumeTable,
  'pods.': podTable,
  'podtemplates.': core.podTemplateTable,
  'replicationcontrollers.': core.replicationControllerTable,
  'resourcequotas.': core.resourceQuotaTable,
  'secrets.': core.secretTable,
  'services.': core.serviceTable,
  'controllerrevisions.apps': workloads.controllerRevisionTable,
  'daemonsets.apps': workloads.daemonSetTable,
  'deployments.apps': workloads.deploymentTable,
  'replicasets.apps': workloads.replicaSetTable,
  'statefulsets.apps': workloads.statefulSetTable,
  'horizontalpodautoscalers.autoscaling': workloads.horizontalPodAutoscalerTable,
  'cronjobs.batch': workloads.cronJobTable,
  'jobs.batch': workloads.jobTable,
  'poddisruptionbudgets.policy': workloads.podDisruptionBudgetTable,
  'apiservices.apiregistration.k8s.io': others.apiServiceTable,
  'certificatesigningrequests.certificates.k8s.io': others.certificateSigningRequestTable,
  'clusterrolebindings.rbac.authorization.k8s.io': others.roleBindingTable,
  'clusterroles.rbac.authorization.k8s.io': others.createdAtTable,
  'csidrivers.storage.k8s.io': others.csiDriverTable,
  'csinodes.storage.k8s.io': others.csiNodeTable,
  'csistoragecapacities.storage.k8s.io': others.createdAtTable,
  'customresourcedefinitions.apiextensions.k8s.io': others.createdAtTable,
  'endpointslices.discovery.k8s.io': others.endpointSliceTable,
  'flowschemas.flowcontrol.apiserver.k8s.io': others.flowSchemaTable,
  'ingressclasses.networking.k8s.io': others.ingressClassTable,
  'ingresses.networking.k8s.io': others.ingressTable,
  'ipaddresses.networking.k8s.io': others.ipAddressTable,
  'leases.coordination.k8s.io': others.leaseTable,
  'mutatingadmissionpolicies.admissionregistration.k8s.io': others.mutatingPolicyTable,
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': others.policyBindingTable,
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': others.webhooksTable,
  'networkpolicies.networking.k8s.io': others.networkPolicyTable,
  'priorityclasses.scheduling.k8s.io': others.priorityClassTable,
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': others.priorityLevelTable,
  'resourceclaims.resource.k8s.io': others.resourceClaimTable,
  'resourceslices.resource.k8s.io': others.resourceSliceTable,
  'rolebindings.rbac.authorization.k8s.io': others.roleBindingTable,
  'roles.rbac.authorization.k8s.io': others.createdAtTable,
  'runtimeclasses.node.k8s.io': others.runtimeClassTable,
  'servicecidrs.networking.k8s.io': others.serviceCidrTable,
  'storageclasses.storage.k8s.io': others.storageClassTable,
  'validatingadmissionpolicies.admissionregistration.k8s.io': others.validatingPolicyTable,
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': others.policyBindingTable,
  'validatingwebhookconfigurations.admissionregistration.k8s.io': others.webhooksTable,
  'volumeattachments.storage.k8s.io': others.volumeAttachmentTable,
  'volumeattributesclasses.storage.k8s.io': others.volumeAttributesClassTable,
};

/** The table of a built-in resource, if it has one of its own. */
export function tableOf(resource: Resource): Table<never> | undefined {
  return tables[`${resource.plural}.${resource.group}`];
}
