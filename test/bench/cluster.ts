/**
 * Speed and memory of a whole cluster with its node: start until the node is Ready, resident memory after an idle minute,
 * pods from creation to Running one by one and many at once, claims from their pod's creation to Bound. Each cluster is new,
 * and each measurement begins when nothing is left of the one before; every figure is the median of all of its kind.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Client } from '../../src/client/client.ts';
import { createClient } from '../../src/client/client-impl.ts';
import { createHttpsTransport } from '../../src/client/https-transport.ts';
import { loadKubeconfig } from '../../src/client/kubeconfig.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import { persistentvolumeclaims, pods } from '../../src/kube/resources.gen.ts';
import type { PersistentVolumeClaim, Pod } from '../../src/kube/types.gen.ts';
import { controlStatus } from '../../src/server/control.ts';
import { pathsOf } from '../../src/server/paths.ts';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';
import { report } from './report.ts';

const clusters = 3;
const idleMs = 60_000;
const podsOneByOne = 20;
const podsAtOnce = 30;
const roundsAtOnce = 3;
const claims = 5;
const namespace = 'default';

const startMs: number[] = [];
const serverMemory: number[] = [];
const containerdMemory: number[] = [];
const oneByOne: number[] = [];
const atOnce: Record<'first' | 'median' | 'last', number[]> = { first: [], median: [], last: [] };
/** Processor time of the whole machine, for each pod: shows whether others were at work, too. */
const busy: number[] = [];
const bound: number[] = [];

const archive = await imageArchive('busybox');
for (let run = 0; run < clusters; run++) {
  await using cluster = await startCluster({ name: 'bench', images: [archive] });
  const pid = await serverPid(cluster);
  startMs.push(readyAt(cluster.log()) - startedAt(pid));
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  serverMemory.push(residentMiB(pid));
  containerdMemory.push(containerdPids(cluster).reduce((sum, each) => sum + residentMiB(each), 0));
  // The kubeconfig names the loopback address of the cluster's own network.
  const server = `https://${cluster.nodeIp}:${cluster.port}`;
  using transport = createHttpsTransport({ ...loadKubeconfig(cluster.kubeconfig), server });
  const client = createClient(transport);
  const gone = () => untilGone(client, cluster);
  for (let i = 0; i < podsOneByOne; i++) {
    oneByOne.push(...(await untilRunning(client, [`single-${i}`])));
    await gone();
  }
  for (let round = 0; round < roundsAtOnce; round++) {
    const names = Array.from({ length: podsAtOnce }, (_, i) => `many-${round}-${i}`);
    const before = busyMs();
    const took = await untilRunning(client, names);
    busy.push((busyMs() - before) / podsAtOnce);
    await gone();
    atOnce.first.push(took[0] ?? 0);
    atOnce.median.push(took[Math.floor(took.length / 2)] ?? 0);
    atOnce.last.push(took.at(-1) ?? 0);
  }
  for (let i = 0; i < claims; i++) {
    bound.push(await untilBound(client, `claim-${i}`));
    await gone();
  }
}
report('start of the server until its node is Ready', ' ms', startMs);
report('resident memory of Wherry after an idle minute', ' MiB', serverMemory);
report('resident memory of containerd beside it', ' MiB', containerdMemory);
report('a pod from its creation to Running', ' ms', oneByOne);
report(`${podsAtOnce} pods created at once, until the first is Running`, ' ms', atOnce.first);
report(`${podsAtOnce} pods created at once, median until Running`, ' ms', atOnce.median);
report(`${podsAtOnce} pods created at once, until all are Running`, ' ms', atOnce.last);
report('processor time of the machine for each of them', ' ms', busy);
report("a claim from its pod's creation to Bound", ' ms', bound);

async function serverPid(cluster: TestCluster): Promise<number> {
  const state = await controlStatus(pathsOf(cluster.dataDir).controlSocket);
  if (state === null) throw new Error('the server does not answer');
  return state.pid;
}

