import type { Transport } from '../../client/transport.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { humanDuration } from '../../kube/kinds/name-and-age.ts';

export interface ServerWatchOptions {
  /** The API as this node. */
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  /** Told why the server can't be spoken with, again and again while that lasts, and null once it can be. */
  onStatus(problem: string | null): void;
}

/** Milliseconds between looks at the server, and within which it must answer. */
const lookEveryMs = 10_000;
const lookAgainMs = 2_000;
const answerTimeoutMs = 5_000;
/** A single look may fail while a connection is made anew. */
const failuresMax = 2;

/** Looks whether this node's server answers, so that `wherry status` can say so. Disposing ends it. */
export function watchServer({ transport, clock, log, onStatus }: ServerWatchOptions): AsyncDisposable {
  const abort = new AbortController();
  const { signal } = abort;
  let failures = 0;
  let since = 0;

  async function look(): Promise<void> {
    try {
      const timeout = AbortSignal.timeout(answerTimeoutMs);
      await transport.call({ method: 'GET', path: '/readyz', signal: AbortSignal.any([signal, timeout]) });
      if (failures >= failuresMax) {
        log.info('the server answers again', { after: humanDuration(clock.monotonic() - since) });
        onStatus(null);
      }
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (failures === 0) since = clock.monotonic();
      failures++;
      if (failures === failuresMax) log.warn('the server does not answer', { error: describeError(error) });
      if (failures < failuresMax) return;
      const silent = humanDuration(clock.monotonic() - since);
      onStatus(`the server does not answer since ${silent}; pods run on: ${describeError(error)}`);
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await look();
      // Rejects only when the signal aborts, which ends the loop.
      await clock.sleep(failures > 0 ? lookAgainMs : lookEveryMs, signal).catch(() => {});
    }
  }

  const ended = run();
  return {
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}
