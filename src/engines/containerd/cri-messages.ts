import {
  bool,
  bytes,
  type Decoded,
  type Encodable,
  int32,
  int64,
  list,
  map,
  message,
  scalars,
  string,
  sub,
  uint32,
  uint64,
} from '../../wire/protobuf.ts';

/**
 * The messages of the Container Runtime Interface, version v1 (package runtime.v1), that a node agent speaks on Linux:
 * field names and numbers are facts of the interface (k8s.io/cri-api). Times are nanoseconds since the epoch.
 */
export const NamespaceMode = { pod: 0, container: 1, node: 2, target: 3 } as const;
export const SandboxState = { ready: 0, notReady: 1 } as const;
export const ContainerState = { created: 0, running: 1, exited: 2, unknown: 3 } as const;
export const MountPropagation = { private: 0, hostToContainer: 1, bidirectional: 2 } as const;
export const PortProtocol = { TCP: 0, UDP: 1, SCTP: 2 } as const;
export const ProfileType = { runtimeDefault: 0, unconfined: 1, localhost: 2 } as const;

const int64Value = message({ value: int64(1) });
const uint64Value = message({ value: uint64(1) });
export const empty = message({});

export const versionRequest = message({ version: string(1) });
export const versionResponse = message({
  version: string(1),
  runtimeName: string(2),
  runtimeVersion: string(3),
  runtimeApiVersion: string(4),
});

const securityProfile = message({ profileType: int32(1), localhostRef: string(2) });
const seLinuxOption = message({ user: string(1), role: string(2), type: string(3), level: string(4) });
const namespaceOption = message({ network: int32(1), pid: int32(2), ipc: int32(3), targetId: string(4) });
const hugepageLimit = message({ pageSize: string(1), limit: uint64(2) });

export const linuxContainerResources = message({
  cpuPeriod: int64(1),
  cpuQuota: int64(2),
  cpuShares: int64(3),
  memoryLimitInBytes: int64(4),
  oomScoreAdj: int64(5),
  cpusetCpus: string(6),
  cpusetMems: string(7),
  hugepageLimits: list(8, hugepageLimit),
  unified: map(9),
  memorySwapLimitInBytes: int64(10),
});

const sandboxSecurityContext = message({
  namespaceOptions: sub(1, namespaceOption),
  selinuxOptions: sub(2, seLinuxOption),
  runAsUser: sub(3, int64Value),
  readonlyRootfs: bool(4),
  supplementalGroups: scalars(5, 'int64'),
  privileged: bool(6),
  seccompProfilePath: string(7),
  runAsGroup: sub(8, int64Value),
  seccomp: sub(9, securityProfile),
  apparmor: sub(10, securityProfile),
});

const dnsConfig = message({
  servers: scalars(1, 'string'),
  searches: scalars(2, 'string'),
  options: scalars(3, 'string'),
});
const portMapping = message({ protocol: int32(1), containerPort: int32(2), hostPort: int32(3), hostIp: string(4) });
const podSandboxMetadata = message({ name: string(1), uid: string(2), namespace: string(3), attempt: uint32(4) });

export const podSandboxConfig = message({
  metadata: sub(1, podSandboxMetadata),
  hostname: string(2),
  logDirectory: string(3),
  dnsConfig: sub(4, dnsConfig),
  portMappings: list(5, portMapping),
  labels: map(6),
  annotations: map(7),
  linux: sub(
    8,
    message({
      cgroupParent: string(1),
      securityContext: sub(2, sandboxSecurityContext),
      sysctls: map(3),
      overhead: sub(4, linuxContainerResources),
      resources: sub(5, linuxContainerResources),
    }),
  ),
});

export const runPodSandboxRequest = message({ config: sub(1, podSandboxConfig), runtimeHandler: string(2) });
export const podSandboxId = message({ podSandboxId: string(1) });
export const podSandboxStatusRequest = message({ podSandboxId: string(1), verbose: bool(2) });
export const podSandboxStatus = message({
  id: string(1),
  metadata: sub(2, podSandboxMetadata),
  state: int32(3),
  createdAt: int64(4),
  network: sub(5, message({ ip: string(1), additionalIps: list(2, message({ ip: string(1) })) })),
  linux: sub(6, message({ namespaces: sub(1, message({ options: sub(2, namespaceOption) })) })),
  labels: map(7),
  annotations: map(8),
  runtimeHandler: string(9),
});
export const podSandboxStatusResponse = message({ status: sub(1, podSandboxStatus), info: map(2) });
const stateValue = message({ state: int32(1) });
export const listPodSandboxRequest = message({
  filter: sub(1, message({ id: string(1), state: sub(2, stateValue), labelSelector: map(3) })),
});
export const podSandbox = message({
  id: string(1),
  metadata: sub(2, podSandboxMetadata),
  state: int32(3),
  createdAt: int64(4),
  labels: map(5),
  annotations: map(6),
  runtimeHandler: string(7),
});
export const listPodSandboxResponse = message({ items: list(1, podSandbox) });

