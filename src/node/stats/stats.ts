import type { Clock } from '../../core/clock.ts';
import type { CgroupUsage, PodCgroup, PodCgroups } from '../../engines/cgroups/pod-cgroups.ts';
import type { Cri } from '../../engines/containerd/cri.ts';
import type { ContainerStats } from '../../engines/containerd/cri-messages.ts';
import { formatTime } from '../../kube/time.ts';
import { labels } from '../pods/identity.ts';
import type { DiskUse } from '../registration/machine.ts';

/** kubelet's stats/v1alpha1 Summary, as /stats/summary serves it; what can't be told is absent. */
export interface StatsSummary {
  readonly node: NodeStats;
  readonly pods: readonly PodStats[];
}

export interface NodeStats {
  readonly nodeName: string;
  readonly startTime: string;
  readonly cpu?: CpuStats;
  readonly memory?: MemoryStats;
  readonly fs?: FsStats;
}

export interface PodStats {
  readonly podRef: { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly startTime: string;
  readonly cpu?: CpuStats;
  readonly memory?: MemoryStats;
  readonly process_stats?: { readonly process_count: number };
  readonly containers: readonly ContainerStatsEntry[];
}

export interface ContainerStatsEntry {
  readonly name: string;
  readonly startTime?: string;
  readonly cpu?: CpuStats;
  readonly memory?: MemoryStats;
  readonly rootfs?: { readonly time: string; readonly usedBytes: number; readonly inodesUsed?: number };
}

export interface CpuStats {
  readonly time: string;
  readonly usageNanoCores?: number;
  readonly usageCoreNanoSeconds: number;
}

export interface MemoryStats {
  readonly time: string;
  readonly usageBytes?: number;
  readonly workingSetBytes: number;
  readonly rssBytes?: number;
  readonly pageFaults?: number;
  readonly majorPageFaults?: number;
  readonly availableBytes?: number;
}

export interface FsStats {
  readonly time: string;
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

export interface StatsOptions {
  readonly nodeName: string;
  readonly cri: Cri;
  readonly cgroups: PodCgroups;
  readonly clock: Clock;
  readonly startedAt: number;
  readonly memoryBytes: number;
  disk(): Promise<DiskUse>;
  /** The pods that run here. */
  pods(): readonly StatsPod[];
}

export interface StatsPod extends PodCgroup {
  readonly name: string;
  readonly namespace: string;
  readonly startTime: string;
  /** When the running containers started, milliseconds since the epoch, by their ids. */
  readonly containerStarts: ReadonlyMap<string, number>;
}

/** Milliseconds below which two samples are too near to each other to tell a rate. */
const sampleGapMsMin = 1000;

/** What pods, containers and the node use. A rate (usageNanoCores) is that between the last two calls. */
export interface Stats {
  summary(signal?: AbortSignal): Promise<StatsSummary>;
}

export function createStats(options: StatsOptions): Stats {
  const { clock, cgroups, cri } = options;
  const samples = new Map<
    string,
    { readonly at: number; readonly nanoseconds: number; readonly rate: number | undefined }
  >();

  function rate(key: string, nanoseconds: number): number | undefined {
    const at = clock.monotonic();
    const before = samples.get(key);
    if (before === undefined) {
      samples.set(key, { at, nanoseconds, rate: undefined });
      return undefined;
    }
    if (at - before.at < sampleGapMsMin) return before.rate;
    const next = Math.max(0, Math.round(((nanoseconds - before.nanoseconds) * 1000) / (at - before.at)));
    samples.set(key, { at, nanoseconds, rate: next });
    return next;
  }

  function cpu(key: string, nanoseconds: number, time: string): CpuStats {
    const usageNanoCores = rate(key, nanoseconds);
    return { time, ...(usageNanoCores === undefined ? {} : { usageNanoCores }), usageCoreNanoSeconds: nanoseconds };
  }

  function ofCgroup(
    key: string,
    usage: CgroupUsage | undefined,
    time: string,
  ): Pick<PodStats, 'cpu' | 'memory' | 'process_stats'> {
    if (usage === undefined) return {};
    const { memoryBytes, workingSetBytes, rssBytes, pageFaults, majorPageFaults, processes } = usage;
    return {
      cpu: cpu(key, usage.cpuNanoseconds, time),
      memory: { time, usageBytes: memoryBytes, workingSetBytes, rssBytes, pageFaults, majorPageFaults },
      ...(processes === undefined ? {} : { process_stats: { process_count: processes } }),
    };
  }

  function ofContainer(stats: ContainerStats, startedAt: number | undefined, time: string): ContainerStatsEntry {
    const name = stats.attributes?.labels[labels.containerName] ?? '';
    const key = stats.attributes?.id ?? '';
    const memory = stats.memory;
    const nanoseconds = stats.cpu?.usageCoreNanoSeconds?.value;
    const layer = stats.writableLayer;
    return {
      name,
      ...(startedAt === undefined ? {} : { startTime: formatTime(startedAt) }),
      ...(nanoseconds === undefined ? {} : { cpu: cpu(key, nanoseconds, time) }),
      ...(memory?.workingSetBytes === undefined
        ? {}
        : {
            memory: {
              time,
              workingSetBytes: memory.workingSetBytes.value,
              ...(memory.usageBytes === undefined ? {} : { usageBytes: memory.usageBytes.value }),
              ...(memory.rssBytes === undefined ? {} : { rssBytes: memory.rssBytes.value }),
            },
          }),
      ...(layer?.usedBytes === undefined
        ? {}
        : {
            rootfs: {
              time,
              usedBytes: layer.usedBytes.value,
              ...(layer.inodesUsed === undefined ? {} : { inodesUsed: layer.inodesUsed.value }),
            },
          }),
    };
  }

  return {
    async summary(signal) {
      const time = formatTime(clock.now());
      const [{ stats }, nodeUsage, disk] = await Promise.all([
        cri.listContainerStats({}, signal === undefined ? {} : { signal }),
        cgroups.nodeUsage(),
        options.disk(),
      ]);
      const byPod = Map.groupBy(stats, ({ attributes }) => attributes?.labels[labels.podUid] ?? '');
      const current = new Set(['node', ...stats.map(({ attributes }) => attributes?.id ?? '')]);
      const pods = await Promise.all(
        options.pods().map(async (pod): Promise<PodStats> => {
          current.add(pod.uid);
          const { process_stats, ...usage } = ofCgroup(pod.uid, await cgroups.usage(pod), time);
          return {
            podRef: { name: pod.name, namespace: pod.namespace, uid: pod.uid },
            startTime: pod.startTime,
            ...usage,
            ...(process_stats === undefined ? {} : { process_stats }),
            // The runtime lists containers that have ended, too.
            containers: (byPod.get(pod.uid) ?? []).flatMap((entry) => {
              const startedAt = pod.containerStarts.get(entry.attributes?.id ?? '');
              return startedAt === undefined ? [] : [ofContainer(entry, startedAt, time)];
            }),
          };
        }),
      );
      for (const key of samples.keys()) if (!current.has(key)) samples.delete(key);
      const { process_stats: _processes, ...node } = ofCgroup('node', nodeUsage, time);
      return {
        node: {
          nodeName: options.nodeName,
          startTime: formatTime(options.startedAt),
          ...node,
          ...(node.memory === undefined
            ? {}
            : {
                memory: {
                  ...node.memory,
                  availableBytes: Math.max(0, options.memoryBytes - node.memory.workingSetBytes),
                },
              }),
          fs: {
            time,
            capacityBytes: disk.capacityBytes,
            availableBytes: disk.availableBytes,
            usedBytes: disk.capacityBytes - disk.availableBytes,
            inodes: disk.inodes,
            inodesFree: disk.inodesFree,
          },
        },
        pods,
      };
    },
  };
}
