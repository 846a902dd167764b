import type { RuntimeImage } from '../../engines/containerd/cri-messages.ts';
import { findCondition } from '../../kube/conditions.ts';
import { formatTime } from '../../kube/time.ts';
import type { ContainerImage, Node, NodeCondition, NodeStatus } from '../../kube/types.gen.ts';
import { sameJson } from '../same-json.ts';
import type { DiskUse, MachineFacts, MachineUse } from './machine.ts';

/** What the agent knows of its node at a moment. */
export interface NodeFacts {
  readonly name: string;
  readonly hostname: string;
  readonly addresses: readonly string[];
  readonly externalAddresses: readonly string[];
  readonly machine: MachineFacts;
  readonly use: MachineUse;
  readonly pressure: Pressure;
  readonly runtime: { readonly name: string; readonly version: string } | null;
  /** E.g. `v1.36.2`. */
  readonly kubeletVersion: string;
  readonly podsMax: number;
  readonly kubeletPort: number | undefined;
  readonly images: readonly RuntimeImage[];
  /** Why pods can't run, in plain words; empty when they can. */
  readonly problems: readonly string[];
  readonly now: number;
}

export interface Pressure {
  readonly memory: boolean;
  readonly disk: boolean;
  readonly processes: boolean;
}

/** Below these free amounts the node is under pressure: kubelet's hard eviction thresholds. */
export const memoryAvailableMin = 100 * 1024 * 1024;
/** Images lie on the same file system, whose own threshold is the higher one. */
export const diskAvailableShareMin = 0.15;
const ephemeralReservedShare = 0.1;
const inodesFreeShareMin = 0.05;
const processesFreeShareMin = 0.01;
/** Images listed in the node's status. */
const imagesMax = 50;

/** Whether the file system that holds volumes, logs and images is nearly full. */
export function isDiskShort({ availableBytes, capacityBytes, inodes, inodesFree }: DiskUse): boolean {
  return (
    availableBytes < capacityBytes * diskAvailableShareMin || (inodes > 0 && inodesFree < inodes * inodesFreeShareMin)
  );
}

export function pressureOf(machine: MachineFacts, use: MachineUse): Pressure {
  return {
    memory: use.memoryAvailableBytes < memoryAvailableMin,
    disk: isDiskShort(use.disk),
    processes: machine.processesMax - use.processes < machine.processesMax * processesFreeShareMin,
  };
}

/** The Node object for a node that is not registered yet, without its status. */
export function newNode(
  facts: NodeFacts,
  labels: Readonly<Record<string, string>>,
  taints: NonNullable<Node['spec']>['taints'],
): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: facts.name, labels: { ...nodeLabels(facts), ...labels } },
    spec: { ...(taints && taints.length > 0 ? { taints } : {}) },
  };
}

/** The labels that a node agent owns. */
export function nodeLabels({ machine, hostname }: NodeFacts): Readonly<Record<string, string>> {
  return {
    'beta.kubernetes.io/arch': machine.architecture,
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': machine.architecture,
    'kubernetes.io/hostname': hostname,
    'kubernetes.io/os': 'linux',
  };
}

/** The node's whole status; what others own (conditions, volumesAttached) is kept. Pure. */
export function nodeStatus(node: Node, facts: NodeFacts): NodeStatus {
  const { machine } = facts;
  const capacity = capacityOf(facts);
  const conditions = nodeConditions(node, facts);
  const own = new Set(conditions.map(({ type }) => type));
  return {
    ...node.status,
    capacity,
    allocatable: allocatableOf(facts, capacity),
    conditions: [...(node.status?.conditions ?? []).filter(({ type }) => !own.has(type)), ...conditions],
    addresses: [
      ...facts.addresses.map((address) => ({ type: 'InternalIP', address })),
      ...facts.externalAddresses.map((address) => ({ type: 'ExternalIP', address })),
      { type: 'Hostname', address: facts.hostname },
    ],
    ...(facts.kubeletPort === undefined ? {} : { daemonEndpoints: { kubeletEndpoint: { Port: facts.kubeletPort } } }),
    nodeInfo: {
      machineID: machine.machineId,
      systemUUID: machine.systemUuid,
      bootID: machine.bootId,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion:
        facts.runtime === null ? 'unknown://unknown' : `${facts.runtime.name}://${facts.runtime.version}`,
      kubeletVersion: facts.kubeletVersion,
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: machine.architecture,
      swap: { capacity: machine.swapBytes },
    },
    images: imageList(facts.images),
    features: { supplementalGroupsPolicy: false },
  };
}

