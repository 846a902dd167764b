/**
 * What the OpenAPI documents of Kubernetes don't tell of its Go types, and what clients see all the same: which optional
 * scalars are pointers (an explicit `""`, `0` or `false` survives), which optional members are written even when they
 * are empty, and the names of Go types, which stand in decoding errors. Read by tools/generate-facts.ts.
 *
 * Lines are `Type: field field ...`; a type's name carries its group where two groups share it (`discovery/EndpointPort`).
 */

/** Optional string members that Go holds by pointer. Other strings vanish when empty. */
export const stringPointers = `
MatchResources: matchPolicy
MutatingAdmissionPolicySpec: failurePolicy
MutatingWebhook: failurePolicy matchPolicy reinvocationPolicy
NamedRuleWithOperations: scope
RuleWithOperations: scope
ParamRef: parameterNotFoundAction
ServiceReference: path
ValidatingAdmissionPolicySpec: failurePolicy
ValidatingWebhook: failurePolicy matchPolicy
Validation: reason
WebhookClientConfig: url
HPAScalingRules: selectPolicy
CronJobSpec: timeZone
JobSpec: completionMode managedBy podReplacementPolicy
JobStatus: failedIndexes
PodFailurePolicyOnExitCodesRequirement: containerName
SuccessPolicyRule: succeededIndexes
LeaseSpec: holderIdentity preferredHolder strategy
AppArmorProfile: localhostProfile
AzureDiskVolumeSource: cachingMode fsType kind
AzureFilePersistentVolumeSource: secretNamespace
CSIVolumeSource: fsType
ClusterTrustBundleProjection: name signerName
Container: restartPolicy
ContainerStatus: stopSignal
EndpointAddress: nodeName
EndpointPort: appProtocol
EphemeralContainer: restartPolicy
GRPCAction: service
GlusterfsPersistentVolumeSource: endpointsNamespace
HostPathVolumeSource: type
ISCSIPersistentVolumeSource: initiatorName
ISCSIVolumeSource: initiatorName
Lifecycle: stopSignal
LoadBalancerIngress: ipMode
LocalVolumeSource: fsType
PersistentVolumeClaimSpec: storageClassName volumeAttributesClassName volumeMode
PersistentVolumeClaimStatus: currentVolumeAttributesClassName
PersistentVolumeSpec: volumeAttributesClassName volumeMode
PodDNSConfigOption: value
PodResourceClaim: resourceClaimName resourceClaimTemplateName
PodResourceClaimStatus: resourceClaimName
PodSchedulingGroup: podGroupName
PodSecurityContext: fsGroupChangePolicy seLinuxChangePolicy supplementalGroupsPolicy
PodSpec: hostnameOverride preemptionPolicy runtimeClassName
PortStatus: error
ResourceHealth: message
SeccompProfile: localhostProfile
SecurityContext: procMount
ServicePort: appProtocol
ServiceSpec: internalTrafficPolicy ipFamilyPolicy loadBalancerClass trafficDistribution
TopologySpreadConstraint: nodeAffinityPolicy nodeTaintsPolicy
TypedLocalObjectReference: apiGroup
TypedObjectReference: apiGroup namespace
VolumeMount: mountPropagation recursiveReadOnly
VolumeMountStatus: recursiveReadOnly
WindowsSecurityContextOptions: gmsaCredentialSpec gmsaCredentialSpecName runAsUserName
discovery/Endpoint: hostname nodeName zone
discovery/EndpointPort: appProtocol name protocol
HTTPIngressPath: pathType
IngressClassParametersReference: apiGroup namespace scope
IngressPortStatus: error
IngressSpec: ingressClassName
NetworkPolicyPort: protocol
PodDisruptionBudgetSpec: unhealthyPodEvictionPolicy
AllocatedDeviceStatus: shareID
Device: nodeName
DeviceAttribute: string version
DeviceClassSpec: extendedResourceName
DeviceConstraint: distinctAttribute matchAttribute
DeviceRequestAllocationResult: shareID
NodeAllocatableResourceMapping: capacityKey
ResourceSliceSpec: nodeName
PriorityClass: preemptionPolicy
CSIDriverSpec: fsGroupPolicy
StorageClass: reclaimPolicy volumeBindingMode
VolumeAttachmentSource: persistentVolumeName
CustomResourceDefinitionVersion: deprecationWarning
CustomResourceSubresourceScale: labelSelectorPath
JSONSchemaProps: $ref x-kubernetes-list-type x-kubernetes-map-type
ValidationRule: reason
DeleteOptions: propagationPolicy
Preconditions: resourceVersion uid
`;

