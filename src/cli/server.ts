import type { Command } from 'commander';
import { runInForegroundUntilSignal } from './foreground.ts';
import { addServerOptions, readServerOptions } from './options.ts';
import { requireRoot } from './root.ts';

/** `wherry server`: the cluster in the foreground, until SIGINT or SIGTERM; containers run on then. */
export function addServer(program: Command): void {
  const command = program.command('server').description('run the cluster in the foreground');
  addServerOptions(command)
    .option('--log-file <file>', 'write the log there instead of to standard error')
    .action(async ({ logFile, ...given }: { readonly logFile?: string }) => {
      requireRoot('server');
      const { runServer } = await import('../server/server.ts');
      const options = await readServerOptions(given);
      const { logLevel } = options;
      await runInForegroundUntilSignal({ logLevel, logFile }, (environment) => runServer(options, environment));
    });
}
