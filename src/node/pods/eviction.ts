import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { criticalPriority } from '../../kube/scheduling.ts';
import type { Pod } from '../../kube/types.gen.ts';
import type { PodEvents } from '../pod-events.ts';
import { memoryRequest } from './resources.ts';
import type { PodFailure } from './status.ts';

/** A pod that may be evicted, with the memory that it can't give back. */
export interface EvictionCandidate {
  readonly pod: Pod;
  readonly workingSetBytes: number;
}

/** Milliseconds between looks; kubelet's. */
const periodMs = 10_000;

/**
 * The pod to evict when the node is short of memory: one that uses more than it asked for, of the lowest priority, that is
 * furthest above its request (kubelet's order). Undefined when there is none that may go. Pure.
 */
export function chooseVictim(candidates: readonly EvictionCandidate[]): EvictionCandidate | undefined {
  const excess = ({ pod, workingSetBytes }: EvictionCandidate) => workingSetBytes - memoryRequest(pod);
  const priority = ({ pod }: EvictionCandidate) => pod.spec?.priority ?? 0;
  return candidates
    .filter((candidate) => priority(candidate) < criticalPriority && isAlive(candidate.pod))
    .toSorted(
      (a, b) => Number(excess(b) > 0) - Number(excess(a) > 0) || priority(a) - priority(b) || excess(b) - excess(a),
    )[0];
}

function isAlive({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp === undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

export interface EvictionOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly events: PodEvents;
  /** Bytes of memory that the node has to give, and below which it is short of it. */
  memory(): Promise<{ readonly availableBytes: number; readonly thresholdBytes: number }>;
  candidates(): Promise<readonly EvictionCandidate[]>;
  fail(podUid: string, failure: PodFailure): void;
}

/** Fails one pod at a time while the node is short of memory, before the kernel kills something at random. */
export function startEviction(options: EvictionOptions): AsyncDisposable {
  const { clock, log, events } = options;
  const abort = new AbortController();
  const { signal } = abort;

  async function look(): Promise<void> {
    const { availableBytes, thresholdBytes } = await options.memory();
    if (availableBytes >= thresholdBytes) return;
    const victim = chooseVictim(await options.candidates());
    if (victim === undefined) {
      log.warn('the node is short of memory, and no pod can be evicted', { availableBytes });
      return;
    }
    const { pod, workingSetBytes } = victim;
    const kibibytes = (bytes: number) => `${Math.floor(bytes / 1024)}Ki`;
    const message = `The node was low on resource: memory. Threshold quantity: ${kibibytes(thresholdBytes)}, available: ${kibibytes(availableBytes)}. The pod was using ${kibibytes(workingSetBytes)}, request is ${memoryRequest(pod)}. `;
    events.pod(pod, 'Warning', 'Evicted', message);
    options.fail(pod.metadata.uid ?? '', { reason: 'Evicted', message });
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(periodMs, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        await look();
      } catch (thrown) {
        log.warn('memory pressure can not be looked at', { error: describeError(thrown) });
      }
    }
  }

  const ended = loop();
  return {
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}
