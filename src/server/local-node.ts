import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { nodes } from '../kube/resources.gen.ts';
import type { Node } from '../kube/types.gen.ts';
import type { UserInfo } from '../kube/user.ts';
import type { ControlPlane } from './control-plane.ts';
import { ensureNodePassword } from './join/node-password.ts';
import { refusalOf } from './join/refusal.ts';
import { kubeletVersion, type RunningNode, startNode } from './node.ts';
import type { ServerOptions } from './options.ts';
import type { Paths } from './paths.ts';
import { ensureNodePki, type NodePki } from './pki/pki.ts';
import type { Progress } from './progress.ts';

export interface LocalNodeOptions {
  readonly options: ServerOptions;
  readonly paths: Paths;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly log: Log;
  readonly controlPlane: ControlPlane;
}

/** Starts the node beside the control plane of this process, which it reaches without a socket; resolves when it is Ready. */
export async function startLocalNode(context: LocalNodeOptions): Promise<Pick<RunningNode, 'stop'>> {
  const { options, paths, controlPlane, clock } = context;
  const { manager, pki } = controlPlane;
  const user: UserInfo = { name: `system:node:${options.nodeName}`, groups: ['system:nodes', 'system:authenticated'] };
  const { nodeName, nodeIps } = options;
  const password = await ensureNodePassword(paths.agent);
  try {
    await controlPlane.gate.admit(user, { nodeName, password, nodeIps, version: kubeletVersion });
  } catch (error) {
    throw refusalOf(error) ?? error;
  }
  let made: Promise<NodePki> | undefined;
  const certificates = () => {
    const addresses = [...options.nodeIps, ...options.nodeExternalIps];
    made ??= ensureNodePki(pki, { directory: paths.agent, name: nodeName, addresses, nowMs: clock.now() });
    return made;
  };
  const running = await startNode({
    ...context,
    client: controlPlane.clientFor(user),
    informers: manager,
    runControllers: (controllers) => manager.run(controllers),
    runAsNode: (controllers) => manager.run(controllers, controlPlane.clientFor(user)),
    async tls() {
      const { certificate: cert, key } = (await certificates()).serving;
      return { cert, key, clientCa: pki.clientAuthority.certificate };
    },
    async identity() {
      const { certificate, key } = (await certificates()).client;
      return { certificate, key, authority: pki.clientAuthority.certificate };
    },
    onListening: (listener) => controlPlane.attachNode(options.nodeName, () => listener.connect()),
    metrics: controlPlane.api.metrics,
  });
  try {
    await labelRole(controlPlane.client, running.node);
    return running;
  } catch (error) {
    await running.stop(true);
    throw error;
  }
}

/** A node may not give itself a role (NodeRestriction), so the server does. */
async function labelRole(client: Client, node: Node): Promise<void> {
  const labels = { 'node-role.kubernetes.io/control-plane': 'true' };
  if (Object.keys(labels).every((label) => node.metadata.labels?.[label] !== undefined)) return;
  await client.patch(nodes, { name: node.metadata.name ?? '' }, { type: 'merge', body: { metadata: { labels } } });
}
