/** Shapes of the internal types of smaller groups; the notation is explained in internal-form.ts. */
export const otherShapes: Readonly<Record<string, string>> = {
  RoleRef: 'APIGroup Kind Name',
  PodDisruptionBudgetSpec: 'MinAvailable? Selector:*LabelSelector MaxUnavailable? UnhealthyPodEvictionPolicy?',
  ParentReference: 'Group Resource Namespace Name',
  ServiceCIDRSpec: 'CIDRs~',
  FlowDistinguisherMethod: 'Type',
  FlowSchemaSpec:
    'PriorityLevelConfiguration:PriorityLevelConfigurationReference MatchingPrecedence# ' +
    'DistinguisherMethod:*FlowDistinguisherMethod Rules:[PolicyRulesWithSubjects]',
  PriorityLevelConfigurationReference: 'Name',
  PolicyRulesWithSubjects:
    'Subjects:[FlowSubject] ResourceRules:[ResourcePolicyRule] NonResourceRules:[NonResourcePolicyRule]',
  FlowSubject: 'Kind User:*NamedSubject Group:*NamedSubject ServiceAccount:*ServiceAccountSubject',
  NamedSubject: 'Name',
  ServiceAccountSubject: 'Namespace Name',
  ResourcePolicyRule: 'Verbs~ APIGroups~ Resources~ ClusterScope! Namespaces~',
  NonResourcePolicyRule: 'Verbs~ NonResourceURLs~',
  PriorityLevelConfigurationSpec:
    'Type Limited:*LimitedPriorityLevelConfiguration Exempt:*ExemptPriorityLevelConfiguration',
  LimitedPriorityLevelConfiguration:
    'NominalConcurrencyShares# LimitResponse:LimitResponse LendablePercent? BorrowingLimitPercent?',
  ExemptPriorityLevelConfiguration: 'NominalConcurrencyShares? LendablePercent?',
  LimitResponse: 'Type Queuing:*QueuingConfiguration',
  QueuingConfiguration: 'Queues# HandSize# QueueLengthLimit#',
  VolumeAttachmentSpec: 'Attacher Source:VolumeAttachmentSource NodeName',
  VolumeAttachmentSource: 'PersistentVolumeName? InlineVolumeSpec:*PersistentVolumeSpec',
  PersistentVolumeSpec:
    'Capacity~ ...PersistentVolumeSource AccessModes~ ClaimRef:*ObjectReference PersistentVolumeReclaimPolicy ' +
    'StorageClassName MountOptions~ VolumeMode? NodeAffinity:*VolumeNodeAffinity VolumeAttributesClassName?',
  CSINodeDriver: 'Name NodeID TopologyKeys~ Allocatable:*VolumeNodeResources',
  VolumeNodeResources: 'Count?',
  ResourceClaimSpec: 'Devices:DeviceClaim',
  ResourceClaimTemplateSpec: '...ObjectMeta Spec:ResourceClaimSpec',
  DeviceClaim: 'Requests:[DeviceRequest] Constraints:[DeviceConstraint] Config:[DeviceClaimConfiguration]',
  DeviceRequest: 'Name Exactly:*ExactDeviceRequest FirstAvailable:[DeviceSubRequest]',
  ExactDeviceRequest:
    'DeviceClassName Selectors:[DeviceSelector] AllocationMode Count# AdminAccess? Tolerations:[DeviceToleration] ' +
    'Capacity:*CapacityRequirements',
  DeviceSubRequest:
    'Name DeviceClassName Selectors:[DeviceSelector] AllocationMode Count# Tolerations:[DeviceToleration] ' +
    'Capacity:*CapacityRequirements',
  CapacityRequirements: 'Requests~',
  DeviceSelector: 'CEL:*CELDeviceSelector',
  CELDeviceSelector: 'Expression',
  DeviceToleration: 'Key Operator Value Effect TolerationSeconds?',
  DeviceConstraint: 'Requests~ MatchAttribute? DistinctAttribute?',
  DeviceClaimConfiguration: 'Requests~ Opaque:*OpaqueDeviceConfiguration',
  DeviceClassConfiguration: 'Opaque:*OpaqueDeviceConfiguration',
  OpaqueDeviceConfiguration: 'Driver Parameters~',
  DeviceAttribute:
    'IntValue=int? BoolValue=bool? StringValue=string? VersionValue=version? IntValues=ints~ BoolValues=bools~ ' +
    'StringValues=strings~ VersionValues=versions~',
  AllocationResult: 'Devices:DeviceAllocationResult NodeSelector:*NodeSelector AllocationTimestamp?',
  DeviceAllocationResult: 'Results:[DeviceRequestAllocationResult] Config:[DeviceAllocationConfiguration]',
  DeviceRequestAllocationResult:
    'Request Driver Pool Device AdminAccess? Tolerations:[DeviceToleration] BindingConditions~ ' +
    'BindingFailureConditions~ ShareID? ConsumedCapacity~',
  DeviceAllocationConfiguration: 'Source Requests~ Opaque:*OpaqueDeviceConfiguration',
};