function capacityOf({ machine, use, podsMax }: NodeFacts): Readonly<Record<string, string>> {
  const hugepages = Object.entries(machine.hugepages).map(([size, bytes]) => [`hugepages-${size}`, kibibytes(bytes)]);
  return {
    cpu: String(machine.cpus),
    'ephemeral-storage': kibibytes(use.disk.capacityBytes),
    ...Object.fromEntries(hugepages),
    memory: kibibytes(machine.memoryBytes),
    pods: String(podsMax),
  };
}

/** Without what must stay free so that the node is not under pressure. */
function allocatableOf({ machine, use }: NodeFacts, capacity: Readonly<Record<string, string>>) {
  return {
    ...capacity,
    'ephemeral-storage': String(Math.floor(use.disk.capacityBytes * (1 - ephemeralReservedShare))),
    memory: kibibytes(Math.max(0, machine.memoryBytes - memoryAvailableMin)),
  };
}

function kibibytes(bytes: number): string {
  return bytes === 0 ? '0' : `${Math.floor(bytes / 1024)}Ki`;
}

/** The largest images, as the scheduler and people look for them. */
function imageList(images: readonly RuntimeImage[]): readonly ContainerImage[] {
  return images
    .toSorted((a, b) => b.size - a.size)
    .slice(0, imagesMax)
    .map(({ repoDigests, repoTags, size }) => ({ names: [...repoDigests, ...repoTags].slice(0, 5), sizeBytes: size }));
}

function nodeConditions(node: Node, facts: NodeFacts): readonly NodeCondition[] {
  const { pressure, problems } = facts;
  const verdicts = [
    verdict(
      'MemoryPressure',
      pressure.memory,
      ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'],
      ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
    ),
    verdict(
      'DiskPressure',
      pressure.disk,
      ['KubeletHasDiskPressure', 'kubelet has disk pressure'],
      ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
    ),
    verdict(
      'PIDPressure',
      pressure.processes,
      ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available'],
      ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
    ),
    verdict(
      'Ready',
      problems.length === 0,
      ['KubeletReady', 'kubelet is posting ready status'],
      ['KubeletNotReady', problems.length === 1 ? (problems[0] ?? '') : `[${problems.join(', ')}]`],
    ),
  ];
  const now = formatTime(facts.now);
  return verdicts.map((condition) => {
    const former = findCondition(node.status?.conditions, condition.type);
    const since = former?.status === condition.status ? former.lastTransitionTime : undefined;
    return { ...condition, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
  });
}

function verdict(
  type: string,
  isTrue: boolean,
  whenTrue: readonly [string, string],
  whenFalse: readonly [string, string],
) {
  const [reason, message] = isTrue ? whenTrue : whenFalse;
  return { type, status: isTrue ? 'True' : 'False', reason, message };
}

/** Whether two statuses say the same, heartbeats aside. */
export function sameNodeStatus(a: NodeStatus | undefined, b: NodeStatus): boolean {
  return sameJson(withoutHeartbeats(a), withoutHeartbeats(b));
}

function withoutHeartbeats(status: NodeStatus | undefined): unknown {
  const conditions = (status?.conditions ?? [])
    .map(({ lastHeartbeatTime: _beat, ...rest }) => rest)
    .toSorted((a, b) => (a.type < b.type ? -1 : 1));
  return { ...status, conditions };
}
