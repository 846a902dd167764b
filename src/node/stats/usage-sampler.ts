import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { UsageSource } from '../../kube/resource-metrics.ts';
import type { StatsSummary } from './stats.ts';
import { UsageWindows } from './usage-windows.ts';

/** Milliseconds between two samples; the second one comes early, so that there is a window soon. */
const periodMs = 15_000;
const firstPeriodMs = 5_000;

/** A node that can be asked for its summary: this process's own agent, or another one by its /stats/summary. */
export interface SampledNode {
  readonly name: string;
  summary(signal: AbortSignal): Promise<StatsSummary>;
}

export interface UsageSamplerOptions {
  /** The nodes there are now; those that are no longer among them are forgotten. */
  nodes(): readonly SampledNode[];
  readonly clock: Clock;
  readonly log: Log;
}

export interface UsageSampler extends AsyncDisposable {
  readonly windows: UsageSource;
}

/** Asks all nodes for what they use, again and again. A node that does not answer in time keeps its last window. */
export function startUsageSampler({ nodes, clock, log }: UsageSamplerOptions): UsageSampler {
  const windows = new UsageWindows();
  const abort = new AbortController();
  const { signal } = abort;
  let known = new Set<string>();

  async function sample(node: SampledNode): Promise<void> {
    try {
      const summary = await node.summary(AbortSignal.any([signal, AbortSignal.timeout(periodMs)]));
      windows.add(node.name, summary, clock.now());
    } catch (thrown) {
      if (!signal.aborted)
        log.warn('a node does not tell what it uses', { node: node.name, error: describeError(thrown) });
    }
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      const current = nodes();
      const names = new Set(current.map(({ name }) => name));
      for (const name of known.difference(names)) windows.forget(name);
      known = names;
      await Promise.all(current.map(sample));
      await clock.sleep(windows.isReady ? periodMs : firstPeriodMs, signal).catch(() => {});
    }
  }

  const ended = loop();
  return {
    windows,
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}