export const imageSpec = message({ image: string(1), annotations: map(2) });
export const mount = message({
  containerPath: string(1),
  hostPath: string(2),
  readonly: bool(3),
  selinuxRelabel: bool(4),
  propagation: int32(5),
  recursiveReadOnly: bool(8),
});
const capability = message({
  addCapabilities: scalars(1, 'string'),
  dropCapabilities: scalars(2, 'string'),
  addAmbientCapabilities: scalars(3, 'string'),
});
const containerSecurityContext = message({
  capabilities: sub(1, capability),
  privileged: bool(2),
  namespaceOptions: sub(3, namespaceOption),
  selinuxOptions: sub(4, seLinuxOption),
  runAsUser: sub(5, int64Value),
  runAsUsername: string(6),
  readonlyRootfs: bool(7),
  supplementalGroups: scalars(8, 'int64'),
  apparmorProfile: string(9),
  seccompProfilePath: string(10),
  noNewPrivs: bool(11),
  runAsGroup: sub(12, int64Value),
  maskedPaths: scalars(13, 'string'),
  readonlyPaths: scalars(14, 'string'),
  seccomp: sub(15, securityProfile),
  apparmor: sub(16, securityProfile),
});
const containerMetadata = message({ name: string(1), attempt: uint32(2) });
const linuxContainerConfig = message({
  resources: sub(1, linuxContainerResources),
  securityContext: sub(2, containerSecurityContext),
});

export const containerConfig = message({
  metadata: sub(1, containerMetadata),
  image: sub(2, imageSpec),
  command: scalars(3, 'string'),
  args: scalars(4, 'string'),
  workingDir: string(5),
  envs: list(6, message({ key: string(1), value: string(2) })),
  mounts: list(7, mount),
  devices: list(8, message({ containerPath: string(1), hostPath: string(2), permissions: string(3) })),
  labels: map(9),
  annotations: map(10),
  logPath: string(11),
  stdin: bool(12),
  stdinOnce: bool(13),
  tty: bool(14),
  linux: sub(15, linuxContainerConfig),
});

export const createContainerRequest = message({
  podSandboxId: string(1),
  config: sub(2, containerConfig),
  sandboxConfig: sub(3, podSandboxConfig),
});
export const containerId = message({ containerId: string(1) });
export const stopContainerRequest = message({ containerId: string(1), timeout: int64(2) });
export const listContainersRequest = message({
  filter: sub(1, message({ id: string(1), state: sub(2, stateValue), podSandboxId: string(3), labelSelector: map(4) })),
});
export const container = message({
  id: string(1),
  podSandboxId: string(2),
  metadata: sub(3, containerMetadata),
  image: sub(4, imageSpec),
  imageRef: string(5),
  state: int32(6),
  createdAt: int64(7),
  labels: map(8),
  annotations: map(9),
});
export const listContainersResponse = message({ containers: list(1, container) });
export const containerStatusRequest = message({ containerId: string(1), verbose: bool(2) });
export const containerStatus = message({
  id: string(1),
  metadata: sub(2, containerMetadata),
  state: int32(3),
  createdAt: int64(4),
  startedAt: int64(5),
  finishedAt: int64(6),
  exitCode: int32(7),
  image: sub(8, imageSpec),
  imageRef: string(9),
  reason: string(10),
  message: string(11),
  labels: map(12),
  annotations: map(13),
  mounts: list(14, mount),
  logPath: string(15),
});
export const containerStatusResponse = message({ status: sub(1, containerStatus), info: map(2) });
export const updateContainerResourcesRequest = message({
  containerId: string(1),
  linux: sub(2, linuxContainerResources),
  annotations: map(4),
});
export const execSyncRequest = message({ containerId: string(1), cmd: scalars(2, 'string'), timeout: int64(3) });
export const execSyncResponse = message({ stdout: bytes(1), stderr: bytes(2), exitCode: int32(3) });
export const execRequest = message({
  containerId: string(1),
  cmd: scalars(2, 'string'),
  tty: bool(3),
  stdin: bool(4),
  stdout: bool(5),
  stderr: bool(6),
});
export const attachRequest = message({
  containerId: string(1),
  stdin: bool(2),
  tty: bool(3),
  stdout: bool(4),
  stderr: bool(5),
});
export const portForwardRequest = message({ podSandboxId: string(1), port: scalars(2, 'int32') });
export const urlResponse = message({ url: string(1) });
/** containerd.services.events.v1; not CRI, but beside it on the same socket. */
export const subscribeRequest = message({ filters: scalars(1, 'string') });

