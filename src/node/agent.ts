import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import { describeError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Cri } from '../engines/containerd/cri.ts';
import type { RuntimeImage } from '../engines/containerd/cri-messages.ts';
import { nodes, pods } from '../kube/resources.gen.ts';
import { formatTime } from '../kube/time.ts';
import type { Node, Taint } from '../kube/types.gen.ts';
import type { EventRecorder, Informers } from '../runtime/controller.ts';
import { BackoffTable } from './backoff-table.ts';
import { type ContainerRuntime, openRuntime } from './container-runtime.ts';
import type { EnvironmentResolver } from './environment-resolver.ts';
import { createForeignNetwork } from './foreign-network.ts';
import type { HookRunner } from './hook-runner.ts';
import { watchArchiveFolder } from './images/archive-folder.ts';
import { createImagePuller } from './images/puller.ts';
import { createNodeAdmission } from './node-admission.ts';
import { createPodEvents } from './pod-events.ts';
import { createPodNetwork, type NodeNetwork } from './pod-network.ts';
import { type ClusterDns, parseResolvConf } from './pods/dns.ts';
import type { NetworkAdmission, PodHost } from './pods/host.ts';
import { createLogLinks } from './pods/log-links.ts';
import { createPodObserver } from './pods/observe.ts';
import { createPodFiles } from './pods/pod-files.ts';
import { qosClass } from './pods/resources.ts';
import { createPodWorkers, type PodWorkers } from './pods/workers.ts';
import type { ProbeRunner } from './probe-runner.ts';
import { diskUse, type MachineFacts, observeMachine, observeUse } from './registration/machine.ts';
import { type NodeFacts, pressureOf } from './registration/node-status.ts';
import { type Registration, startRegistration } from './registration/registration.ts';
import { createStats, type Stats } from './stats/stats.ts';
import type { PodDirectory } from './streaming-server.ts';
import { createTurns } from './turns.ts';
import { startUpkeep } from './upkeep.ts';
import type { VolumeSet } from './volume-set.ts';

/** What the parts of the agent that are made outside of it may use. */
export interface NodePartsContext {
  readonly cri: Cri;
  readonly client: Client;
  readonly informers: Informers;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  /** Holds a folder for each pod uid; volumes live in `<podsFolder>/<uid>/volumes`. */
  readonly podsFolder: string;
  /** The node's capacity and allocatable amounts, for resourceFieldRef defaults. */
  allocatable(): Readonly<Record<string, string>>;
}

export interface NodeParts {
  readonly volumes: VolumeSet;
  readonly environment: EnvironmentResolver;
  readonly probes: ProbeRunner;
  readonly hooks: HookRunner;
}

export interface NodeAgentOptions {
  readonly nodeName: string;
  /** The first one is the node's address; one more of the other family may follow. */
  readonly nodeIPs: readonly string[];
  /** Addresses by which the node is reached from outside, told as ExternalIP. */
  readonly externalIPs?: readonly string[];
  readonly hostname: string;
  /** Acts as system:node:<name>. */
  readonly client: Client;
  readonly informers: Informers;
  /** With source component `kubelet` and this node as host. */
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  /** E.g. `v1.36.2`. */
  readonly version: string;
  /** `<data-dir>/agent`. */
  readonly folder: string;
  /** Sockets and volatile state, e.g. `/run/wherry/<cluster>`. */
  readonly runFolder: string;
  /** Containers' logs; /var/log/pods is where log shippers look. */
  readonly logFolder: string;
  /** Links to the logs by container, /var/log/containers; absent: none are made. */
  readonly logLinksFolder?: string;
  readonly containerRuntimeEndpoint?: string;
  readonly registriesFile?: string;
  /** The resolv.conf(5) of pods with dnsPolicy Default; the machine's own when absent. */
  readonly resolvConf?: string;
  readonly clusterDns: ClusterDns;
  /** Who gives pods their interfaces. */
  readonly network: NodeNetwork;
  /** Absent: the network lets every pod take part at once. */
  readonly admitToNetwork?: NetworkAdmission;
  /** Where CNI configuration is written and looked for. */
  readonly cniConfigFolder: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** 110 when absent. */
  readonly podsMax?: number;
  /** Of the pods' cgroups, `/kubepods` when absent; clusters beside each other have different ones. */
  readonly cgroupRoot?: string;
  /** Port of the kubelet API, told in the Node's status. */
  readonly kubeletPort?: number;
  parts(context: NodePartsContext): NodeParts;
}

/** The node agent: this machine as a node of the cluster. */
export interface NodeAgent {
  /** Resolves when the runtime answers and pods are being looked after; readiness shows on the Node object. */
  start(): Promise<void>;
  /** Ends the agent. Containers run on; containerd too, unless `runtime` says to end it. */
  stop(options?: { readonly runtime?: 'keep' | 'stop' }): Promise<void>;
  /** Ends all pods of this node as for a shutdown, e.g. before `down`; then they are gone from the runtime, not from the API. */
  endPods(signal: AbortSignal): Promise<void>;
  /** The following throw while the agent has not started, but for `running`. */
  readonly directory: PodDirectory;
  readonly cri: Cri;
  readonly stats: Stats;
  /** How many pods have a running sandbox, and how many containers are in which state. */
  running(): { readonly pods: number; readonly containers: Readonly<Record<string, number>> };
  importImages(path: string): Promise<readonly string[]>;
  images(): Promise<readonly RuntimeImage[]>;
  /** This node's Node object as last written. */
  readonly node: Node | undefined;
}

