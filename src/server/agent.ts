import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { WherryError } from '../core/errors.ts';
import { nodes } from '../kube/resources.gen.ts';
import type { NodeListener } from '../node/streaming/listener.ts';
import { createManager } from '../runtime/manager.ts';
import type { AgentOptions, NodeOptions } from './agent-options.ts';
import { componentUser } from './component-user.ts';
import { join, type Membership } from './join/join.ts';
import { watchServer } from './join/server-watch.ts';
import { kubeletVersion, type RunningNode, startNode } from './node.ts';
import { identify } from './node-id.ts';
import { anyAddress } from './options.ts';
import type { KeyPair } from './pki/certificates.ts';
import { preflight } from './preflight.ts';
import { recordTraces } from './reset.ts';
import { type RunContext, type RunEnvironment, runUntilStopped } from './run.ts';

/** Runs this machine as a node of a cluster whose control plane is elsewhere, until it is asked to stop. */
export async function runAgent(given: AgentOptions, environment: RunEnvironment): Promise<void> {
  const options = await identify(given);
  await runUntilStopped({ dataDir: options.dataDir, role: 'agent' }, environment, async (context) => {
    const { paths, progress, clock, log, stack, signal } = context;
    await progress.step(
      'Preflight',
      () => preflight({ disableAgent: false }),
      (found) => found,
    );
    if (existsSync(paths.db)) {
      throw new WherryError('SERVER_DATA_DIR', `${paths.dataDir} is the data directory of a server`, {
        hint: 'give the agent a --data-dir of its own; `wherry server` runs a node by itself',
      });
    }
    await mkdir(paths.agent, { recursive: true, mode: 0o700 });
    const membership = stack.use(
      await progress.step(
        'Cluster',
        () =>
          join({
            ...{ options, paths, clock, signal, version: kubeletVersion, log: log.child({ room: 'join' }) },
            onWaiting: (why) => progress.report('Cluster', 'starting', why),
          }),
        () => joined(options.server, options.nodeName),
      ),
    );
    const { settings, nodeIps } = membership;
    const { clusterDns = settings.clusterDns, clusterDomain = settings.clusterDomain } = options;
    const bindAddress = options.bindAddress ?? anyAddress(nodeIps);
    const settled: NodeOptions = { ...options, ...settings, nodeIps, bindAddress, clusterDns, clusterDomain };
    await recordTraces(settled);
    return await startRemoteNode(settled, membership, options.server, context);
  });
}

const joined = (server: string, nodeName: string) => `${server}, as node ${nodeName}`;

async function startRemoteNode(
  options: NodeOptions,
  membership: Membership,
  server: string,
  { paths, progress, clock, log, stack, signal }: RunContext,
): Promise<RunningNode> {
  const { client, certificate, serving } = membership;
  const room = log.child({ room: 'controllers' });
  const manager = stack.use(createManager({ client, clock, log: room }));
  // The node's own account may not see claims and volumes of others; that of the provisioner may.
  const account = componentUser('local-path-provisioner').name;
  const storage = stack.use(createManager({ client: membership.clientAs(account), clock, log: room }));
  const tlsOf = ({ certificate: cert, key }: KeyPair) => ({ cert, key, clientCa: membership.clientAuthority });
  let listener: NodeListener | undefined;
  const node = await startNode({
    ...{ options, paths, progress, clock, log, client },
    informers: manager,
    runControllers: (controllers) => storage.run(controllers),
    runAsNode: (controllers) => manager.run(controllers),
    async tls() {
      if (serving.current === undefined) {
        await serving.request(client, signal);
        await serving.keep();
      }
      if (serving.current !== undefined) return tlsOf(serving.current);
      throw new WherryError('NO_SERVING_CERTIFICATE', 'this node has no certificate to serve with');
    },
    async identity() {
      if (certificate.current === undefined)
        throw new WherryError('NO_CLIENT_CERTIFICATE', 'this node has no certificate of the cluster');
      return { ...certificate.current, authority: membership.clientAuthority };
    },
    onListening(listening) {
      listener = listening;
    },
  });
  const nodeName = options.nodeName;
  stack.use(
    watchServer({
      ...{ transport: membership.transport, clock, log: log.child({ room: 'join' }) },
      onStatus: (problem) =>
        progress.report('Cluster', problem === null ? 'running' : 'failed', problem ?? joined(server, nodeName)),
    }),
  );
  // A Node object that was deleted took the node's password with it.
  const own = manager.of(nodes, { fieldSelector: `metadata.name=${nodeName}` });
  let { uid } = node.node.metadata;
  stack.use(
    own.subscribe(({ current }) => {
      if (current?.metadata.name !== nodeName || current.metadata.uid === uid) return;
      uid = current.metadata.uid;
      membership.claim().catch((error: unknown) => log.error("the node's name could not be claimed again", { error }));
    }),
  );
  const ending = new AbortController();
  const renewals = Promise.all([
    certificate.keepFresh(client, () => {}, ending.signal),
    serving.keepFresh(client, (pair) => listener?.replaceTls(tlsOf(pair)), ending.signal),
  ]);
  return {
    ...node,
    async stop(keepPods) {
      ending.abort();
      await renewals;
      await node.stop(keepPods);
    },
  };
}