/** Optional numbers and booleans that Go holds by value: a zero vanishes. All others are pointers. */
export const scalarValues = `
DaemonSetSpec: minReadySeconds
DaemonSetStatus: numberAvailable numberUnavailable observedGeneration updatedNumberScheduled
DeploymentSpec: minReadySeconds paused
DeploymentStatus: availableReplicas observedGeneration readyReplicas replicas unavailableReplicas updatedReplicas
ReplicaSetSpec: minReadySeconds
ReplicaSetStatus: availableReplicas fullyLabeledReplicas observedGeneration readyReplicas
StatefulSetOrdinals: start
StatefulSetSpec: minReadySeconds
StatefulSetStatus: availableReplicas currentReplicas observedGeneration readyReplicas updatedReplicas
TokenReviewStatus: authenticated
SubjectAccessReviewStatus: denied
ValidatingAdmissionPolicyStatus: observedGeneration
ScaleSpec: replicas
v2/HorizontalPodAutoscalerStatus: currentReplicas
JobStatus: active failed succeeded
AWSElasticBlockStoreVolumeSource: partition readOnly
AzureFilePersistentVolumeSource: readOnly
AzureFileVolumeSource: readOnly
CSIPersistentVolumeSource: readOnly
CephFSPersistentVolumeSource: readOnly
CephFSVolumeSource: readOnly
CinderPersistentVolumeSource: readOnly
CinderVolumeSource: readOnly
Container: stdin stdinOnce tty
EphemeralContainer: stdin stdinOnce tty
ContainerImage: sizeBytes
ContainerPort: hostPort
ContainerStateTerminated: signal
Event: count deprecatedCount
EventSeries: count
FCVolumeSource: readOnly
FlexPersistentVolumeSource: readOnly
FlexVolumeSource: readOnly
GCEPersistentDiskVolumeSource: partition readOnly
GlusterfsVolumeSource: readOnly
GlusterfsPersistentVolumeSource: readOnly
ISCSIPersistentVolumeSource: chapAuthDiscovery chapAuthSession readOnly
ISCSIVolumeSource: chapAuthDiscovery chapAuthSession readOnly
NFSVolumeSource: readOnly
NodeSpec: unschedulable
PersistentVolumeClaimVolumeSource: readOnly
PodCondition: observedGeneration
PodStatus: observedGeneration
PodSpec: hostIPC hostNetwork hostPID
PortworxVolumeSource: readOnly
Probe: failureThreshold initialDelaySeconds periodSeconds successThreshold timeoutSeconds
QuobyteVolumeSource: readOnly
RBDPersistentVolumeSource: readOnly
RBDVolumeSource: readOnly
ReplicationControllerSpec: minReadySeconds
ReplicationControllerStatus: availableReplicas fullyLabeledReplicas observedGeneration readyReplicas
ScaleIOPersistentVolumeSource: readOnly sslEnabled
ScaleIOVolumeSource: readOnly sslEnabled
ServicePort: nodePort
ServiceSpec: healthCheckNodePort publishNotReadyAddresses
StorageOSPersistentVolumeSource: readOnly
StorageOSVolumeSource: readOnly
VolumeMount: readOnly
VolumeMountStatus: readOnly
ResourcePolicyRule: clusterScope
FlowSchemaSpec: matchingPrecedence
QueuingConfiguration: handSize queueLengthLimit queues
ServiceBackendPort: number
PodDisruptionBudgetStatus: currentHealthy desiredHealthy disruptionsAllowed expectedPods observedGeneration
DeviceSubRequest: count
ExactDeviceRequest: count
PriorityClass: globalDefault value
CustomResourceColumnDefinition: priority
CustomResourceDefinitionCondition: observedGeneration
CustomResourceDefinitionStatus: observedGeneration
CustomResourceDefinitionSpec: preserveUnknownFields
CustomResourceDefinitionVersion: deprecated
JSONSchemaProps: exclusiveMaximum exclusiveMinimum nullable uniqueItems x-kubernetes-embedded-resource x-kubernetes-int-or-string
Condition: observedGeneration
ObjectMeta: generation
Status: code
StatusDetails: retryAfterSeconds
APIServiceSpec: insecureSkipTLSVerify
`;

