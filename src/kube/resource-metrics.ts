import { formatGoDuration } from './go-duration.ts';
import type { KubeObject } from './object.ts';
import { formatQuantity } from './quantity.ts';
import type { Resource } from './resource.ts';
import { tableWith } from './tables/columns.ts';
import { formatTime } from './time.ts';

/** What something used on average during a window that ended at `at`. */
export interface Usage {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly windowMs: number;
  /** Billionths of a processor. */
  readonly nanocores: number;
  /** The working set: memory that can't be given back at once. */
  readonly memoryBytes: number;
}

/** The use of a pod's containers, by name, over the same window. */
export interface PodUsage {
  readonly at: number;
  readonly windowMs: number;
  readonly containers: ReadonlyMap<string, Pick<Usage, 'nanocores' | 'memoryBytes'>>;
}

/** Where the metrics.k8s.io API has its numbers from; a node agent, or all of them. */
export interface UsageSource {
  /** False until there is a first window. */
  readonly isReady: boolean;
  /** Undefined while nothing is known of the node. */
  node(name: string): Usage | undefined;
  /** Undefined while not all of the pod's running containers have a window. */
  pod(namespace: string, name: string): PodUsage | undefined;
}

type UsageList = Readonly<Record<'cpu' | 'memory', string>>;

/** metrics.k8s.io/v1beta1 NodeMetrics. */
export interface NodeMetrics extends KubeObject {
  readonly timestamp: string;
  /** A Go duration. */
  readonly window: string;
  readonly usage: UsageList;
}

/** metrics.k8s.io/v1beta1 PodMetrics. */
export interface PodMetrics extends KubeObject {
  readonly timestamp: string;
  readonly window: string;
  readonly containers: readonly { readonly name: string; readonly usage: UsageList }[];
}

const common = {
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  singular: '',
  shortNames: [],
  categories: [],
  verbs: ['get', 'list'],
  subresources: [],
  typeName: null,
} as const;

export const nodeMetrics: Resource<NodeMetrics> = {
  ...common,
  kind: 'NodeMetrics',
  plural: 'nodes',
  listKind: 'NodeMetricsList',
  namespaced: false,
};

export const podMetrics: Resource<PodMetrics> = {
  ...common,
  kind: 'PodMetrics',
  plural: 'pods',
  listKind: 'PodMetricsList',
  namespaced: true,
};

export const nodeMetricsTable = tableWith<NodeMetrics>(['cpu', 'memory', 'window'], ({ usage, window }) => [
  usage.cpu,
  usage.memory,
  window,
]);

export const podMetricsTable = tableWith<PodMetrics>(['cpu', 'memory', 'window'], ({ containers, window }) => {
  const total = (resource: 'cpu' | 'memory') => containers.map(({ usage }) => usage[resource]).join(',');
  return [total('cpu'), total('memory'), window];
});

/** The moment, window and use of a node as its NodeMetrics shows them. */
export function nodeMetricsBody(usage: Usage): Pick<NodeMetrics, 'timestamp' | 'window' | 'usage'> {
  return { ...timesOf(usage), usage: usageList(usage) };
}

/** The same of a pod, its containers in the order of their names. */
export function podMetricsBody(usage: PodUsage): Pick<PodMetrics, 'timestamp' | 'window' | 'containers'> {
  const byName = [...usage.containers].sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...timesOf(usage), containers: byName.map(([name, used]) => ({ name, usage: usageList(used) })) };
}

function timesOf({ at, windowMs }: Pick<Usage, 'at' | 'windowMs'>) {
  return { timestamp: formatTime(at), window: formatGoDuration(Math.round(windowMs)) };
}

function usageList({ nanocores, memoryBytes }: Pick<Usage, 'nanocores' | 'memoryBytes'>): UsageList {
  return {
    cpu: formatQuantity({ digits: BigInt(Math.round(nanocores)), scale: -9, format: 'DecimalSI' }),
    memory: formatQuantity({ digits: BigInt(Math.round(memoryBytes)), scale: 0, format: 'BinarySI' }),
  };
}
