import { nodeHostsController } from '../network/dns/node-hosts.ts';
import { createClusterPolicyController } from '../network/policy/cluster-policy-status.ts';
import { ensureAddons } from './addons.ts';
import { componentUser } from './component-user.ts';
import { startControlPlane } from './control-plane.ts';
import { ingressPorts, servesIngress, startIngress } from './ingress.ts';
import { createNodePasswordController } from './join/node-password-controller.ts';
import { ensureJoinObjects } from './join/objects.ts';
import { ensureServerToken } from './join/server-token.ts';
import { startLoadBalancers } from './load-balancers.ts';
import { observeMachine } from './machine.ts';
import { kubeletPort } from './names.ts';
import { networkConflicts } from './network-options.ts';
import { identify } from './node-id.ts';
import type { ServerOptions } from './options.ts';
import { preflight } from './preflight.ts';
import { recordTraces } from './reset.ts';
import { startResourceMetrics } from './resource-metrics.ts';
import { type RunEnvironment, runUntilStopped } from './run.ts';
import { serveTunnels } from './tunnels.ts';

/**
 * Runs the cluster's server on this machine: control plane, and unless told otherwise this machine's node. Resolves when
 * it was asked to stop and has stopped; rejects when the start failed, after everything that ran was stopped again.
 */
export async function runServer(given: ServerOptions, environment: RunEnvironment): Promise<void> {
  const options = await identify(given);
  const run = { dataDir: options.dataDir, role: 'server' } as const;
  await runUntilStopped(run, environment, async ({ paths, progress, clock, log, stack }) => {
    await progress.step(
      'Preflight',
      () => preflight(options),
      (found) => found,
    );
    for (const conflict of networkConflicts(options, observeMachine())) log.warn(conflict);
    await recordTraces(options);
    const controlPlane = stack.use(await startControlPlane({ options, paths, progress, clock, log }));
    const { client, pki } = controlPlane;
    await progress.step('Addons', async () => {
      await ensureAddons(client, options);
      await ensureJoinObjects(client, options);
      const authority = pki.serverAuthority.certificate;
      await ensureServerToken(client, { file: paths.nodeToken, given: options.token, authority });
      await controlPlane.manager.run([createNodePasswordController()]);
      if (!options.disableNetworkPolicy) await controlPlane.manager.run([createClusterPolicyController()]);
      if (!options.disable.includes('coredns')) await controlPlane.manager.run([nodeHostsController]);
    });
    await progress.step('Load balancers', () => {
      const ownPorts = new Map([
        [`TCP/${options.httpsListenPort}`, 'the API server'],
        [`TCP/${kubeletPort}`, "the node's own API"],
        ...Object.values(servesIngress(options) ? ingressPorts : {}).map(
          (port) => [`TCP/${port}`, 'the ingress (--disable=traefik frees it)'] as const,
        ),
      ]);
      const { manager } = controlPlane;
      return startLoadBalancers({
        client,
        manager,
        clock,
        hostPorts: !options.disable.includes('servicelb'),
        ownPorts,
      });
    });
    if (servesIngress(options)) {
      const { manager } = controlPlane;
      await progress.step('Ingress classes', () => startIngress({ client, manager, clock }));
    }
    if (!options.disable.includes('tunnel')) {
      const clientFor = (name: string) => controlPlane.clientFor(componentUser(name));
      const { nodeName } = options;
      stack.use(await serveTunnels({ client, clientFor, nodeName, clock, log: log.child({ room: 'tunnel' }) }));
    }
    if (!options.disable.includes('metrics-server')) {
      const { manager: informers, connector, api } = controlPlane;
      const sampler = startResourceMetrics({ informers, connector, clock, log: log.child({ room: 'metrics' }) });
      stack.use(sampler);
      api.serveResourceMetrics(sampler.windows);
    }
    if (options.disableAgent) return undefined;
    // A control plane alone does without the node's code and its memory.
    const { startLocalNode } = await import('./local-node.ts');
    return await startLocalNode({ options, paths, progress, clock, log, controlPlane });
  });
}
