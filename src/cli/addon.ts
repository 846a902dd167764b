import { hostname } from 'node:os';
import type { Command } from 'commander';
import { runInForegroundUntilSignal } from './foreground.ts';

interface AddonFlags {
  readonly kubeconfig: string;
  readonly context?: string;
  readonly nodeName?: string;
  readonly debug?: boolean;
}

/** `wherry addon`: parts of Wherry for a cluster that something else runs, such as a stock k3s. */
export function addAddon(program: Command): void {
  const command = program.command('addon').description('run a part of Wherry for any Kubernetes cluster');
  command
    .command('tunnel')
    .description('serve Tunnels and Services of class wherry.dev/tunnel, on a node of the cluster')
    .requiredOption('--kubeconfig <file>', 'how to reach the cluster')
    .option('--context <name>', "the context of the kubeconfig (default: the file's current one)")
    .option('--node-name <name>', 'name of this machine at the exit (default: the host name)')
    .option('--debug', 'log more')
    .action(async ({ kubeconfig, context, nodeName = hostname(), debug }: AddonFlags) => {
      const settings = { logLevel: debug === true ? ('debug' as const) : ('info' as const), logFile: undefined };
      await runInForegroundUntilSignal(settings, async ({ clock, log, signal }) => {
        const [{ loadKubeconfig }, { createHttpsTransport }, { createClient }, { serveTunnels }] = await Promise.all([
          import('../client/kubeconfig.ts'),
          import('../client/https-transport.ts'),
          import('../client/client-impl.ts'),
          import('../server/tunnels.ts'),
        ]);
        using transport = createHttpsTransport(loadKubeconfig(kubeconfig, context));
        await using _tunnels = await serveTunnels({ client: createClient(transport), nodeName, clock, log });
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      });
    });
}