/** Members of custom scalar types (times, quantities, int-or-string) held by value: written as null, `"0"` or 0 when unset. */
export const customValues = `
DaemonSetCondition: lastTransitionTime
DeploymentCondition: lastTransitionTime lastUpdateTime
ReplicaSetCondition: lastTransitionTime
StatefulSetCondition: lastTransitionTime
TokenRequestStatus: expirationTimestamp
HorizontalPodAutoscalerCondition: lastTransitionTime
JobCondition: lastProbeTime lastTransitionTime
CertificateSigningRequestCondition: lastTransitionTime lastUpdateTime
ContainerStateRunning: startedAt
ContainerStateTerminated: finishedAt startedAt
Event: eventTime firstTimestamp lastTimestamp deprecatedFirstTimestamp deprecatedLastTimestamp
EventSeries: lastObservedTime
HTTPGetAction: port
TCPSocketAction: port
ServicePort: targetPort
NamespaceCondition: lastTransitionTime
NodeCondition: lastHeartbeatTime lastTransitionTime
PersistentVolumeClaimCondition: lastProbeTime lastTransitionTime
PodCondition: lastProbeTime lastTransitionTime
ReplicationControllerCondition: lastTransitionTime
ResourceFieldSelector: divisor
FlowSchemaCondition: lastTransitionTime
PriorityLevelConfigurationCondition: lastTransitionTime
Counter: value
DeviceCapacity: value
VolumeError: time
CustomResourceDefinitionCondition: lastTransitionTime
Condition: lastTransitionTime
APIServiceCondition: lastTransitionTime
`;

/** Optional members without `omitempty`: always written, as null when nothing is there. */
export const alwaysWritten = `
TypedLocalObjectReference: apiGroup
TypedObjectReference: apiGroup
TokenRequestSpec: boundObjectRef
v2/HorizontalPodAutoscalerStatus: currentMetrics
CustomResourceDefinitionStatus: conditions storedVersions
DeviceClaim: requests
EndpointSlice: endpoints ports
Role: rules
ClusterRole: rules
`;

/** Members whose zero the OpenAPI document gives as a default, and that are left out when empty all the same. */
export const omittedDefaults = `
LocalObjectReference: name
ConfigMapEnvSource: name
ConfigMapKeySelector: name
ConfigMapProjection: name
ConfigMapVolumeSource: name
SecretEnvSource: name
SecretKeySelector: name
SecretProjection: name
ReplicationControllerSpec: minReadySeconds
ScaleSpec: replicas
ValidatingAdmissionPolicyBindingSpec: validationActions
`;

