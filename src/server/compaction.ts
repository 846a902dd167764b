import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Backend } from '../datastore/backend.ts';

/** History is kept for at least this long: kube-apiserver's --etcd-compaction-interval. */
const intervalMs = 5 * 60_000;

/** Compacts the datastore every five minutes to where it stood five minutes before. */
export function startCompaction(context: {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly log: Log;
}): AsyncDisposable {
  const { backend, clock, log } = context;
  const abort = new AbortController();
  const run = async () => {
    let before = await backend.currentRevision();
    while (true) {
      await clock.sleep(intervalMs, abort.signal);
      const now = await backend.currentRevision();
      try {
        if (before > 0) await backend.compact(before);
      } catch (error) {
        log.error('compaction failed', { error });
      }
      before = now;
    }
  };
  const running = run().catch((error: unknown) => {
    if (!abort.signal.aborted) log.error('compaction ended', { error });
  });
  return {
    async [Symbol.asyncDispose]() {
      abort.abort();
      await running;
    },
  };
}
