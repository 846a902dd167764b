import type { Command } from 'commander';
import { runInForegroundUntilSignal } from './foreground.ts';
import { addAgentOptions, readAgentOptions } from './options.ts';
import { requireRoot } from './root.ts';

/** `wherry agent`: this machine as a node of a cluster that runs elsewhere, until SIGINT or SIGTERM; containers run on then. */
export function addAgent(program: Command): void {
  const command = program
    .command('agent')
    .description('join a cluster and run this machine as its node in the foreground');
  addAgentOptions(command)
    .option('--log-file <file>', 'write the log there instead of to standard error')
    .action(async ({ logFile, ...given }: { readonly logFile?: string }) => {
      requireRoot('agent');
      const options = await readAgentOptions(given);
      const { runAgent } = await import('../server/agent.ts');
      const { logLevel } = options;
      await runInForegroundUntilSignal({ logLevel, logFile }, (environment) => runAgent(options, environment));
    });
}