/** Structs that Go embeds: their names stand in the path of decoding errors. `*` stands for all other fields of the type. */
export const embedded = `
Volume: name= *=VolumeSource
PersistentVolumeSpec: accessModes= capacity= claimRef= mountOptions= nodeAffinity= persistentVolumeReclaimPolicy= storageClassName= volumeAttributesClassName= volumeMode= *=PersistentVolumeSource
Probe: exec=ProbeHandler grpc=ProbeHandler httpGet=ProbeHandler tcpSocket=ProbeHandler
IngressRule: http=IngressRuleValue
EphemeralContainer: targetContainerName= *=EphemeralContainerCommon
ConfigMapEnvSource: name=LocalObjectReference
ConfigMapKeySelector: name=LocalObjectReference
ConfigMapProjection: name=LocalObjectReference
ConfigMapVolumeSource: name=LocalObjectReference
SecretEnvSource: name=LocalObjectReference
SecretKeySelector: name=LocalObjectReference
SecretProjection: name=LocalObjectReference
RuleWithOperations: operations= *=Rule
NamedRuleWithOperations: resourceNames= operations=RuleWithOperations *=RuleWithOperations.Rule
DeviceClassConfiguration: opaque=DeviceConfiguration
DeviceClaimConfiguration: opaque=DeviceConfiguration
DeviceAllocationConfiguration: opaque=DeviceConfiguration
`;

