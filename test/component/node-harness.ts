import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsMaterial } from '../../src/apiserver/http/server.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createLog, type LogLevel } from '../../src/core/log.ts';
import { createFileCgroups } from '../../src/engines/cgroups/file-system.ts';
import { removeNetwork } from '../../src/engines/cni/network.ts';
import { run } from '../../src/engines/process/run.ts';
import { events as eventResource, nodes, pods } from '../../src/kube/resources.gen.ts';
import type { Event, Pod } from '../../src/kube/types.gen.ts';
import { createNodeAgent, type NodeAgent, type NodeParts, type NodePartsContext } from '../../src/node/agent.ts';
import { createEventRecorder } from '../../src/runtime/event-recorder.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { type NodeApi, startApi } from './node-api.ts';

export const nodeName = 'node-a';
/** Longest time that a condition may take. */
const deadlineMs = 60_000;

export interface NodeHarness extends AsyncDisposable {
  readonly api: NodeApi;
  readonly folder: string;
  readonly namespace: string;
  readonly agent: NodeAgent;
  /** Ends the agent as a crash would leave things, and starts another one over the same data. */
  restartAgent(): Promise<NodeAgent>;
  create(name: string, spec: Partial<Pod['spec']> & object, metadata?: Partial<Pod['metadata']>): Promise<Pod>;
  /** Resolves when the pod satisfies `condition`; undefined stands for a pod that is no more. */
  until(name: string, what: string, condition: (pod: Pod | undefined) => boolean): Promise<Pod | undefined>;
  eventsOf(name: string): Promise<readonly Event[]>;
}

/** A control plane and a node agent with a containerd of its own; ends everything that it started, by its own paths. */
export async function startNode(
  parts: (context: NodePartsContext) => NodeParts,
  options: {
    readonly level?: LogLevel;
    readonly folder?: string;
    readonly tls?: TlsMaterial;
    readonly logLinks?: boolean;
  } = {},
): Promise<NodeHarness> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'wherry-node-')));
  // Names that are the kernel's, not the folder's: derived from it, so that a second process finds them again.
  const id = createHash('sha256').update(folder).digest('hex').slice(0, 8);
  const log = createLog(options.level ?? 'silent');
  const api = await startApi(join(folder, 'db'), log, options.tls);
  const network = {
    name: 'wherry',
    podCidrs: ['10.211.0.0/24'],
    mtu: 1500,
    addressFolder: join(folder, 'agent', 'cni'),
  };
  const cniConfigFolder = join(folder, 'agent', 'net.d');
  const cgroupRoot = `/wherry-test-${id}`;
  const images = join(folder, 'agent', 'images');
  await mkdir(images, { recursive: true });
  await copyFile(await imageArchive('busybox'), join(images, 'busybox.tar'));
  const recorder = createEventRecorder({
    client: api.client,
    clock: systemClock,
    log,
    component: 'kubelet',
    host: nodeName,
  });

  const makeAgent = () =>
    createNodeAgent({
      nodeName,
      nodeIPs: ['192.0.2.1'],
      hostname: nodeName,
      client: api.client,
      informers: api.informers,
      events: recorder,
      clock: systemClock,
      log,
      version: 'v1.36.2',
      folder: join(folder, 'agent'),
      runFolder: join(folder, 'run'),
      logFolder: join(folder, 'logs'),
      ...(options.logLinks === true ? { logLinksFolder: join(folder, 'links') } : {}),
      clusterDns: { servers: ['10.43.0.10'], domain: 'cluster.local' },
      network: { kind: 'own', state: () => ({ mtu: 1500 }) },
      cniConfigFolder,
      cgroupRoot,
      parts,
    });
  let agent = makeAgent();
  const namespace = 'test';
  const informer = api.informers.of(pods);

  async function cleanUp(): Promise<void> {
    await agent.endPods(AbortSignal.timeout(30_000)).catch(() => {});
    await agent.stop({ runtime: 'stop' });
    await recorder[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
    await endShims(folder);
    await removeNetwork(cniConfigFolder, network);
    await removeCgroups(cgroupRoot);
    await unmountBelow(folder);
    await rm(folder, { recursive: true, force: true });
  }

  try {
    await agent.start();
    await assignRange(api, network.podCidrs);
  } catch (thrown) {
    await cleanUp();
    throw thrown;
  }
  return {
    api,
    folder,
    namespace,
    get agent() {
      return agent;
    },
    async restartAgent() {
      await agent.stop();
      agent = makeAgent();
      await agent.start();
      return agent;
    },
    create: (name, spec, metadata = {}) =>
      api.client.create(pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace, ...metadata },
        spec: { nodeName, terminationGracePeriodSeconds: 1, containers: [], ...spec },
      }),
    async until(name, what, condition) {
      await informer.synced;
      const met = Promise.withResolvers<Pod | undefined>();
      const look = () => {
        const pod = informer.get(`${namespace}/${name}`);
        if (condition(pod)) met.resolve(pod);
      };
      using _progress = informer.onProgress(look);
      using _deadline = systemClock.after(deadlineMs, () => {
        const status = informer.get(`${namespace}/${name}`)?.status;
        met.reject(new Error(`not within ${deadlineMs} ms: ${what}; the status is ${JSON.stringify(status)}`));
      });
      look();
      return await met.promise;
    },
    async eventsOf(name) {
      const { items } = await api.client.list(eventResource, { namespace });
      return items.filter((event) => event.involvedObject?.name === name);
    },
    [Symbol.asyncDispose]: cleanUp,
  };
}

/** Does the part of the node IPAM controller, and waits until the node is Ready with it. */
async function assignRange({ client, informers }: NodeApi, podCIDRs: readonly string[]): Promise<void> {
  const body = { spec: { podCIDR: podCIDRs[0], podCIDRs } };
  const ready = Promise.withResolvers<void>();
  using _changes = informers.of(nodes).subscribe(({ current }) => {
    if (current?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) ready.resolve();
    if (current === undefined || current.spec?.podCIDR !== undefined) return;
    client.patch(nodes, { name: nodeName }, { type: 'merge', body }).catch(ready.reject);
  });
  using _deadline = systemClock.after(deadlineMs, () => ready.reject(new Error('the node is not Ready in time')));
  await ready.promise;
}

/** Ends the shims that belong to a containerd below `folder`: what a failed test left running. */
async function endShims(folder: string): Promise<void> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes('containerd-shim') && commandLine.includes(folder)) process.kill(Number(pid), 'SIGKILL');
  }
}

async function removeCgroups(root: string): Promise<void> {
  const cgroups = await createFileCgroups({ root, clock: systemClock });
  for (const pod of await cgroups.list()) await cgroups.remove(pod);
  const { stdout } = await run('find', ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*${root}*`]);
  for (const path of stdout.trim().split('\n')) if (path !== '') await run('rmdir', [path]).catch(() => {});
}

async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  for (const path of mounts.filter((mount) => mount.startsWith(`${folder}/`)).reverse())
    await run('umount', ['-l', path]);
}
