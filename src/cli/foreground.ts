import type { Log, LogLevel } from '../core/log.ts';
import type { RunEnvironment } from '../server/run.ts';
import { version } from './version.ts';

/** Runs a long-lived command until it ends or SIGINT or SIGTERM asks it to, then ends the process. */
export async function runInForegroundUntilSignal(
  settings: { readonly logLevel: LogLevel; readonly logFile: string | undefined },
  run: (environment: RunEnvironment) => Promise<void>,
): Promise<never> {
  // Loaded here, so that the other commands start without the server's code.
  const [{ createLog }, { systemClock }, { pino }] = await Promise.all([
    import('../core/log.ts'),
    import('../core/clock.ts'),
    import('pino'),
  ]);
  const { logLevel, logFile } = settings;
  const destination = logFile === undefined ? undefined : pino.destination({ dest: logFile, sync: true, mkdir: true });
  const log: Log = createLog(logLevel, destination);
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());
  // An error that nobody caught leaves the process in an unknown state; its supervisor starts it anew.
  process.on('uncaughtException', (error) => {
    log.error('an error that nobody caught', { error });
    process.exit(70);
  });
  await run({ clock: systemClock, log, version, signal: abort.signal });
  process.exit(0);
}
