import type { PodUsage, Usage, UsageSource } from '../../kube/resource-metrics.ts';
import { parseTime } from '../../kube/time.ts';
import type { CpuStats, MemoryStats, StatsSummary } from './stats.ts';

interface Sample {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
}

interface ContainerSample extends Sample {
  /** Tells this run of the container from the one before. */
  readonly startedAt: number | undefined;
}

interface NodeSamples {
  readonly node: Sample | undefined;
  /** By `namespace/name`, then by container. */
  readonly pods: ReadonlyMap<string, ReadonlyMap<string, ContainerSample>>;
}

/** A container that runs for at least so long has a window since its start, even when it was seen only once. */
const freshMsMin = 10_000;

/**
 * What nodes and pods use between the last two summaries of their nodes: metrics-server's storage. A summary that can't
 * be had leaves the last window standing, until the node is forgotten.
 */
export class UsageWindows implements UsageSource {
  readonly #nodes = new Map<string, { readonly before: NodeSamples | undefined; readonly last: NodeSamples }>();

  /** Takes a node's summary, read at `at` (milliseconds since the epoch). */
  add(nodeName: string, summary: StatsSummary, at: number): void {
    const last = samplesOf(summary, at);
    this.#nodes.set(nodeName, { before: this.#nodes.get(nodeName)?.last, last });
  }

  /** The node is no more. */
  forget(nodeName: string): void {
    this.#nodes.delete(nodeName);
  }

  get isReady(): boolean {
    for (const { before } of this.#nodes.values()) if (before !== undefined) return true;
    return false;
  }

  node(name: string): Usage | undefined {
    const samples = this.#nodes.get(name);
    return samples?.last.node && usageBetween(samples.before?.node, samples.last.node);
  }

  pod(namespace: string, name: string): PodUsage | undefined {
    const key = `${namespace}/${name}`;
    for (const { before, last } of this.#nodes.values()) {
      const containers = last.pods.get(key);
      if (containers !== undefined) return podUsage(before?.pods.get(key), containers);
    }
    return undefined;
  }
}

function samplesOf({ node, pods }: StatsSummary, at: number): NodeSamples {
  const byPod = pods.flatMap(({ podRef, containers }) => {
    const samples = containers.flatMap(({ name, cpu, memory, startTime }) => {
      const sample = sampleOf(cpu, memory, at);
      const startedAt = startTime === undefined ? undefined : parseTime(startTime);
      return sample === undefined ? [] : [[name, { ...sample, startedAt }] as const];
    });
    // A pod of which a container could not be measured is not told with a part of its use.
    if (samples.length === 0 || samples.length < containers.length) return [];
    return [[`${podRef.namespace}/${podRef.name}`, new Map(samples)] as const];
  });
  return { node: sampleOf(node.cpu, node.memory, at), pods: new Map(byPod) };
}

function sampleOf(cpu: CpuStats | undefined, memory: MemoryStats | undefined, at: number): Sample | undefined {
  if (cpu === undefined || memory === undefined) return undefined;
  return { at, cpuNanoseconds: cpu.usageCoreNanoSeconds, memoryBytes: memory.workingSetBytes };
}

/** Undefined without a sample before, and after the counter began anew (a restart of the machine). */
function usageBetween(before: Sample | undefined, last: Sample): Usage | undefined {
  if (before === undefined || last.at <= before.at || last.cpuNanoseconds < before.cpuNanoseconds) return undefined;
  const windowMs = last.at - before.at;
  const nanocores = ((last.cpuNanoseconds - before.cpuNanoseconds) * 1000) / windowMs;
  return { at: last.at, windowMs, nanocores, memoryBytes: last.memoryBytes };
}

function podUsage(
  before: ReadonlyMap<string, ContainerSample> | undefined,
  last: ReadonlyMap<string, ContainerSample>,
): PodUsage | undefined {
  const containers = new Map<string, Usage>();
  for (const [name, sample] of last) {
    const former = before?.get(name);
    const isSame = former !== undefined && former.startedAt === sample.startedAt;
    const usage = usageBetween(isSame ? former : startOf(sample), sample);
    if (usage === undefined) return undefined;
    containers.set(name, usage);
  }
  // The pod's window is that of its shortest one, as metrics-server tells it.
  const [shortest] = [...containers.values()].sort((a, b) => a.windowMs - b.windowMs);
  return shortest && { at: shortest.at, windowMs: shortest.windowMs, containers };
}

/** A container that started a while ago had used nothing then. */
function startOf({ at, startedAt }: ContainerSample): Sample | undefined {
  if (startedAt === undefined || at - startedAt < freshMsMin) return undefined;
  return { at: startedAt, cpuNanoseconds: 0, memoryBytes: 0 };
}
