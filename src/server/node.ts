import os from 'node:os';
import type { RequestMetrics } from '../apiserver/metrics.ts';
import type { Client } from '../client/client.ts';
import type { Informer } from '../client/informer.ts';
import type { Clock } from '../core/clock.ts';
import { describeError, WherryError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { ensureAddress } from '../engines/iproute2/ip.ts';
import { NodeCondition } from '../ingress/node-condition.ts';
import type { NodeIngress } from '../ingress/node-ingress.ts';
import { findCondition } from '../kube/conditions.ts';
import { nodes } from '../kube/resources.gen.ts';
import type { Node } from '../kube/types.gen.ts';
import { ClusterDns, type DnsStatus } from '../network/dns/cluster-dns.ts';
import { defaultResolvConf } from '../network/dns/resolv-conf.ts';
import type { NodeIdentity, Podnet } from '../network/podnet/podnet.ts';
import { removeServiceRules, ServiceProxy } from '../network/services/service-proxy.ts';
import { createNodeAgent, type NodeAgent } from '../node/agent.ts';
import { standardParts } from '../node/standard-parts.ts';
import { createNodeAccess } from '../node/streaming/access.ts';
import { createNodeListener, type NodeListener, type NodeTls } from '../node/streaming/listener.ts';
import { createStreamingServer } from '../node/streaming/server.ts';
import type { Controller, Informers } from '../runtime/controller.ts';
import { createEventRecorder } from '../runtime/event-recorder.ts';
import { createLocalPathControllers } from '../storage/localpath/provisioner.ts';
import { hostRange } from './address-ranges.ts';
import type { NodeOptions } from './agent-options.ts';
import { startAnnouncing } from './announcing.ts';
import { createNodeIngress, servesIngress } from './ingress.ts';
import { addNodeMetrics } from './metrics.ts';
import { clusterNames, kubeletPort, serviceTable } from './names.ts';
import { type NodePolicy, prepareNetworkPolicy } from './network-policy.ts';
import { nodeProblem } from './node-health.ts';
import type { Paths } from './paths.ts';
import { preparePodnet } from './pod-network.ts';
import type { Progress } from './progress.ts';

/** The node's software version as it shows in `kubectl get nodes`. */
export const kubeletVersion = 'v1.36.2+wherry1';
const dnsPort = 53;
/** Where kube-proxy tells its health, on every address: load balancers ask it from outside. */
const proxyHealthPort = 10256;
/** CoreDNS' own. */
const dnsMetricsPort = 9153;
/** How long the node may take to become Ready before the start is called failed. */
const readyTimeoutMs = 120_000;
const endPodsTimeoutMs = 60_000;

/** What a node runs on: the same beside a control plane in this process and far from one. */
export interface NodeEnvironment {
  readonly options: NodeOptions;
  readonly paths: Paths;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly log: Log;
  /** The API as this node, system:node:NAME. */
  readonly client: Client;
  /** See at least what a node may see. */
  readonly informers: Informers;
  /** Runs controllers of this node as the account that has the rights for it. */
  runControllers(controllers: readonly Controller[]): Promise<void>;
  /** Runs controllers of this node that act as the node itself. */
  runAsNode(controllers: readonly Controller[]): Promise<void>;
  /** What the kubelet API shows. Asked while the node registers: who signs may wait for that. */
  tls(): Promise<NodeTls>;
  /** The certificate by which this node shows others who it is, as it stands now. */
  identity(): Promise<NodeIdentity>;
  /** The kubelet API listens. */
  onListening(listener: NodeListener): void;
  /** Where this process tells its numbers, if it does. */
  readonly metrics?: RequestMetrics;
}

/** A node that is Ready. */
export interface RunningNode {
  readonly agent: NodeAgent;
  readonly node: Node;
  /** With `keepPods` containers, their network and containerd run on. */
  stop(keepPods: boolean): Promise<void>;
}

/** Starts this machine's node; resolves when it is Ready. */
export async function startNode(environment: NodeEnvironment): Promise<RunningNode> {
  const { options, progress, clock, log, metrics } = environment;
  const stack = new AsyncDisposableStack();
  const podnet = await preparePodnet(environment, stack);
  const policy = prepareNetworkPolicy(environment, stack);
  const created = createAgent(environment, podnet, policy, stack);
  try {
    podnet?.start();
    // First of all: it needs nothing of the node, and pods that run already ask it.
    if (!options.disable.includes('coredns')) await startDns(environment, stack);
    await progress.step('Node agent', async () => {
      await created.start();
      await startStreaming(environment, created, policy, stack);
    });
    if (metrics !== undefined) addNodeMetrics(metrics, created, options.nodeName);
    const own = environment.informers.of(nodes, { fieldSelector: `metadata.name=${options.nodeName}` });
    const node = await progress.step(
      'Node',
      () => untilReady(own, options.nodeName, clock, podnet !== null),
      describeNode,
    );
    stack.use(
      own.subscribe(({ current }) => {
        if (current?.metadata.name !== options.nodeName) return;
        const problem = nodeProblem(current);
        progress.report('Node', problem === null ? 'running' : 'failed', problem ?? describeNode(current));
      }),
    );
    await policy.start(node);
    if (options.disableKubeProxy) await removeServiceRules(serviceTable);
    else await progress.step('Services', () => startProxy(environment, stack));
    if (!options.disable.includes('local-storage')) {
      const hostname = node.metadata.labels?.['kubernetes.io/hostname'] ?? options.nodeName;
      const storage = createLocalPathControllers({ name: options.nodeName, hostname });
      await progress.step(
        'Local storage',
        () => environment.runControllers(storage),
        () => 'class local-path',
      );
    }
    const announcing = await startAnnouncing(environment);
    stack.defer(() => announcing.stop(true));
    const ingress = await startIngress(environment, stack);
    const owned = stack.move();
    return {
      agent: created,
      node,
      async stop(keepPods) {
        // First of all: nobody is to be sent to what ends.
        await announcing.stop(keepPods);
        if (!keepPods) {
          await ingress.stopServing();
          await created.endPods(AbortSignal.timeout(endPodsTimeoutMs));
        }
        await owned.disposeAsync();
        await created.stop({ runtime: keepPods ? 'keep' : 'stop' });
        log.info('the node agent has stopped', { keepPods });
      },
    };
  } catch (error) {
    await stack.disposeAsync();
    await created.stop({ runtime: 'keep' });
    throw error;
  }
}

function createAgent(
  environment: NodeEnvironment,
  podnet: Podnet | null,
  policy: NodePolicy,
  stack: AsyncDisposableStack,
): NodeAgent {
  const { options, paths, clock, client, informers } = environment;
  const log = environment.log.child({ room: 'node' });
  const events = stack.use(createEventRecorder({ client, clock, log, component: 'kubelet', host: options.nodeName }));
  const names = clusterNames(options.dataDir);
  return createNodeAgent({
    nodeName: options.nodeName,
    nodeIPs: options.nodeIps,
    externalIPs: options.nodeExternalIps,
    hostname: os.hostname(),
    client,
    informers,
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
    network: podnet === null ? { kind: 'foreign' } : { kind: 'own', state: () => podnet.state() },
    admitToNetwork: policy.admit,
    clusterDns: { servers: options.clusterDns, domain: options.clusterDomain },
    kubeletPort,
    labels: options.nodeLabels,
    taints: options.nodeTaints,
    ...(options.podsMax === undefined ? {} : { podsMax: options.podsMax }),
    ...(options.resolvConf === undefined ? {} : { resolvConf: options.resolvConf }),
    registriesFile: '/etc/wherry/registries.yaml',
    ...(options.containerRuntimeEndpoint === undefined
      ? {}
      : { containerRuntimeEndpoint: options.containerRuntimeEndpoint }),
    parts: standardParts,
  });
}

/** The kubelet API, over TLS for those who may ask, and a way in for this process. */
async function startStreaming(
  { options, client, clock, log, tls, onListening }: NodeEnvironment,
  agent: NodeAgent,
  policy: NodePolicy,
  stack: AsyncDisposableStack,
): Promise<void> {
  const room = log.child({ room: 'streaming' });
  const streaming = stack.use(
    createStreamingServer({
      directory: () => agent.directory,
      cri: () => agent.cri,
      stats: () => agent.stats,
      pages: policy.pages,
      clock,
      log: room,
    }),
  );
  const access = createNodeAccess(client, options.nodeName, clock);
  const listener = stack.use(createNodeListener({ streaming, access, tls: await tls(), log: room }));
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
  onListening(listener);
}

/** Resolves when the node is Ready; with an add-on's network, when it has its range of pod addresses: the add-on may come later. */
function untilReady(informer: Informer<Node>, name: string, clock: Clock, ownNetwork: boolean): Promise<Node> {
  return new Promise((resolve, reject) => {
    let last = 'the node has not registered';
    const timer = clock.after(readyTimeoutMs, () => {
      subscription[Symbol.dispose]();
      reject(new WherryError('NODE_NOT_READY', `the node is not Ready after ${readyTimeoutMs / 1000} s: ${last}`));
    });
    const look = (node: Node | undefined) => {
      const ready = findCondition(node?.status?.conditions, 'Ready');
      if (ready?.message !== undefined) last = ready.message;
      if (node === undefined || !node.spec?.podCIDR) return;
      if (ready === undefined || (ownNetwork && ready.status !== 'True')) return;
      timer[Symbol.dispose]();
      queueMicrotask(() => subscription[Symbol.dispose]());
      resolve(node);
    };
    const subscription = informer.subscribe(({ key, current }) => {
      if (key === name) look(current);
    });
  });
}

function describeNode(node: Node): string {
  const { nodeInfo } = node.status ?? {};
  return `${node.metadata.name} is Ready (${nodeInfo?.containerRuntimeVersion}, pods ${node.spec?.podCIDR})`;
}

async function startDns(
  { options, progress, informers, client, clock, log }: NodeEnvironment,
  stack: AsyncDisposableStack,
): Promise<void> {
  const room = log.child({ room: 'dns' });
  const { clusterDns, clusterDomain, nodeName } = options;
  const tell = ({ isWell, note }: DnsStatus) => {
    const parts = [...(isWell ? clusterDns : []), ...(note === null ? [] : [note])];
    progress.report('Cluster DNS', isWell ? 'running' : 'failed', parts.join(', '));
  };
  const dns = new ClusterDns({
    addresses: clusterDns,
    port: dnsPort,
    metricsPort: dnsMetricsPort,
    zone: clusterDomain,
    resolvConf: options.resolvConf ?? defaultResolvConf,
    informers,
    events: stack.use(createEventRecorder({ client, clock, log: room, component: 'coredns', host: nodeName })),
    clock,
    log: room,
    onStatus: tell,
  });
  stack.use(dns);
  await progress.step('Cluster DNS', async () => {
    for (const address of clusterDns) await ensureAddress(hostRange(address), 'lo');
    await dns.start();
  });
  tell(dns.status);
}

/** HAProxy outlives us; one that is no longer wanted is ended. */
async function startIngress(environment: NodeEnvironment, stack: AsyncDisposableStack): Promise<NodeIngress> {
  const { options, paths, progress, client, informers, clock } = environment;
  const log = environment.log.child({ room: 'ingress' });
  const condition = stack.use(new NodeCondition({ client, nodeName: options.nodeName, clock, log }));
  const ingress = createNodeIngress({
    ...{ informers, progress, condition, clock, log },
    clusterDns: options.disable.includes('coredns') ? [] : options.clusterDns,
    folder: paths.ingress,
    runFolder: clusterNames(options.dataDir).runFolder,
  });
  stack.use(ingress);
  if (!servesIngress(options)) await ingress.stopServing();
  else ingress.start();
  return ingress;
}

async function startProxy(environment: NodeEnvironment, stack: AsyncDisposableStack): Promise<void> {
  const { options, progress, client, informers, clock } = environment;
  const { nodeName } = options;
  const log = environment.log.child({ room: 'services' });
  const proxy = new ServiceProxy({
    informers,
    events: stack.use(createEventRecorder({ client, clock, log, component: 'kube-proxy', host: nodeName })),
    clock,
    log,
    nodeName,
    clusterCidrs: options.clusterCidrs,
    serviceCidrs: options.serviceCidrs,
    nodeIps: options.nodeIps,
    nodePortAddresses: [],
    healthPort: proxyHealthPort,
    ownAddresses: new Set(options.disable.includes('coredns') ? [] : options.clusterDns),
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
