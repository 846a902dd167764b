import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { criticalPriority } from '../../kube/scheduling.ts';
import type { Pod } from '../../kube/types.gen.ts';
import type { PodEvents } from '../pod-events.ts';
import type { DiskUse } from '../registration/machine.ts';
import { diskAvailableShareMin, isDiskShort } from '../registration/node-status.ts';
import {
  chooseStorageVictim,
  isStorageBounded,
  type PodStorage,
  storageBytes,
  storageExcess,
  storageRequest,
} from './local-storage.ts';
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
  /** Pods that run here. */
  pods(): readonly Pod[];
  /** What these pods take of the disk. */
  storage(pods: readonly Pod[], signal: AbortSignal): Promise<readonly PodStorage[]>;
  disk(): Promise<DiskUse>;
  /** Gives back what nobody uses: images. */
  reclaim(): Promise<void>;
  fail(podUid: string, failure: PodFailure): void;
}

/**
 * Fails pods that write more than they may, and one pod at a time while the node is short of memory or disk: before the
 * kernel kills something at random, and before nobody can write any more.
 */
export function startEviction(options: EvictionOptions): AsyncDisposable {
  const { clock, log, events } = options;
  const abort = new AbortController();
  const { signal } = abort;

  function evict(pod: Pod, message: string): void {
    events.pod(pod, 'Warning', 'Evicted', message);
    options.fail(pod.metadata.uid ?? '', { reason: 'Evicted', message });
  }

  async function lookAtBounds(): Promise<void> {
    const bounded = options.pods().filter((pod) => isAlive(pod) && isStorageBounded(pod));
    if (bounded.length === 0) return;
    for (const storage of await options.storage(bounded, signal)) {
      const message = storageExcess(storage);
      if (message !== undefined) evict(storage.pod, message);
    }
  }

  async function lookAtDisk(): Promise<void> {
    if (!isDiskShort(await options.disk())) return;
    await options.reclaim();
    const disk = await options.disk();
    if (!isDiskShort(disk)) return;
    const victim = chooseStorageVictim(await options.storage(options.pods().filter(isAlive), signal));
    if (victim === undefined) {
      log.warn('the node is short of disk, and no pod can be evicted', { ...disk });
      return;
    }
    const threshold = kibibytes(disk.capacityBytes * diskAvailableShareMin);
    evict(
      victim.pod,
      `The node was low on resource: ephemeral-storage. Threshold quantity: ${threshold}, available: ${kibibytes(disk.availableBytes)}. The pod was using ${kibibytes(storageBytes(victim))}, request is ${storageRequest(victim.pod)}. `,
    );
  }

  async function lookAtMemory(): Promise<void> {
    const { availableBytes, thresholdBytes } = await options.memory();
    if (availableBytes >= thresholdBytes) return;
    const victim = chooseVictim(await options.candidates());
    if (victim === undefined) {
      log.warn('the node is short of memory, and no pod can be evicted', { availableBytes });
      return;
    }
    const { pod, workingSetBytes } = victim;
    const message = `The node was low on resource: memory. Threshold quantity: ${kibibytes(thresholdBytes)}, available: ${kibibytes(availableBytes)}. The pod was using ${kibibytes(workingSetBytes)}, request is ${memoryRequest(pod)}. `;
    evict(pod, message);
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(periodMs, signal).catch(() => {});
      if (signal.aborted) return;
      for (const [what, look] of [
        ['memory', lookAtMemory],
        ['bounds of storage', lookAtBounds],
        ['disk', lookAtDisk],
      ] as const) {
        try {
          await look();
        } catch (thrown) {
          if (!signal.aborted)
            log.warn('it can not be seen whether a pod must go', { what, error: describeError(thrown) });
        }
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

function kibibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024)}Ki`;
}
