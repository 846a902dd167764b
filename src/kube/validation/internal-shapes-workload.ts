/** Shapes of the internal types of workloads, nodes and services; the notation is explained in internal-form.ts. */
export const workloadShapes: Readonly<Record<string, string>> = {
  DeploymentStrategy: 'Type RollingUpdate:*RollingUpdateDeployment',
  RollingUpdateDeployment: 'MaxUnavailable% MaxSurge%',
  DaemonSetUpdateStrategy: 'Type RollingUpdate:*RollingUpdateDaemonSet',
  RollingUpdateDaemonSet: 'MaxUnavailable% MaxSurge%',
  StatefulSetUpdateStrategy: 'Type RollingUpdate:*RollingUpdateStatefulSetStrategy',
  RollingUpdateStatefulSetStrategy: 'Partition# MaxUnavailable?',
  // What an update of a StatefulSet may not change.
  StatefulSetFixedSpec:
    'Selector:*LabelSelector VolumeClaimTemplates:[PersistentVolumeClaim] ServiceName PodManagementPolicy',
  PersistentVolumeClaim: '...ObjectMeta Spec:PersistentVolumeClaimSpec Status:PersistentVolumeClaimStatus',
  PersistentVolumeClaimStatus:
    'Phase AccessModes~ Capacity~ Conditions~ AllocatedResources~ AllocatedResourceStatuses~',
  PodFailurePolicy: 'Rules:[PodFailurePolicyRule]',
  PodFailurePolicyRule:
    'Action OnExitCodes:*PodFailurePolicyOnExitCodesRequirement OnPodConditions:[PodFailurePolicyOnPodConditionsPattern]',
  PodFailurePolicyOnExitCodesRequirement: 'ContainerName? Operator Values~',
  PodFailurePolicyOnPodConditionsPattern: 'Type Status',
  SuccessPolicy: 'Rules:[SuccessPolicyRule]',
  SuccessPolicyRule: 'SucceededIndexes? SucceededCount?',
  UncountedTerminatedPods: 'Succeeded~ Failed~',
  ServicePort: 'Name Protocol AppProtocol? Port# TargetPort% NodePort#',
  Taint: 'Key Value Effect TimeAdded?',
  NodeAddress: 'Type Address',
  NodeConfigSource: 'ConfigMap:*ConfigMapNodeConfigSource',
  ConfigMapNodeConfigSource: 'Namespace Name UID ResourceVersion KubeletConfigKey',
  ScopeSelector: 'MatchExpressions:[ScopedResourceSelectorRequirement]',
  ScopedResourceSelectorRequirement: 'ScopeName Operator Values~',
  EventSource: 'Component Host',
};
