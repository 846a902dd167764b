import { mkdir } from 'node:fs/promises';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { type ControlState, listenControl } from './control.ts';
import type { RunningNode } from './node.ts';
import { type Paths, pathsOf } from './paths.ts';
import { Progress } from './progress.ts';

export interface RunEnvironment {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Asks for an orderly end: the containers run on. */
  readonly signal: AbortSignal;
}

/** What the parts of a process start in. */
export interface RunContext {
  readonly paths: Paths;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly log: Log;
  /** What is started is put here, and ended in reverse order. */
  readonly stack: AsyncDisposableStack;
  /** Aborts when the process is to end, also during its start. */
  readonly signal: AbortSignal;
}

/**
 * Runs what belongs to one data directory until it is asked to stop, by signal or by its control socket. Rejects when the
 * start failed, after everything that ran was stopped again.
 */
export async function runUntilStopped(
  { dataDir, role }: { readonly dataDir: string; readonly role: ControlState['role'] },
  environment: RunEnvironment,
  start: (context: RunContext) => Promise<Pick<RunningNode, 'stop'> | undefined>,
): Promise<void> {
  const { clock, log, version, signal } = environment;
  const paths = pathsOf(dataDir);
  await mkdir(paths.dataDir, { recursive: true, mode: 0o700 });
  const progress = new Progress(clock);
  const ending = new AbortController();
  const stop = Promise.withResolvers<{ readonly keepPods: boolean }>();
  const end = (keepPods: boolean) => {
    stop.resolve({ keepPods });
    ending.abort();
  };
  signal.addEventListener('abort', () => end(true), { once: true });
  const started = Promise.withResolvers<void>();
  // `up` may have gone before the start is over; the failure is thrown below all the same.
  started.promise.catch(() => {});
  await using stack = new AsyncDisposableStack();
  const control = await listenControl({
    socketPath: paths.controlSocket,
    version,
    role,
    progress,
    started: started.promise,
    stop: end,
  });
  stack.use(control);
  try {
    const node = await start({ paths, progress, clock, log, stack, signal: ending.signal });
    if (node !== undefined) {
      stack.defer(async () => {
        const { keepPods } = await stop.promise;
        await node.stop(keepPods);
      });
    }
    started.resolve();
    log.info(role === 'agent' ? 'the node is ready' : 'the cluster is ready');
  } catch (error) {
    started.reject(error);
    if (ending.signal.aborted) {
      log.info('stopped during the start');
      return;
    }
    log.error('the start failed', { error });
    stop.resolve({ keepPods: true });
    // `up` reads the failure from the socket before it closes.
    await clock.sleep(200);
    throw error;
  }
  const { keepPods } = await stop.promise;
  log.info('stopping', { keepPods });
}
