/** Shapes of the internal types of volumes and claims (pkg/apis/core); the notation is explained in internal-form.ts. */
export const storageShapes: Readonly<Record<string, string>> = {
  Volume: 'Name ...VolumeSource',
  VolumeSource:
    'HostPath:*HostPathVolumeSource EmptyDir:*EmptyDirVolumeSource GCEPersistentDisk:*GCEPersistentDiskVolumeSource ' +
    'AWSElasticBlockStore:*AWSElasticBlockStoreVolumeSource GitRepo:*GitRepoVolumeSource Secret:*SecretVolumeSource ' +
    'NFS:*NFSVolumeSource ISCSI:*ISCSIVolumeSource Glusterfs:*GlusterfsVolumeSource ' +
    'PersistentVolumeClaim:*PersistentVolumeClaimVolumeSource RBD:*RBDVolumeSource Quobyte:*QuobyteVolumeSource ' +
    'FlexVolume:*FlexVolumeSource Cinder:*CinderVolumeSource CephFS=cephfs:*CephFSVolumeSource Flocker:*FlockerVolumeSource ' +
    'DownwardAPI:*DownwardAPIVolumeSource FC:*FCVolumeSource AzureFile:*AzureFileVolumeSource ' +
    'ConfigMap:*ConfigMapVolumeSource VsphereVolume:*VsphereVirtualDiskVolumeSource AzureDisk:*AzureDiskVolumeSource ' +
    'PhotonPersistentDisk:*PhotonPersistentDiskVolumeSource Projected:*ProjectedVolumeSource ' +
    'PortworxVolume:*PortworxVolumeSource ScaleIO:*ScaleIOVolumeSource StorageOS=storageos:*StorageOSVolumeSource ' +
    'CSI:*CSIVolumeSource Ephemeral:*EphemeralVolumeSource Image:*ImageVolumeSource',
  PersistentVolumeSource:
    'GCEPersistentDisk:*GCEPersistentDiskVolumeSource AWSElasticBlockStore:*AWSElasticBlockStoreVolumeSource ' +
    'HostPath:*HostPathVolumeSource Glusterfs:*GlusterfsPersistentVolumeSource NFS:*NFSVolumeSource ' +
    'RBD:*RBDPersistentVolumeSource Quobyte:*QuobyteVolumeSource ISCSI:*ISCSIPersistentVolumeSource ' +
    'FlexVolume:*FlexPersistentVolumeSource Cinder:*CinderPersistentVolumeSource CephFS=cephfs:*CephFSPersistentVolumeSource ' +
    'FC:*FCVolumeSource Flocker:*FlockerVolumeSource AzureFile:*AzureFilePersistentVolumeSource ' +
    'VsphereVolume:*VsphereVirtualDiskVolumeSource AzureDisk:*AzureDiskVolumeSource ' +
    'PhotonPersistentDisk:*PhotonPersistentDiskVolumeSource PortworxVolume:*PortworxVolumeSource ' +
    'ScaleIO:*ScaleIOPersistentVolumeSource Local:*LocalVolumeSource StorageOS=storageos:*StorageOSPersistentVolumeSource ' +
    'CSI:*CSIPersistentVolumeSource',
  LocalObjectReference: 'Name',
  SecretReference: 'Name Namespace',
  ObjectReference: 'Kind Namespace Name UID APIVersion ResourceVersion FieldPath',
  TypedLocalObjectReference: 'APIGroup? Kind Name',
  TypedObjectReference: 'APIGroup? Kind Name Namespace?',
  KeyToPath: 'Key Path Mode?',
  HostPathVolumeSource: 'Path Type?',
  EmptyDirVolumeSource: 'Medium SizeLimit?',
  GCEPersistentDiskVolumeSource: 'PDName FSType Partition# ReadOnly!',
  AWSElasticBlockStoreVolumeSource: 'VolumeID FSType Partition# ReadOnly!',
  GitRepoVolumeSource: 'Repository Revision Directory',
  SecretVolumeSource: 'SecretName Items:[KeyToPath] DefaultMode? Optional?',
  NFSVolumeSource: 'Server Path ReadOnly!',
  ISCSIVolumeSource:
    'TargetPortal IQN Lun# ISCSIInterface FSType ReadOnly! Portals~ DiscoveryCHAPAuth=chapAuthDiscovery! ' +
    'SessionCHAPAuth=chapAuthSession! SecretRef:*LocalObjectReference InitiatorName?',
  ISCSIPersistentVolumeSource:
    'TargetPortal IQN Lun# ISCSIInterface FSType ReadOnly! Portals~ DiscoveryCHAPAuth=chapAuthDiscovery! ' +
    'SessionCHAPAuth=chapAuthSession! SecretRef:*SecretReference InitiatorName?',
  GlusterfsVolumeSource: 'EndpointsName=endpoints Path ReadOnly!',
  GlusterfsPersistentVolumeSource: 'EndpointsName=endpoints Path ReadOnly! EndpointsNamespace?',
  PersistentVolumeClaimVolumeSource: 'ClaimName ReadOnly!',
  RBDVolumeSource:
    'CephMonitors=monitors~ RBDImage=image FSType RBDPool=pool RadosUser=user Keyring SecretRef:*LocalObjectReference ReadOnly!',
  RBDPersistentVolumeSource:
    'CephMonitors=monitors~ RBDImage=image FSType RBDPool=pool RadosUser=user Keyring SecretRef:*SecretReference ReadOnly!',
  QuobyteVolumeSource: 'Registry Volume ReadOnly! User Group Tenant',
  FlexVolumeSource: 'Driver FSType SecretRef:*LocalObjectReference ReadOnly! Options~',
  FlexPersistentVolumeSource: 'Driver FSType SecretRef:*SecretReference ReadOnly! Options~',
  CinderVolumeSource: 'VolumeID FSType ReadOnly! SecretRef:*LocalObjectReference',
  CinderPersistentVolumeSource: 'VolumeID FSType ReadOnly! SecretRef:*SecretReference',
  CephFSVolumeSource: 'Monitors~ Path User SecretFile SecretRef:*LocalObjectReference ReadOnly!',
  CephFSPersistentVolumeSource: 'Monitors~ Path User SecretFile SecretRef:*SecretReference ReadOnly!',
  FlockerVolumeSource: 'DatasetName DatasetUUID',
  DownwardAPIVolumeSource: 'Items:[DownwardAPIVolumeFile] DefaultMode?',
  DownwardAPIVolumeFile: 'Path FieldRef:*ObjectFieldSelector ResourceFieldRef:*ResourceFieldSelector Mode?',
  FCVolumeSource: 'TargetWWNs~ Lun? FSType ReadOnly! WWIDs=wwids~',
  AzureFileVolumeSource: 'SecretName ShareName ReadOnly!',
  AzureFilePersistentVolumeSource: 'SecretName ShareName ReadOnly! SecretNamespace?',
  ConfigMapVolumeSource: '...LocalObjectReference Items:[KeyToPath] DefaultMode? Optional?',
  VsphereVirtualDiskVolumeSource: 'VolumePath FSType StoragePolicyName StoragePolicyID',
  AzureDiskVolumeSource: 'DiskName DataDiskURI=diskURI CachingMode? FSType? ReadOnly? Kind?',
  PhotonPersistentDiskVolumeSource: 'PdID FSType',
  ProjectedVolumeSource: 'Sources:[VolumeProjection] DefaultMode?',
  VolumeProjection:
    'Secret:*SecretProjection DownwardAPI:*DownwardAPIProjection ConfigMap:*ConfigMapProjection ' +
    'ServiceAccountToken:*ServiceAccountTokenProjection ClusterTrustBundle:*ClusterTrustBundleProjection ' +
    'PodCertificate:*PodCertificateProjection',
  SecretProjection: '...LocalObjectReference Items:[KeyToPath] Optional?',
  ConfigMapProjection: '...LocalObjectReference Items:[KeyToPath] Optional?',
  DownwardAPIProjection: 'Items:[DownwardAPIVolumeFile]',
  ServiceAccountTokenProjection: 'Audience ExpirationSeconds# Path',
  ClusterTrustBundleProjection: 'Name? SignerName? LabelSelector:*LabelSelector Optional? Path',
  PodCertificateProjection:
    'SignerName KeyType MaxExpirationSeconds? CredentialBundlePath KeyPath CertificateChainPath UserAnnotations~',
  PortworxVolumeSource: 'VolumeID FSType ReadOnly!',
  ScaleIOVolumeSource:
    'Gateway System SecretRef:*LocalObjectReference SSLEnabled! ProtectionDomain StoragePool StorageMode VolumeName FSType ReadOnly!',
  ScaleIOPersistentVolumeSource:
    'Gateway System SecretRef:*SecretReference SSLEnabled! ProtectionDomain StoragePool StorageMode VolumeName FSType ReadOnly!',
  LocalVolumeSource: 'Path FSType?',
  StorageOSVolumeSource: 'VolumeName VolumeNamespace FSType ReadOnly! SecretRef:*LocalObjectReference',
  StorageOSPersistentVolumeSource: 'VolumeName VolumeNamespace FSType ReadOnly! SecretRef:*ObjectReference',
  CSIVolumeSource: 'Driver ReadOnly? FSType? VolumeAttributes~ NodePublishSecretRef:*LocalObjectReference',
  CSIPersistentVolumeSource:
    'Driver VolumeHandle ReadOnly! FSType VolumeAttributes~ ControllerPublishSecretRef:*SecretReference ' +
    'NodeStageSecretRef:*SecretReference NodePublishSecretRef:*SecretReference ControllerExpandSecretRef:*SecretReference ' +
    'NodeExpandSecretRef:*SecretReference',
  EphemeralVolumeSource: 'VolumeClaimTemplate:*PersistentVolumeClaimTemplate',
  ImageVolumeSource: 'Reference PullPolicy',
  PersistentVolumeClaimTemplate: '...ObjectMeta Spec:PersistentVolumeClaimSpec',
  PersistentVolumeClaimSpec:
    'AccessModes~ Selector:*LabelSelector Resources:VolumeResourceRequirements VolumeName StorageClassName? VolumeMode? ' +
    'DataSource:*TypedLocalObjectReference DataSourceRef:*TypedObjectReference VolumeAttributesClassName?',
  VolumeResourceRequirements: 'Limits~ Requests~',
  VolumeNodeAffinity: 'Required:*NodeSelector',
};
