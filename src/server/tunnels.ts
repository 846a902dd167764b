import { randomBytes } from 'node:crypto';
import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import { describeError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { clusterrolebindings, clusterroles } from '../kube/resources.gen.ts';
import { runElected } from '../runtime/leader-election.ts';
import { createManager } from '../runtime/manager.ts';
import { tunnelBinding, tunnelRole } from '../tunnel/cluster/rights.ts';
import { tunnelDefinition } from '../tunnel/cluster/tunnel-kind.ts';
import { createTunnelControllers } from '../tunnel/cluster/tunnels.ts';
import { ensureDefinitions } from './definitions.ts';
import { ensureLatest } from './ensure.ts';

export interface ServeTunnelsOptions {
  /** May define kinds and roles. */
  readonly client: Client;
  /** The client of one controller, by its name; `client` when absent. */
  readonly clientFor?: (controller: string) => Client;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Serves Tunnels and the Services of class wherry.dev/tunnel from this process, which must reach cluster IPs. Of several such
 * processes one does at a time. Disposing ends it.
 */
export async function serveTunnels(options: ServeTunnelsOptions): Promise<AsyncDisposable> {
  const { client, clientFor, nodeName, clock, log } = options;
  await ensureDefinitions(client, [tunnelDefinition], clock);
  await ensureLatest(client, clusterroles, tunnelRole);
  await ensureLatest(client, clusterrolebindings, tunnelBinding);
  const ending = new AbortController();
  const identity = `${nodeName}_${randomBytes(6).toString('hex')}`;
  const lease = { namespace: 'kube-system', name: 'wherry-tunnel' };
  const lead = async (signal: AbortSignal) => {
    const { controllers, running } = createTunnelControllers({ nodeName, clock, log });
    await using stack = new AsyncDisposableStack();
    stack.use(running);
    const manager = stack.use(createManager({ client, clock, log, ...(clientFor === undefined ? {} : { clientFor }) }));
    const lost = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([manager.run(controllers), lost]);
    await lost;
  };
  const serving = runElected({ client, lease, identity, clock, log }, lead, ending.signal).catch((error: unknown) =>
    log.error('tunnels are no longer served', { error: describeError(error) }),
  );
  return {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await serving;
    },
  };
}