const defaultPodsMax = 110;
/** Milliseconds after which a pod's start that hangs (a mount, a network plugin) keeps others waiting no more. */
const turnPatienceMs = 2000;
/** Image pulls at the same time. */
const parallelPulls = 3;

interface Running {
  readonly runtime: ContainerRuntime;
  readonly workers: PodWorkers;
  readonly registration: Registration;
  readonly stats: Stats;
  readonly parts: NodeParts;
  readonly disposables: readonly AsyncDisposable[];
  readonly nodeChanges: Disposable;
}

export function createNodeAgent(options: NodeAgentOptions): NodeAgent {
  const { client, clock, events, log, nodeName } = options;
  const podsMax = options.podsMax ?? defaultPodsMax;
  let running: Running | undefined;
  let node: Node | undefined;
  const startedAt = clock.now();
  const { network, cniConfigFolder } = options;
  const cniFolder = join(options.folder, 'cni');
  const podNetwork =
    network.kind === 'own'
      ? createPodNetwork({ network, cniConfigFolder, addressFolder: cniFolder, clock, log })
      : createForeignNetwork({ cniConfigFolder, folder: cniFolder, log });

  function need(): Running {
    if (running === undefined) throw new Error('the node agent has not started');
    return running;
  }

  async function nodeFacts(
    runtime: ContainerRuntime,
    machine: MachineFacts,
    workers: () => PodWorkers | undefined,
  ): Promise<NodeFacts> {
    const use = await observeUse(options.folder);
    const networkProblem = await podNetwork.ensure(node);
    const { problems, images } = await observeRuntime(runtime.cri);
    if (networkProblem !== null) problems.push(networkProblem);
    if (workers()?.isListing === false && problems.length === 0)
      problems.push('PLEG is not healthy: pleg has yet to be successful');
    return {
      name: nodeName,
      hostname: options.hostname,
      addresses: options.nodeIPs,
      externalAddresses: options.externalIPs ?? [],
      machine,
      use,
      pressure: pressureOf(machine, use),
      runtime: runtime.version,
      kubeletVersion: options.version,
      podsMax,
      kubeletPort: options.kubeletPort,
      images,
      problems,
      now: clock.now(),
    };
  }

  async function start(): Promise<void> {
    const machine = await observeMachine();
    // Fixed ranges are configured before the runtime looks for them.
    await podNetwork.ensure(undefined);
    const runtime = await openRuntime({
      folder: options.folder,
      runFolder: options.runFolder,
      cniConfigFolder: options.cniConfigFolder,
      ...(options.containerRuntimeEndpoint === undefined ? {} : { endpoint: options.containerRuntimeEndpoint }),
      ...(options.registriesFile === undefined ? {} : { registriesFile: options.registriesFile }),
      cgroupRoot: options.cgroupRoot ?? '/kubepods',
      clock,
      log,
    });
    const { cri } = runtime;
    let workers: PodWorkers | undefined;
    const admission = createNodeAdmission(client);
    const registration = startRegistration({
      client,
      events,
      clock,
      log,
      labels: options.labels ?? {},
      taints: options.taints ?? [],
      facts: () => nodeFacts(runtime, machine, () => workers),
      onNode(current) {
        node = current;
        admission.observe(current);
      },
    });
    // Others write into it too: the range of pod addresses, taints, labels.
    const nodeInformer = options.informers.of(nodes, { fieldSelector: `metadata.name=${nodeName}` });
    const nodeChanges = nodeInformer.subscribe(({ old, current }) => {
      if (current?.metadata.name === nodeName) registration.observe(current);
      else if (current === undefined && old?.metadata.name === nodeName) registration.removed(old);
    });
    const podsFolder = join(options.folder, 'pods');
    const parts = options.parts({
      cri,
      client,
      informers: options.informers,
      events,
      clock,
      log,
      nodeName,
      podsFolder,
      allocatable: () => node?.status?.allocatable ?? {},
    });
    const podEvents = createPodEvents(events);
    const host: PodHost = {
      cri,
      runtimeName: runtime.version.name,
      observer: createPodObserver(cri),
      client,
      events: podEvents,
      cgroups: runtime.cgroups,
      ...parts,
      images: createImagePuller({ cri, client, events: podEvents, clock, parallel: parallelPulls }),
      files: createPodFiles({ podsFolder, logFolder: options.logFolder, clusterDomain: options.clusterDns.domain }),
      logLinks:
        options.logLinksFolder === undefined
          ? null
          : createLogLinks({ folder: options.logLinksFolder, logFolder: options.logFolder }),
      crashes: new BackoffTable(),
      turns: createTurns({ width: machine.cpus + 1, patience: { ms: turnPatienceMs, clock } }),
      admission,
      admitToNetwork: options.admitToNetwork ?? (async () => {}),
      settings: {
        clusterDns: options.clusterDns,
        hostResolver: parseResolvConf(await hostResolvConf(options.resolvConf)),
        logFolder: options.logFolder,
        seccompFolder: join(options.folder, 'seccomp'),
        memoryBytes: machine.memoryBytes,
      },
      hostIPs: options.nodeIPs,
      clock,
      log,
    };
    const archives = watchArchiveFolder({
      folder: join(options.folder, 'images'),
      clock,
      log,
      import: (path, signal) => runtime.importImages(path, signal),
      failed(path, message) {
        log.error('an image archive can not be imported', { path, error: message });
        if (node !== undefined) events.event(node, 'Warning', 'ImageImportFailed', message);
      },
    });
    const informer = options.informers.of(pods, { fieldSelector: `spec.nodeName=${nodeName}` });
    // What runs here and is not in the informer is ended; so it must be complete first.
    await informer.synced;
    // Images that lie ready must be found by pods that never pull.
    await archives.first;
    workers = createPodWorkers(host, informer);
    const current = workers;
    const upkeep = startUpkeep({
      runtime,
      workers,
      events: podEvents,
      clock,
      log,
      folder: options.folder,
      podsFolder,
      warn(reason, message) {
        if (node !== undefined) events.event(node, 'Warning', reason, message);
      },
    });
    const stats = createStats({
      nodeName,
      cri,
      cgroups: runtime.cgroups,
      clock,
      startedAt,
      memoryBytes: machine.memoryBytes,
      disk: () => diskUse(options.folder),
      pods: () =>
        current
          .workers()
          .filter(({ isGone }) => !isGone)
          .map(({ pod, runtime: { containers } }) => ({
            uid: pod.metadata.uid ?? '',
            qos: qosClass(pod),
            name: pod.metadata.name ?? '',
            namespace: pod.metadata.namespace ?? '',
            startTime: pod.status?.startTime ?? formatTime(startedAt),
            containerStarts: new Map(
              containers.filter(({ state }) => state === 'running').map((item) => [item.id, item.startedAt]),
            ),
          })),
    });
    running = {
      runtime,
      workers,
      registration,
      stats,
      parts,
      disposables: [archives, ...upkeep],
      nodeChanges,
    };
    registration.poke();
  }

  return {
    start,
    async stop(how = {}) {
      if (running === undefined) return;
      const { runtime, workers, registration, parts, disposables, nodeChanges } = running;
      running = undefined;
      nodeChanges[Symbol.dispose]();
      await registration[Symbol.asyncDispose]();
      for (const part of disposables) await part[Symbol.asyncDispose]();
      await workers[Symbol.asyncDispose]();
      await parts.probes[Symbol.asyncDispose]();
      await parts.volumes[Symbol.asyncDispose]();
      await (how.runtime === 'stop' ? runtime.stop() : runtime.release());
    },
    async endPods(signal) {
      const { runtime, workers } = need();
      await workers.end(signal);
      log.info('all pods of this node ended', { runtime: runtime.version.name });
    },
    get directory() {
      return need().workers;
    },
    get cri() {
      return need().runtime.cri;
    },
    get stats() {
      return need().stats;
    },
    running() {
      const containers: Record<string, number> = {};
      let pods = 0;
      for (const { runtime } of running?.workers.workers() ?? []) {
        if (runtime.sandboxes.some(({ isReady }) => isReady)) pods++;
        for (const { state } of runtime.containers) containers[state] = (containers[state] ?? 0) + 1;
      }
      return { pods, containers };
    },
    importImages: (path) => need().runtime.importImages(path),
    async images() {
      return (await need().runtime.cri.listImages({})).images;
    },
    get node() {
      return node;
    },
  };
}