/** Names of Go's types for strings, lists and maps where they are not plain; without a dot the type's own package is meant. */
export const goNames = `
MatchResources: matchPolicy=MatchPolicyType
MutatingAdmissionPolicySpec: failurePolicy=FailurePolicyType reinvocationPolicy=ReinvocationPolicyType
MutatingWebhook: failurePolicy=FailurePolicyType matchPolicy=MatchPolicyType reinvocationPolicy=ReinvocationPolicyType sideEffects=SideEffectClass
ValidatingWebhook: failurePolicy=FailurePolicyType matchPolicy=MatchPolicyType sideEffects=SideEffectClass
Mutation: patchType=PatchType
NamedRuleWithOperations: operations=OperationType scope=ScopeType
RuleWithOperations: operations=OperationType scope=ScopeType
ParamRef: parameterNotFoundAction=ParameterNotFoundActionType
ValidatingAdmissionPolicyBindingSpec: validationActions=ValidationAction
ValidatingAdmissionPolicySpec: failurePolicy=FailurePolicyType
Validation: reason=StatusReason
DaemonSetUpdateStrategy: type=DaemonSetUpdateStrategyType
DeploymentStrategy: type=DeploymentStrategyType
StatefulSetSpec: podManagementPolicy=PodManagementPolicyType
StatefulSetUpdateStrategy: type=StatefulSetUpdateStrategyType
StatefulSetPersistentVolumeClaimRetentionPolicy: whenDeleted=PersistentVolumeClaimRetentionPolicyType whenScaled=PersistentVolumeClaimRetentionPolicyType
DaemonSetCondition: type=DaemonSetConditionType status=ConditionStatus
DeploymentCondition: type=DeploymentConditionType status=ConditionStatus
ReplicaSetCondition: type=ReplicaSetConditionType status=ConditionStatus
StatefulSetCondition: type=StatefulSetConditionType status=ConditionStatus
HPAScalingRules: selectPolicy=ScalingPolicySelect
HPAScalingPolicy: type=HPAScalingPolicyType
HorizontalPodAutoscalerCondition: type=HorizontalPodAutoscalerConditionType status=v1.ConditionStatus
MetricSpec: type=MetricSourceType
MetricStatus: type=MetricSourceType
MetricTarget: type=MetricTargetType
ResourceMetricSource: name=v1.ResourceName
ResourceMetricStatus: name=v1.ResourceName
ContainerResourceMetricSource: name=v1.ResourceName
ContainerResourceMetricStatus: name=v1.ResourceName
CronJobSpec: concurrencyPolicy=ConcurrencyPolicy
JobSpec: completionMode=CompletionMode podReplacementPolicy=PodReplacementPolicy
JobCondition: type=JobConditionType status=ConditionStatus
PodFailurePolicyRule: action=PodFailurePolicyAction
PodFailurePolicyOnExitCodesRequirement: operator=PodFailurePolicyOnExitCodesOperator
PodFailurePolicyOnPodConditionsPattern: type=PodConditionType status=ConditionStatus
CertificateSigningRequestSpec: usages=KeyUsage extra=ExtraValue
CertificateSigningRequestCondition: type=RequestConditionType status=ConditionStatus
LeaseSpec: strategy=CoordinatedLeaseStrategy
AppArmorProfile: type=AppArmorProfileType
AzureDiskVolumeSource: cachingMode=AzureDataDiskCachingMode kind=AzureDataDiskKind
Capabilities: add=Capability drop=Capability
ComponentCondition: type=ComponentConditionType status=ConditionStatus
Container: imagePullPolicy=PullPolicy terminationMessagePolicy=TerminationMessagePolicy restartPolicy=ContainerRestartPolicy
EphemeralContainer: imagePullPolicy=PullPolicy terminationMessagePolicy=TerminationMessagePolicy restartPolicy=ContainerRestartPolicy
ContainerPort: protocol=Protocol
ContainerResizePolicy: resourceName=ResourceName restartPolicy=ResourceResizeRestartPolicy
ContainerRestartRule: action=ContainerRestartRuleAction
ContainerRestartRuleOnExitCodes: operator=ContainerRestartRuleOnExitCodesOperator
ContainerStatus: stopSignal=Signal allocatedResources=ResourceList
Lifecycle: stopSignal=Signal
EmptyDirVolumeSource: medium=StorageMedium
EndpointPort: protocol=Protocol
HTTPGetAction: scheme=URIScheme
HostPathVolumeSource: type=HostPathType
ImageVolumeSource: pullPolicy=PullPolicy
LimitRangeItem: type=LimitType default=ResourceList defaultRequest=ResourceList max=ResourceList maxLimitRequestRatio=ResourceList min=ResourceList
LoadBalancerIngress: ipMode=LoadBalancerIPMode
ModifyVolumeStatus: status=PersistentVolumeClaimModifyVolumeStatus
NamespaceSpec: finalizers=FinalizerName
NamespaceStatus: phase=NamespacePhase
NamespaceCondition: type=NamespaceConditionType status=ConditionStatus
NodeAddress: type=NodeAddressType
NodeCondition: type=NodeConditionType status=ConditionStatus
NodeSelectorRequirement: operator=NodeSelectorOperator
NodeStatus: phase=NodePhase allocatable=ResourceList capacity=ResourceList volumesInUse=UniqueVolumeName
AttachedVolume: name=UniqueVolumeName
ObjectReference: uid=types.UID
PersistentVolumeClaimSpec: accessModes=PersistentVolumeAccessMode volumeMode=PersistentVolumeMode
PersistentVolumeClaimStatus: accessModes=PersistentVolumeAccessMode phase=PersistentVolumeClaimPhase capacity=ResourceList allocatedResources=ResourceList
PersistentVolumeClaimCondition: type=PersistentVolumeClaimConditionType status=ConditionStatus
PersistentVolumeSpec: accessModes=PersistentVolumeAccessMode volumeMode=PersistentVolumeMode persistentVolumeReclaimPolicy=PersistentVolumeReclaimPolicy capacity=ResourceList
PersistentVolumeStatus: phase=PersistentVolumePhase
PodCondition: type=PodConditionType status=ConditionStatus
PodReadinessGate: conditionType=PodConditionType
PodOS: name=OSName
PodSecurityContext: fsGroupChangePolicy=PodFSGroupChangePolicy supplementalGroupsPolicy=SupplementalGroupsPolicy seLinuxChangePolicy=PodSELinuxChangePolicy
PodSpec: dnsPolicy=DNSPolicy preemptionPolicy=PreemptionPolicy restartPolicy=RestartPolicy overhead=ResourceList
PodStatus: phase=PodPhase qosClass=PodQOSClass resize=PodResizeStatus
PortStatus: protocol=Protocol
ReplicationControllerCondition: type=ReplicationControllerConditionType status=ConditionStatus
ResourceQuotaSpec: scopes=ResourceQuotaScope hard=ResourceList
ResourceQuotaStatus: hard=ResourceList used=ResourceList
ResourceRequirements: limits=ResourceList requests=ResourceList
VolumeResourceRequirements: limits=ResourceList requests=ResourceList
ScopedResourceSelectorRequirement: operator=ScopeSelectorOperator scopeName=ResourceQuotaScope
SeccompProfile: type=SeccompProfileType
Secret: type=SecretType
SecurityContext: procMount=ProcMountType
ServicePort: protocol=Protocol
ServiceSpec: externalTrafficPolicy=ServiceExternalTrafficPolicy internalTrafficPolicy=ServiceInternalTrafficPolicy ipFamilies=IPFamily ipFamilyPolicy=IPFamilyPolicy sessionAffinity=ServiceAffinity type=ServiceType
Taint: effect=TaintEffect
Toleration: effect=TaintEffect operator=TolerationOperator
TopologySpreadConstraint: nodeAffinityPolicy=NodeInclusionPolicy nodeTaintsPolicy=NodeInclusionPolicy whenUnsatisfiable=UnsatisfiableConstraintAction
VolumeMount: mountPropagation=MountPropagationMode recursiveReadOnly=RecursiveReadOnlyMode
VolumeMountStatus: recursiveReadOnly=RecursiveReadOnlyMode
discovery/EndpointPort: protocol=Protocol
EndpointSlice: addressType=AddressType
HTTPIngressPath: pathType=PathType
IngressPortStatus: protocol=Protocol
NetworkPolicyPort: protocol=Protocol
NetworkPolicySpec: policyTypes=PolicyType
Overhead: podFixed=ResourceList
PodDisruptionBudgetSpec: unhealthyPodEvictionPolicy=UnhealthyPodEvictionPolicyType
AllocatedDeviceStatus: shareID=types.UID
CapacityRequirements: requests=map[v1.QualifiedName]resource.Quantity
Device: attributes=map[v1.QualifiedName]v1.DeviceAttribute capacity=map[v1.QualifiedName]v1.DeviceCapacity
DeviceAllocationConfiguration: source=AllocationConfigSource
DeviceConstraint: distinctAttribute=FullyQualifiedName matchAttribute=FullyQualifiedName
DeviceSubRequest: allocationMode=DeviceAllocationMode
ExactDeviceRequest: allocationMode=DeviceAllocationMode
DeviceTaint: effect=DeviceTaintEffect
DeviceToleration: effect=DeviceTaintEffect operator=DeviceTolerationOperator
PriorityClass: preemptionPolicy=PreemptionPolicy
CSIDriverSpec: fsGroupPolicy=FSGroupPolicy volumeLifecycleModes=VolumeLifecycleMode
StorageClass: reclaimPolicy=PersistentVolumeReclaimPolicy volumeBindingMode=VolumeBindingMode
CustomResourceConversion: strategy=ConversionStrategyType
CustomResourceDefinitionCondition: type=CustomResourceDefinitionConditionType status=ConditionStatus
CustomResourceDefinitionSpec: scope=ResourceScope
ValidationRule: reason=FieldValueErrorReason
FlowDistinguisherMethod: type=FlowDistinguisherMethodType
FlowSchemaCondition: type=FlowSchemaConditionType status=ConditionStatus
flowcontrol/Subject: kind=SubjectKind
LimitResponse: type=LimitResponseType
PriorityLevelConfigurationCondition: type=PriorityLevelConfigurationConditionType status=ConditionStatus
PriorityLevelConfigurationSpec: type=PriorityLevelEnablement
APIServiceCondition: type=APIServiceConditionType status=ConditionStatus
LabelSelectorRequirement: operator=LabelSelectorOperator
ManagedFieldsEntry: operation=ManagedFieldsOperationType
ObjectMeta: uid=types.UID
OwnerReference: uid=types.UID
Preconditions: uid=types.UID
DeleteOptions: propagationPolicy=DeletionPropagation
Condition: status=ConditionStatus
Status: reason=StatusReason
StatusDetails: uid=types.UID
StatusCause: reason=CauseType
BoundObjectReference: uid=types.UID
`;
