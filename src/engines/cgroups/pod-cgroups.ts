/** The service classes that have a cgroup of their own below the root; Guaranteed pods stand directly in the root. */
export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

export interface PodCgroup {
  readonly uid: string;
  readonly qos: QosClass;
}

/** Bounds of all of a pod's containers together; what is absent is not bounded. */
export interface CgroupLimits {
  /** Relative weight in cgroup v1's unit, 2 to 262144; 1024 is one CPU. */
  readonly cpuShares: number;
  /** Microseconds of CPU time in each period of 100 ms. */
  readonly cpuQuotaUs?: number;
  readonly memoryBytes?: number;
  readonly processes?: number;
}

/** What a cgroup has used. */
export interface CgroupUsage {
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
  /** Memory that can't be given back under pressure: usage less inactive file cache. */
  readonly workingSetBytes: number;
  readonly rssBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  readonly processes: number | undefined;
}

/** The cgroups in which this node's pods run. Implemented for the file system of v1 and v2 and for systemd. */
export interface PodCgroups {
  readonly version: 1 | 2;
  /** Makes the root and those of the service classes. Throws TerminalError when the kernel lacks a controller needed. */
  prepare(): Promise<void>;
  /** CRI's cgroup_parent for the pod. */
  parentOf(pod: PodCgroup): string;
  /** Makes the pod's cgroup and sets its bounds. Idempotent. */
  apply(pod: PodCgroup, limits: CgroupLimits): Promise<void>;
  /** Removes the pod's cgroup; kills what is left in it. Idempotent. */
  remove(pod: PodCgroup): Promise<void>;
  /** The pods that have a cgroup. */
  list(): Promise<readonly PodCgroup[]>;
  /** Undefined when the pod has no cgroup. */
  usage(pod: PodCgroup): Promise<CgroupUsage | undefined>;
  /** Of the whole machine (or of the container that it is). */
  nodeUsage(): Promise<CgroupUsage | undefined>;
}

/** The period over which CPU quotas are counted, microseconds. */
export const cpuPeriodUs = 100_000;

/** cgroup v2's weight (1 to 10000) for v1's shares (2 to 262144), linear, as runc and KEP-2254 have it. */
export function weightOfShares(shares: number): number {
  return Math.floor(1 + ((Math.min(Math.max(shares, 2), 262_144) - 2) * 9999) / 262_142);
}

/** `/burstable` and so on. */
export function classFolder(qos: QosClass): string {
  return qos === 'Guaranteed' ? '' : `/${qos.toLowerCase()}`;
}

export const qosClasses: readonly QosClass[] = ['Guaranteed', 'Burstable', 'BestEffort'];
