import { mkdir } from 'node:fs/promises';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { listenControl } from './control.ts';
import { startControlPlane } from './control-plane.ts';
import type { LocalNode } from './local-node.ts';
import type { ServerOptions } from './options.ts';
import { pathsOf } from './paths.ts';
import { preflight } from './preflight.ts';
import { Progress } from './progress.ts';
import { recordTraces } from './reset.ts';

export interface ServerEnvironment {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Asks for an orderly end: the containers run on. */
  readonly signal: AbortSignal;
}

/**
 * Runs the cluster's server on this machine: control plane, and unless told otherwise this machine's node. Resolves when
 * it was asked to stop and has stopped; rejects when the start failed, after everything that ran was stopped again.
 */
export async function runServer(options: ServerOptions, environment: ServerEnvironment): Promise<void> {
  const { clock, log, version, signal } = environment;
  const paths = pathsOf(options.dataDir);
  await mkdir(paths.dataDir, { recursive: true, mode: 0o700 });
  const progress = new Progress(clock);
  const stop = Promise.withResolvers<{ readonly keepPods: boolean }>();
  signal.addEventListener('abort', () => stop.resolve({ keepPods: true }), { once: true });
  const started = Promise.withResolvers<void>();
  // `up` may have gone before the start is over; the failure is thrown below all the same.
  started.promise.catch(() => {});
  await using stack = new AsyncDisposableStack();
  const control = await listenControl({
    socketPath: paths.controlSocket,
    version,
    progress,
    started: started.promise,
    stop: (keepPods) => stop.resolve({ keepPods }),
  });
  stack.use(control);
  let node: LocalNode | undefined;
  try {
    await progress.step(
      'Preflight',
      () => preflight(options),
      (found) => found,
    );
    await recordTraces(options);
    const controlPlane = stack.use(await startControlPlane({ options, paths, progress, clock, log }));
    if (!options.disableAgent) {
      // A control plane alone does without the node's code and its memory.
      const { startLocalNode } = await import('./local-node.ts');
      node = await startLocalNode({ options, paths, progress, clock, log, controlPlane });
      const running = node;
      stack.defer(async () => {
        const { keepPods } = await stop.promise;
        await running.stop(keepPods);
      });
    }
    started.resolve();
    log.info('the cluster is ready');
  } catch (error) {
    started.reject(error);
    log.error('the start failed', { error });
    stop.resolve({ keepPods: true });
    // `up` reads the failure from the socket before it closes.
    await clock.sleep(200);
    throw error;
  }
  const { keepPods } = await stop.promise;
  log.info('stopping', { keepPods });
}
