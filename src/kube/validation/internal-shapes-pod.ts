/** Shapes of the internal types of pods (pkg/apis/core); the notation is explained in internal-form.ts. */
export const podShapes: Readonly<Record<string, string>> = {
  PodTemplateSpec: '...ObjectMeta Spec:PodSpec',
  PodSpec:
    'Volumes:[Volume] InitContainers:[Container] Containers:[Container] EphemeralContainers:[EphemeralContainer] ' +
    'RestartPolicy TerminationGracePeriodSeconds? ActiveDeadlineSeconds? DNSPolicy NodeSelector~ ServiceAccountName ' +
    'AutomountServiceAccountToken? NodeName SecurityContext:*PodSecurityContext ImagePullSecrets:[LocalObjectReference] ' +
    'Hostname Subdomain SetHostnameAsFQDN? Affinity:*Affinity SchedulerName Tolerations:[Toleration] ' +
    'HostAliases:[HostAlias] PriorityClassName Priority? PreemptionPolicy? DNSConfig:*PodDNSConfig ' +
    'ReadinessGates:[PodReadinessGate] RuntimeClassName? Overhead~ EnableServiceLinks? ' +
    'TopologySpreadConstraints:[TopologySpreadConstraint] OS:*PodOS SchedulingGates:[PodSchedulingGate] ' +
    'ResourceClaims:[PodResourceClaim] Resources:*ResourceRequirements HostnameOverride? ' +
    'SchedulingGroup:*PodSchedulingGroup',
  PodSecurityContext:
    'HostNetwork! HostPID! HostIPC! ShareProcessNamespace? HostUsers? SELinuxOptions=seLinuxOptions:*SELinuxOptions ' +
    'WindowsOptions:*WindowsSecurityContextOptions RunAsUser? RunAsGroup? RunAsNonRoot? SupplementalGroups~ ' +
    'SupplementalGroupsPolicy? FSGroup? FSGroupChangePolicy? Sysctls:[Sysctl] SeccompProfile:*SeccompProfile ' +
    'AppArmorProfile:*AppArmorProfile SELinuxChangePolicy=seLinuxChangePolicy?',
  Container:
    'Name Image Command~ Args~ WorkingDir Ports:[ContainerPort] EnvFrom:[EnvFromSource] Env:[EnvVar] ' +
    'Resources:ResourceRequirements ResizePolicy:[ContainerResizePolicy] RestartPolicy? ' +
    'RestartPolicyRules:[ContainerRestartRule] VolumeMounts:[VolumeMount] VolumeDevices:[VolumeDevice] ' +
    'LivenessProbe:*Probe ReadinessProbe:*Probe StartupProbe:*Probe Lifecycle:*Lifecycle TerminationMessagePath ' +
    'TerminationMessagePolicy ImagePullPolicy SecurityContext:*SecurityContext Stdin! StdinOnce! TTY!',
  EphemeralContainer: '...Container TargetContainerName',
  ContainerPort: 'Name HostPort# ContainerPort# Protocol HostIP',
  EnvFromSource: 'Prefix ConfigMapRef:*ConfigMapEnvSource SecretRef:*SecretEnvSource',
  ConfigMapEnvSource: '...LocalObjectReference Optional?',
  SecretEnvSource: '...LocalObjectReference Optional?',
  EnvVar: 'Name Value ValueFrom:*EnvVarSource',
  EnvVarSource:
    'FieldRef:*ObjectFieldSelector ResourceFieldRef:*ResourceFieldSelector ConfigMapKeyRef:*ConfigMapKeySelector ' +
    'SecretKeyRef:*SecretKeySelector FileKeyRef:*FileKeySelector',
  ObjectFieldSelector: 'APIVersion FieldPath',
  ResourceFieldSelector: 'ContainerName Resource Divisor$',
  ConfigMapKeySelector: '...LocalObjectReference Key Optional?',
  SecretKeySelector: '...LocalObjectReference Key Optional?',
  FileKeySelector: 'VolumeName Path Key Optional?',
  ResourceRequirements: 'Limits~ Requests~ Claims:[ResourceClaim]',
  ResourceClaim: 'Name Request',
  ContainerResizePolicy: 'ResourceName RestartPolicy',
  ContainerRestartRule: 'Action ExitCodes:*ContainerRestartRuleOnExitCodes',
  ContainerRestartRuleOnExitCodes: 'Operator Values~',
  VolumeMount: 'Name ReadOnly! RecursiveReadOnly? MountPath SubPath MountPropagation? SubPathExpr',
  VolumeDevice: 'Name DevicePath',
  Probe:
    'Exec:*ExecAction HTTPGet:*HTTPGetAction TCPSocket:*TCPSocketAction GRPC:*GRPCAction InitialDelaySeconds# ' +
    'TimeoutSeconds# PeriodSeconds# SuccessThreshold# FailureThreshold# TerminationGracePeriodSeconds?',
  ExecAction: 'Command~',
  HTTPGetAction: 'Path Port% Host Scheme HTTPHeaders:[HTTPHeader]',
  HTTPHeader: 'Name Value',
  TCPSocketAction: 'Port% Host',
  GRPCAction: 'Port# Service?',
  SleepAction: 'Seconds#',
  Lifecycle: 'PostStart:*LifecycleHandler PreStop:*LifecycleHandler StopSignal?',
  LifecycleHandler: 'Exec:*ExecAction HTTPGet:*HTTPGetAction TCPSocket:*TCPSocketAction Sleep:*SleepAction',
  SecurityContext:
    'Capabilities:*Capabilities Privileged? SELinuxOptions=seLinuxOptions:*SELinuxOptions ' +
    'WindowsOptions:*WindowsSecurityContextOptions RunAsUser? RunAsGroup? RunAsNonRoot? ReadOnlyRootFilesystem? ' +
    'AllowPrivilegeEscalation? ProcMount? SeccompProfile:*SeccompProfile AppArmorProfile:*AppArmorProfile',
  Capabilities: 'Add~ Drop~',
  SELinuxOptions: 'User Role Type Level',
  WindowsSecurityContextOptions: 'GMSACredentialSpecName? GMSACredentialSpec? RunAsUserName? HostProcess?',
  SeccompProfile: 'Type LocalhostProfile?',
  AppArmorProfile: 'Type LocalhostProfile?',
  Sysctl: 'Name Value',
  Affinity: 'NodeAffinity:*NodeAffinity PodAffinity:*PodAffinity PodAntiAffinity:*PodAffinity',
  NodeAffinity:
    'RequiredDuringSchedulingIgnoredDuringExecution:*NodeSelector ' +
    'PreferredDuringSchedulingIgnoredDuringExecution:[PreferredSchedulingTerm]',
  NodeSelector: 'NodeSelectorTerms:[NodeSelectorTerm]',
  NodeSelectorTerm: 'MatchExpressions:[NodeSelectorRequirement] MatchFields:[NodeSelectorRequirement]',
  NodeSelectorRequirement: 'Key Operator Values~',
  PreferredSchedulingTerm: 'Weight# Preference:NodeSelectorTerm',
  PodAffinity:
    'RequiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm] ' +
    'PreferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]',
  PodAffinityTerm:
    'LabelSelector:*LabelSelector Namespaces~ TopologyKey NamespaceSelector:*LabelSelector MatchLabelKeys~ MismatchLabelKeys~',
  WeightedPodAffinityTerm: 'Weight# PodAffinityTerm:PodAffinityTerm',
  Toleration: 'Key Operator Value Effect TolerationSeconds?',
  HostAlias: 'IP Hostnames~',
  PodDNSConfig: 'Nameservers~ Searches~ Options:[PodDNSConfigOption]',
  PodDNSConfigOption: 'Name Value?',
  PodReadinessGate: 'ConditionType',
  TopologySpreadConstraint:
    'MaxSkew# TopologyKey WhenUnsatisfiable LabelSelector:*LabelSelector MinDomains? NodeAffinityPolicy? ' +
    'NodeTaintsPolicy? MatchLabelKeys~',
  PodOS: 'Name',
  PodSchedulingGate: 'Name',
  PodResourceClaim: 'Name ResourceClaimName? ResourceClaimTemplateName?',
  PodSchedulingGroup: 'PodGroupName?',
  PodIP: 'IP',
  HostIP: 'IP',
};