/** Whether the runtime says that pods can run, in kubelet's words, and what images it has. */
async function observeRuntime(
  cri: Cri,
): Promise<{ readonly problems: string[]; readonly images: readonly RuntimeImage[] }> {
  try {
    const [{ status }, { images }] = await Promise.all([
      cri.status({}, { timeoutMs: 5000 }),
      cri.listImages({}, { timeoutMs: 5000 }),
    ]);
    const problems = (status?.conditions ?? [])
      .filter((condition) => !condition.status)
      .map(({ type, reason, message }) => {
        const subject = type === 'NetworkReady' ? 'container runtime network not ready' : 'container runtime not ready';
        return `${subject}: ${type}=false reason:${reason} message:${message}`;
      });
    return { problems, images };
  } catch (thrown) {
    return { problems: [`container runtime is down: ${describeError(thrown)}`], images: [] };
  }
}

/** The node's name servers; systemd-resolved keeps the real ones beside its own stub, which pods can't reach. */
async function hostResolvConf(given: string | undefined): Promise<string> {
  if (given !== undefined) return await readFile(given, 'utf8');
  const real = '/run/systemd/resolve/resolv.conf';
  const path = await access(real).then(
    () => real,
    () => '/etc/resolv.conf',
  );
  return await readFile(path, 'utf8').catch(() => '');
}
