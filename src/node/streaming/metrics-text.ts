import type { CpuStats, MemoryStats, StatsSummary } from '../stats/stats.ts';

/** The pages below /metrics: the node's own, cAdvisor's, and the resource metrics that metrics-server reads. */
export type MetricsPage = '' | 'cadvisor' | 'resource';

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | undefined;
}

/** Prometheus' text format of what pods, containers and the node use; undefined for a page that does not exist. */
export function metricsText(page: MetricsPage, summary: StatsSummary): string | undefined {
  switch (page) {
    case 'resource':
      return resourcePage(summary);
    case 'cadvisor':
      return cadvisorPage(summary);
    case '':
      return family('kubelet_running_pods', 'gauge', 'Number of pods that have a running pod sandbox', [
        { labels: {}, value: summary.pods.length },
      ]);
    default:
      return undefined;
  }
}

const seconds = (cpu: CpuStats | undefined) => cpu && cpu.usageCoreNanoSeconds / 1e9;
const workingSet = (memory: MemoryStats | undefined) => memory?.workingSetBytes;

function resourcePage({ node, pods }: StatsSummary): string {
  const ofPods = pods.map((pod) => ({ pod, labels: { namespace: pod.podRef.namespace, pod: pod.podRef.name } }));
  const ofContainers = ofPods.flatMap(({ pod, labels }) =>
    pod.containers.map((container) => ({ container, labels: { container: container.name, ...labels } })),
  );
  return [
    family('node_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the node in core-seconds', [
      { labels: {}, value: seconds(node.cpu) },
    ]),
    family('node_memory_working_set_bytes', 'gauge', 'Current working set of the node in bytes', [
      { labels: {}, value: workingSet(node.memory) },
    ]),
    family(
      'pod_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed by the pod in core-seconds',
      ofPods.map(({ pod, labels }) => ({ labels, value: seconds(pod.cpu) })),
    ),
    family(
      'pod_memory_working_set_bytes',
      'gauge',
      'Current working set of the pod in bytes',
      ofPods.map(({ pod, labels }) => ({ labels, value: workingSet(pod.memory) })),
    ),
    family(
      'container_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed by the container in core-seconds',
      ofContainers.map(({ container, labels }) => ({ labels, value: seconds(container.cpu) })),
    ),
    family(
      'container_memory_working_set_bytes',
      'gauge',
      'Current working set of the container in bytes',
      ofContainers.map(({ container, labels }) => ({ labels, value: workingSet(container.memory) })),
    ),
    family('resource_scrape_error', 'gauge', '1 if there was an error while getting container metrics, 0 otherwise', [
      { labels: {}, value: 0 },
    ]),
  ].join('');
}

function cadvisorPage({ node, pods }: StatsSummary): string {
  const entries = [
    { labels: { id: '/', container: '', namespace: '', pod: '' }, cpu: node.cpu, memory: node.memory },
    ...pods.flatMap((pod) => {
      const labels = { id: `/pod${pod.podRef.uid}`, namespace: pod.podRef.namespace, pod: pod.podRef.name };
      return [
        { labels: { ...labels, container: '' }, cpu: pod.cpu, memory: pod.memory },
        ...pod.containers.map(({ name, cpu, memory }) => ({ labels: { ...labels, container: name }, cpu, memory })),
      ];
    }),
  ];
  const series = (value: (entry: (typeof entries)[number]) => number | undefined): readonly Series[] =>
    entries.map((entry) => ({ labels: entry.labels, value: value(entry) }));
  return [
    family(
      'container_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed in seconds.',
      series(({ cpu }) => seconds(cpu)),
    ),
    family(
      'container_memory_working_set_bytes',
      'gauge',
      'Current working set in bytes.',
      series(({ memory }) => workingSet(memory)),
    ),
    family(
      'container_memory_usage_bytes',
      'gauge',
      'Current memory usage in bytes, including all memory regardless of when it was accessed',
      series(({ memory }) => memory?.usageBytes),
    ),
    family(
      'container_memory_rss',
      'gauge',
      'Size of RSS in bytes.',
      series(({ memory }) => memory?.rssBytes),
    ),
  ].join('');
}

function family(name: string, type: 'counter' | 'gauge', help: string, series: readonly Series[]): string {
  const lines = series.flatMap(({ labels, value }) => {
    if (value === undefined) return [];
    const pairs = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
    return [`${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`];
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}