export const updateRuntimeConfigRequest = message({
  runtimeConfig: sub(1, message({ networkConfig: sub(1, message({ podCidr: string(1) })) })),
});
export const statusRequest = message({ verbose: bool(1) });
const runtimeCondition = message({ type: string(1), status: bool(2), reason: string(3), message: string(4) });
export const statusResponse = message({
  status: sub(1, message({ conditions: list(1, runtimeCondition) })),
  info: map(2),
});

const filesystemUsage = message({
  timestamp: int64(1),
  fsId: sub(2, message({ mountpoint: string(1) })),
  usedBytes: sub(3, uint64Value),
  inodesUsed: sub(4, uint64Value),
});
export const containerStats = message({
  attributes: sub(
    1,
    message({ id: string(1), metadata: sub(2, containerMetadata), labels: map(3), annotations: map(4) }),
  ),
  cpu: sub(
    2,
    message({ timestamp: int64(1), usageCoreNanoSeconds: sub(2, uint64Value), usageNanoCores: sub(3, uint64Value) }),
  ),
  memory: sub(
    3,
    message({
      timestamp: int64(1),
      workingSetBytes: sub(2, uint64Value),
      availableBytes: sub(3, uint64Value),
      usageBytes: sub(4, uint64Value),
      rssBytes: sub(5, uint64Value),
      pageFaults: sub(6, uint64Value),
      majorPageFaults: sub(7, uint64Value),
    }),
  ),
  writableLayer: sub(4, filesystemUsage),
});
export const listContainerStatsRequest = message({
  filter: sub(1, message({ id: string(1), podSandboxId: string(2), labelSelector: map(3) })),
});
export const listContainerStatsResponse = message({ stats: list(1, containerStats) });

export const image = message({
  id: string(1),
  repoTags: scalars(2, 'string'),
  repoDigests: scalars(3, 'string'),
  size: uint64(4),
  uid: sub(5, int64Value),
  username: string(6),
  spec: sub(7, imageSpec),
  pinned: bool(8),
});
export const listImagesRequest = message({ filter: sub(1, message({ image: sub(1, imageSpec) })) });
export const listImagesResponse = message({ images: list(1, image) });
export const imageRequest = message({ image: sub(1, imageSpec), verbose: bool(2) });
export const imageStatusResponse = message({ image: sub(1, image), info: map(2) });
export const authConfig = message({
  username: string(1),
  password: string(2),
  auth: string(3),
  serverAddress: string(4),
  identityToken: string(5),
  registryToken: string(6),
});
export const pullImageRequest = message({
  image: sub(1, imageSpec),
  auth: sub(2, authConfig),
  sandboxConfig: sub(3, podSandboxConfig),
});
export const pullImageResponse = message({ imageRef: string(1) });
export const imageFsInfoResponse = message({ imageFilesystems: list(1, filesystemUsage) });

export type PodSandbox = Decoded<typeof podSandbox>;
export type PodSandboxStatus = Decoded<typeof podSandboxStatus>;
export type PodSandboxConfig = Encodable<typeof podSandboxConfig>;
export type RuntimeContainer = Decoded<typeof container>;
export type RuntimeContainerStatus = Decoded<typeof containerStatus>;
export type ContainerConfig = Encodable<typeof containerConfig>;
export type LinuxContainerResources = Encodable<typeof linuxContainerResources>;
export type RuntimeImage = Decoded<typeof image>;
export type AuthConfig = Encodable<typeof authConfig>;
export type ContainerStats = Decoded<typeof containerStats>;
export type FilesystemUsage = Decoded<typeof filesystemUsage>;
