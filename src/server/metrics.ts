import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Gauge, RequestMetrics } from '../apiserver/metrics.ts';
import { versionInfo } from '../apiserver/version.ts';
import { errorCode } from '../core/errors.ts';
import type { NodeAgent } from '../node/agent.ts';
import type { ControllerMetrics } from '../runtime/controller-runner.ts';
import type { Manager } from '../runtime/manager.ts';
import { defaultSchedulerName, type Scheduler } from '../scheduler/scheduler.ts';

/*
 * What the parts of the process add to /metrics. They bear the names under which Kubernetes users know them wherever the
 * meaning is the same; everything is read when somebody asks, and nothing is kept for it.
 */

type Samples = ReturnType<Gauge['samples']>;

function gauge(name: string, help: string, samples: () => Samples): Gauge {
  return { name, help, type: 'gauge', samples };
}

function counter(name: string, help: string, samples: () => Samples): Gauge {
  return { name, help, type: 'counter', samples };
}

const single = (value: number): Samples => [{ labels: {}, value }];

/** The process itself, under the names of the Prometheus clients. */
export function addProcessMetrics(metrics: RequestMetrics): void {
  const { gitVersion, gitCommit, major, minor, platform } = versionInfo;
  const startedAt = Date.now() / 1000 - process.uptime();
  metrics.add(
    gauge('kubernetes_build_info', 'The version of Kubernetes that is served.', () => [
      { labels: { git_version: gitVersion, git_commit: gitCommit, major, minor, platform }, value: 1 },
    ]),
  );
  metrics.add(
    counter('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', () => {
      const { user, system } = process.cpuUsage();
      return single((user + system) / 1e6);
    }),
  );
  metrics.add(
    gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () => single(process.memoryUsage.rss())),
  );
  metrics.add(
    gauge('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', () =>
      single(startedAt),
    ),
  );
  metrics.add(
    gauge('process_open_fds', 'Number of open file descriptors.', () => single(readdirSync('/proc/self/fd').length)),
  );
  metrics.add(
    gauge('nodejs_heap_size_used_bytes', 'Process heap size used from Node.js in bytes.', () =>
      single(process.memoryUsage().heapUsed),
    ),
  );
}

/** The SQLite files in `directory`. */
export function addDatastoreMetrics(metrics: RequestMetrics, directory: string): void {
  metrics.add(
    gauge('apiserver_storage_size_bytes', 'Size of the storage database file physically allocated in bytes.', () => [
      { labels: { storage_cluster_id: 'sqlite-0' }, value: allocatedBytes(directory) },
    ]),
  );
}

function allocatedBytes(directory: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory)) {
    try {
      bytes += statSync(path.join(directory, name)).blocks * 512;
    } catch (error) {
      // Temporary files come and go.
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }
  return bytes;
}

/** The work queues of all controllers, as client-go and controller-runtime count them. */
export function addControllerMetrics(metrics: RequestMetrics, manager: Manager): void {
  const each = (label: string, value: (of: ControllerMetrics) => number) => () =>
    manager.metrics().map((of) => ({ labels: { [label]: of.name }, value: value(of) }));
  const queue = (value: (of: ControllerMetrics) => number) => each('name', value);
  metrics.add(
    gauge(
      'workqueue_depth',
      'Current depth of workqueue',
      queue(({ depth }) => depth),
    ),
  );
  metrics.add(
    counter(
      'workqueue_adds_total',
      'Total number of adds handled by workqueue',
      queue(({ adds }) => adds),
    ),
  );
  metrics.add(
    counter(
      'workqueue_retries_total',
      'Total number of retries handled by workqueue',
      queue(({ retries }) => retries),
    ),
  );
  metrics.add(
    counter(
      'controller_runtime_reconcile_errors_total',
      'Total number of reconciliation errors per controller',
      each('controller', ({ failures }) => failures),
    ),
  );
  metrics.add(
    counter(
      'wherry_reconciles_total',
      'Total number of reconciliations per controller, whatever their outcome',
      each('controller', ({ reconciles }) => reconciles),
    ),
  );
}

export function addSchedulerMetrics(metrics: RequestMetrics, scheduler: Scheduler): void {
  const labelled = (label: string, values: Readonly<Record<string, number>>, more: Readonly<Record<string, string>>) =>
    Object.entries(values).map(([name, value]) => ({ labels: { ...more, [label]: name }, value }));
  metrics.add(
    gauge('scheduler_pending_pods', 'Number of pending pods, by the queue type.', () =>
      labelled('queue', scheduler.metrics().pending, {}),
    ),
  );
  metrics.add(
    counter('scheduler_schedule_attempts_total', 'Number of attempts to schedule pods, by the result.', () =>
      labelled('result', scheduler.metrics().attempts, { profile: defaultSchedulerName }),
    ),
  );
}

export function addNodeMetrics(metrics: RequestMetrics, agent: NodeAgent, nodeName: string): void {
  metrics.add(
    gauge('kubelet_node_name', "The node's name. The count is always 1.", () => [
      { labels: { node: nodeName }, value: 1 },
    ]),
  );
  metrics.add(
    gauge('kubelet_running_pods', 'Number of pods that have a running pod sandbox', () => single(agent.running().pods)),
  );
  metrics.add(
    gauge('kubelet_running_containers', 'Number of containers currently running', () =>
      Object.entries(agent.running().containers).map(([state, value]) => ({
        labels: { container_state: state },
        value,
      })),
    ),
  );
}
