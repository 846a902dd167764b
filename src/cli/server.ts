import type { Command } from 'commander';
import { addServerOptions, readServerOptions } from './options.ts';
import { requireRoot } from './root.ts';
import { version } from './version.ts';

/** `wherry server`: the cluster in the foreground, until SIGINT or SIGTERM; containers run on then. */
export function addServer(program: Command): void {
  const command = program.command('server').description('run the cluster in the foreground');
  addServerOptions(command)
    .option('--log-file <file>', 'write the log there instead of to standard error')
    .action(async ({ logFile, ...given }: { readonly logFile?: string }) => {
      requireRoot('server');
      // Loaded here, so that the other commands start without the server's code.
      const [{ runServer }, { createLog }, { systemClock }, { pino }] = await Promise.all([
        import('../server/server.ts'),
        import('../core/log.ts'),
        import('../core/clock.ts'),
        import('pino'),
      ]);
      const options = await readServerOptions(given);
      const destination =
        logFile === undefined ? undefined : pino.destination({ dest: logFile, sync: true, mkdir: true });
      const log = createLog(options.logLevel, destination);
      const abort = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());
      // An error that nobody caught leaves the process in an unknown state; its supervisor starts it anew.
      process.on('uncaughtException', (error) => {
        log.error('an error that nobody caught', { error });
        process.exit(70);
      });
      await runServer(options, { clock: systemClock, log, version, signal: abort.signal });
      process.exit(0);
    });
}
