import { readFile } from 'node:fs/promises';
import os from 'node:os';
import type { Client } from '../client/client.ts';
import type { Informer } from '../client/informer.ts';
import type { Clock } from '../core/clock.ts';
import { describeError, WherryError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { ensureAddress } from '../engines/iproute2/ip.ts';
import { findCondition } from '../kube/conditions.ts';
import { nodes } from '../kube/resources.gen.ts';
import type { Node } from '../kube/types.gen.ts';
import type { UserInfo } from '../kube/user.ts';
import { createClusterView } from '../network/dns/cluster-view.ts';
import { Forwarder, upstreamsOf } from '../network/dns/forwarder.ts';
import { DnsServer } from '../network/dns/server.ts';
import { ServiceProxy } from '../network/services/service-proxy.ts';
import { createNodeAgent, type NodeAgent } from '../node/agent.ts';
import { standardParts } from '../node/standard-parts.ts';
import { startUsageSampler } from '../node/stats/usage-sampler.ts';
import { createNodeAccess } from '../node/streaming/access.ts';
import { createNodeListener } from '../node/streaming/listener.ts';
import { createStreamingServer } from '../node/streaming/server.ts';
import { createEventRecorder } from '../runtime/event-recorder.ts';
import { createLocalPathControllers } from '../storage/localpath/provisioner.ts';
import { ensureAddons } from './addons.ts';
import type { ControlPlane } from './control-plane.ts';
import { addDnsMetrics, addNodeMetrics } from './metrics.ts';
import { bridge, clusterNames, serviceTable } from './names.ts';
import { nodeProblem } from './node-health.ts';
import type { ServerOptions } from './options.ts';
import type { Paths } from './paths.ts';
import { ensureNodePki } from './pki/pki.ts';
import type { Progress } from './progress.ts';

/** The node's software version as it shows in `kubectl get nodes`. */
const kubeletVersion = 'v1.36.2+wherry1';
const kubeletPort = 10250;
const dnsPort = 53;
/** How long the node may take to become Ready before the start is called failed. */
const readyTimeoutMs = 120_000;
const endPodsTimeoutMs = 60_000;

export interface LocalNodeOptions {
  readonly options: ServerOptions;
  readonly paths: Paths;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly log: Log;
  readonly controlPlane: ControlPlane;
}

export interface LocalNode {
  /** With `keepPods` containers, their network and containerd run on. */
  stop(keepPods: boolean): Promise<void>;
}

/** Starts this machine's node; resolves when it is Ready. */
export async function startLocalNode(context: LocalNodeOptions): Promise<LocalNode> {
  const { options, progress, controlPlane, clock, log } = context;
  const { manager } = controlPlane;
  const stack = new AsyncDisposableStack();
  let agent: NodeAgent | undefined;
  try {
    await progress.step('Addons', () => ensureAddons(controlPlane.client, options));
    const running = await progress.step('Node agent', () => startAgent(context, stack));
    agent = running;
    addNodeMetrics(controlPlane.api.metrics, running, options.nodeName);
    const node = await progress.step(
      'Node',
      () => untilReady(manager.of(nodes), options.nodeName, clock),
      describeNode,
    );
    stack.use(
      manager.of(nodes).subscribe(({ current }) => {
        if (current?.metadata.name !== options.nodeName) return;
        const problem = nodeProblem(current);
        progress.report('Node', problem === null ? 'running' : 'failed', problem ?? describeNode(current));
      }),
    );
    await labelRole(controlPlane.client, node);
    if (!options.disable.includes('coredns')) {
      await progress.step(
        'Cluster DNS',
        () => startDns(context, stack),
        () => options.clusterDns,
      );
    }
    await progress.step('Services', () => startProxy(context, node, stack));
    if (!options.disable.includes('local-storage')) {
      const hostname = node.metadata.labels?.['kubernetes.io/hostname'] ?? options.nodeName;
      const storage = createLocalPathControllers({ name: options.nodeName, hostname });
      await progress.step(
        'Local storage',
        () => manager.run(storage),
        () => 'class local-path',
      );
    }
    if (!options.disable.includes('metrics-server')) startMetrics(context, running, stack);
    const owned = stack.move();
    return {
      async stop(keepPods) {
        if (!keepPods) await running.endPods(AbortSignal.timeout(endPodsTimeoutMs));
        await owned.disposeAsync();
        await running.stop({ runtime: keepPods ? 'keep' : 'stop' });
        log.info('the node agent has stopped', { keepPods });
      },
    };
  } catch (error) {
    await stack.disposeAsync();
    await agent?.stop({ runtime: 'keep' });
    throw error;
  }
}

async function startAgent(context: LocalNodeOptions, stack: AsyncDisposableStack): Promise<NodeAgent> {
  const { options, paths, clock, controlPlane } = context;
  const log = context.log.child({ room: 'node' });
  const user: UserInfo = { name: `system:node:${options.nodeName}`, groups: ['system:nodes', 'system:authenticated'] };
  const client = controlPlane.clientFor(user);
  const events = stack.use(createEventRecorder({ client, clock, log, component: 'kubelet', host: options.nodeName }));
  const names = clusterNames(options.dataDir);
  const agent = createNodeAgent({
    nodeName: options.nodeName,
    nodeIPs: [options.nodeIp],
    hostname: os.hostname(),
    client,
    informers: controlPlane.manager,
    events,
    clock,
    log,
    version: kubeletVersion,
    folder: paths.agent,
    runFolder: names.runFolder,
    logFolder: names.podLogs,
    ...(names.podLogLinks === undefined ? {} : { logLinksFolder: names.podLogLinks }),
    cgroupRoot: names.cgroupRoot,
    cniConfigFolder: paths.cniConfig,
    network: { bridge, mtu: 1500 },
    clusterDns: { servers: [options.clusterDns], domain: options.clusterDomain },
    kubeletPort,
    registriesFile: '/etc/wherry/registries.yaml',
    ...(options.containerRuntimeEndpoint === undefined
      ? {}
      : { containerRuntimeEndpoint: options.containerRuntimeEndpoint }),
    parts: standardParts,
  });
  await agent.start();
  await startStreaming(context, agent, client, stack);
  return agent;
}

/** The kubelet API: for the API server of this process without a socket, for everybody else over TLS. */
async function startStreaming(
  { options, paths, controlPlane, clock, log }: LocalNodeOptions,
  agent: NodeAgent,
  client: Client,
  stack: AsyncDisposableStack,
): Promise<void> {
  const node = { directory: paths.agent, name: options.nodeName, addresses: [options.nodeIp], nowMs: clock.now() };
  const pki = await ensureNodePki(controlPlane.pki, node);
  const room = log.child({ room: 'streaming' });
  const streaming = stack.use(
    createStreamingServer({
      directory: () => agent.directory,
      cri: () => agent.cri,
      stats: () => agent.stats,
      clock,
      log: room,
    }),
  );
  const { certificate: cert, key } = pki.serving;
  const listener = stack.use(
    createNodeListener({
      streaming,
      access: createNodeAccess(client, options.nodeName, clock),
      tls: { cert, key, clientCa: controlPlane.pki.clientAuthority.certificate },
      log: room,
    }),
  );
  await listener.listen(options.bindAddress, kubeletPort).catch((cause: unknown) => {
    throw new WherryError(
      'KUBELET_LISTEN',
      `the node's own API can't listen on port ${kubeletPort}: ${describeError(cause)}`,
      {
        cause,
        hint: `stop the program that holds port ${kubeletPort}, perhaps another Kubernetes node (ss -lntp 'sport = :${kubeletPort}')`,
      },
    );
  });
  controlPlane.attachNode(options.nodeName, () => listener.connect());
}

/** metrics.k8s.io, as far as this node goes. */
function startMetrics(
  { options, controlPlane, clock, log }: LocalNodeOptions,
  agent: NodeAgent,
  stack: AsyncDisposableStack,
): void {
  const self = { name: options.nodeName, summary: (signal: AbortSignal) => agent.stats.summary(signal) };
  const sampler = startUsageSampler({ nodes: () => [self], clock, log: log.child({ room: 'metrics' }) });
  stack.use(sampler);
  controlPlane.api.serveResourceMetrics(sampler.windows);
}

function untilReady(informer: Informer<Node>, name: string, clock: Clock): Promise<Node> {
  return new Promise((resolve, reject) => {
    let last = 'the node has not registered';
    const timer = clock.after(readyTimeoutMs, () => {
      subscription[Symbol.dispose]();
      reject(new WherryError('NODE_NOT_READY', `the node is not Ready after ${readyTimeoutMs / 1000} s: ${last}`));
    });
    const look = (node: Node | undefined) => {
      const ready = findCondition(node?.status?.conditions, 'Ready');
      if (ready?.message !== undefined) last = ready.message;
      if (node === undefined || ready?.status !== 'True' || !node.spec?.podCIDR) return;
      timer[Symbol.dispose]();
      queueMicrotask(() => subscription[Symbol.dispose]());
      resolve(node);
    };
    const subscription = informer.subscribe(({ key, current }) => {
      if (key === name) look(current);
    });
  });
}

/** A node may not give itself a role (NodeRestriction), so the server does. */
async function labelRole(client: Client, node: Node): Promise<void> {
  const labels = { 'node-role.kubernetes.io/control-plane': 'true' };
  if (Object.keys(labels).every((label) => node.metadata.labels?.[label] !== undefined)) return;
  await client.patch(nodes, { name: node.metadata.name ?? '' }, { type: 'merge', body: { metadata: { labels } } });
}

function describeNode(node: Node): string {
  const { nodeInfo } = node.status ?? {};
  return `${node.metadata.name} is Ready (${nodeInfo?.containerRuntimeVersion}, pods ${node.spec?.podCIDR})`;
}

async function startDns(
  { options, controlPlane, clock, log }: LocalNodeOptions,
  stack: AsyncDisposableStack,
): Promise<void> {
  const view = createClusterView(controlPlane.manager);
  await view.synced;
  await ensureAddress(`${options.clusterDns}/${options.clusterDns.includes(':') ? 128 : 32}`, 'lo');
  const resolvConf = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  const dns = new DnsServer({
    address: options.clusterDns,
    port: dnsPort,
    zone: options.clusterDomain,
    view,
    forwarder: new Forwarder({ upstreams: upstreamsOf(resolvConf, [options.clusterDns]), clock }),
    log: log.child({ room: 'dns' }),
  });
  await dns.listen();
  stack.use(dns);
  const host = options.clusterDns.includes(':') ? `[${options.clusterDns}]` : options.clusterDns;
  addDnsMetrics(controlPlane.api.metrics, dns.counts, `dns://${host}:${dnsPort}`);
}

async function startProxy(context: LocalNodeOptions, node: Node, stack: AsyncDisposableStack): Promise<void> {
  const { options, progress, controlPlane, clock, log } = context;
  const proxy = new ServiceProxy({
    informers: controlPlane.manager,
    clock,
    log: log.child({ room: 'services' }),
    nodeName: options.nodeName,
    clusterCidr: options.clusterCidr,
    podCidr: node.spec?.podCIDR ?? options.clusterCidr,
    ownAddresses: new Set(options.disable.includes('coredns') ? [] : [options.clusterDns]),
    table: serviceTable,
    onStatus: (problem) => progress.report('Services', problem === null ? 'running' : 'failed', problem ?? 'ready'),
  });
  stack.use(proxy);
  await proxy.start().catch((cause: unknown) => {
    throw new WherryError('SERVICE_RULES', `the kernel refuses the rules of Services: ${describeError(cause)}`, {
      cause,
      hint: 'use a kernel with CONFIG_NF_TABLES, CONFIG_NFT_NAT, CONFIG_NFT_FIB_IPV4 and CONFIG_NFT_NUMGEN',
    });
  });
}