/** Milliseconds since the epoch when the server's log says that the cluster is ready. */
function readyAt(log: string): number {
  for (const line of log.split('\n')) {
    if (!line.includes('the cluster is ready')) continue;
    const { time }: { time: number | string } = JSON.parse(line);
    return new Date(time).getTime();
  }
  throw new Error(`the log does not say that the cluster is ready:\n${log}`);
}

/** Milliseconds since the epoch when a process was started (proc(5): field 22 of stat, in hundredths of a second). */
function startedAt(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const started = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) * 10;
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
  return Date.now() - uptime + started;
}

function residentMiB(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) / 1024;
}

/** containerd of this cluster: its command line names the cluster's data directory. */
function containerdPids(cluster: TestCluster): readonly number[] {
  const numbers = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return numbers.map(Number).filter((pid) => {
    const [program = '', ...args] = commandLine(pid);
    return program.endsWith('containerd') && args.some((arg) => arg.startsWith(cluster.dataDir));
  });
}

function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // It ended since /proc was read.
  }
}

function sleeper(name: string, claim?: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'c',
          image: 'busybox',
          imagePullPolicy: 'IfNotPresent',
          command: ['sleep', '1000000'],
          ...(claim === undefined ? {} : { volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
        },
      ],
      ...(claim === undefined ? {} : { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: claim } }] }),
    },
  };
}

/** Milliseconds from the request that creates a pod until it is seen Running, shortest first. */
async function untilRunning(client: Client, names: readonly string[]): Promise<readonly number[]> {
  const began = new Map<string, number>();
  const took: number[] = [];
  const running = seen(
    client,
    pods,
    names,
    (pod) => pod.status?.phase === 'Running',
    (name) => took.push(performance.now() - (began.get(name) ?? 0)),
  );
  const created = names.map((name) => {
    began.set(name, performance.now());
    return client.create(pods, sleeper(name));
  });
  await Promise.all([running, ...created]);
  await Promise.all(names.map((name) => client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 })));
  return took.sort((a, b) => a - b);
}

/** Resolves when no pod is left, neither in the API nor on the node, whose folders of pods go last. */
async function untilGone(client: Client, cluster: TestCluster): Promise<void> {
  await eventually('the pods are gone', 120_000, async () => {
    const { items } = await client.list(pods, { namespace });
    const folders = items.length === 0 ? readdirSync(`${cluster.dataDir}/agent/pods`) : [];
    return items.length + folders.length === 0 ? true : undefined;
  });
}

/** Milliseconds that all processors together have worked since the start of the machine (proc(5)). */
function busyMs(): number {
  const [, user = 0, nice = 0, system = 0, _idle, _wait, interrupts = 0, softInterrupts = 0] = readFileSync(
    '/proc/stat',
    'utf8',
  )
    .split('\n', 1)
    .join('')
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + interrupts + softInterrupts) * 10;
}

async function untilBound(client: Client, name: string): Promise<number> {
  const claim: PersistentVolumeClaim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  await client.create(persistentvolumeclaims, claim);
  const began = performance.now();
  await client.create(pods, sleeper(name, name));
  await seen(client, persistentvolumeclaims, [name], (current) => current.status?.phase === 'Bound');
  const took = performance.now() - began;
  await client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 });
  return took;
}

/** Resolves when each of the objects was seen as it should become. */
async function seen<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  names: readonly string[],
  isDone: (object: T) => boolean,
  onDone: (name: string) => void = () => {},
): Promise<void> {
  const missing = new Set(names);
  const signal = AbortSignal.timeout(120_000);
  for await (const event of client.watch(resource, { namespace, sendInitialEvents: true, signal })) {
    if (event.type === 'BOOKMARK' || event.type === 'DELETED' || !isDone(event.object)) continue;
    const { name = '' } = event.object.metadata;
    if (missing.delete(name)) onDone(name);
    if (missing.size === 0) return;
  }
  throw new Error(`the watch ended before ${[...missing].join(', ')}`);
}
