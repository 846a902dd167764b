import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import { startImageCollector } from './images/image-gc.ts';
import type { PodEvents } from './pod-events.ts';
import { startEviction } from './pods/eviction.ts';
import { podUid } from './pods/identity.ts';
import { startLogRotation } from './pods/log-rotation.ts';
import { observeStorage } from './pods/observe-storage.ts';
import { qosClass } from './pods/resources.ts';
import type { PodWorkers } from './pods/workers.ts';
import { diskUse, observeUse } from './registration/machine.ts';
import { memoryAvailableMin } from './registration/node-status.ts';

export interface UpkeepOptions {
  readonly runtime: ContainerRuntime;
  readonly workers: PodWorkers;
  readonly events: PodEvents;
  readonly clock: Clock;
  readonly log: Log;
  /** On the file system that holds images, volumes and logs. */
  readonly folder: string;
  /** Holds a folder for each pod uid. */
  readonly podsFolder: string;
  /** Puts a Warning Event on the Node. */
  warn(reason: string, message: string): void;
}

/** What keeps the node from filling up: logs are rotated, unused images removed, and pods evicted when memory runs out. */
export function startUpkeep(options: UpkeepOptions): readonly AsyncDisposable[] {
  const { runtime, workers, events, clock, log, folder } = options;
  const { cri, cgroups, sandboxImage } = runtime;
  const images = startImageCollector({
    cri,
    clock,
    log,
    keep: sandboxImage === undefined ? [] : [sandboxImage],
    disk: () => diskUse(folder),
    failed: (message) => options.warn('ImageGCFailed', message),
  });
  return [
    startLogRotation({
      cri,
      clock,
      log,
      running: () =>
        workers
          .workers()
          .flatMap((worker) =>
            worker.runtime.containers.filter(({ state, logPath }) => state === 'running' && logPath !== ''),
          ),
    }),
    images,
    startEviction({
      clock,
      log,
      events,
      async memory() {
        const { memoryAvailableBytes } = await observeUse(folder);
        return { availableBytes: memoryAvailableBytes, thresholdBytes: memoryAvailableMin };
      },
      candidates: () =>
        Promise.all(
          workers.pods().map(async (pod) => {
            const usage = await cgroups.usage({ uid: pod.metadata.uid ?? '', qos: qosClass(pod) });
            return { pod, workingSetBytes: usage?.workingSetBytes ?? 0 };
          }),
        ),
      pods: () => workers.pods(),
      storage: (pods, signal) => {
        const logs = new Map(workers.workers().map(({ pod, runtime }) => [podUid(pod), runtime.containers]));
        return observeStorage(cri, options.podsFolder, pods, (pod) => logs.get(podUid(pod)) ?? [], signal);
      },
      disk: () => diskUse(folder),
      reclaim: () => images.removeUnused(),
      fail: (uid, failure) => workers.fail(uid, failure),
    }),
  ];
}
