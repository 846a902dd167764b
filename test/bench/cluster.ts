/**
 * Speed and memory of a whole cluster with its node: start until the node is Ready, resident memory after an idle minute,
 * pods from creation to Running one by one and many at once, claims from their pod's creation to Bound. Each cluster is new;
 * every figure is the median of all measurements of its kind.
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
import { report } from './report.ts';

const clusters = 3;
const idleMs = 60_000;
const podsOneByOne = 20;
const podsAtOnce = 30;
const claims = 5;
const namespace = 'default';

const startMs: number[] = [];
const serverMemory: number[] = [];
const containerdMemory: number[] = [];
const oneByOne: number[] = [];
const atOnce: number[] = [];
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
  for (let i = 0; i < podsOneByOne; i++) oneByOne.push(await untilRunning(client, [`single-${i}`]));
  atOnce.push(
    await untilRunning(
      client,
      Array.from({ length: podsAtOnce }, (_, i) => `many-${i}`),
    ),
  );
  for (let i = 0; i < claims; i++) bound.push(await untilBound(client, `claim-${i}`));
}
report('start of the server until its node is Ready', ' ms', startMs);
report('resident memory of Wherry after an idle minute', ' MiB', serverMemory);
report('resident memory of containerd beside it', ' MiB', containerdMemory);
report('a pod from its creation to Running', ' ms', oneByOne);
report(`${podsAtOnce} pods created at once, until all are Running`, ' ms', atOnce);
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

async function untilRunning(client: Client, names: readonly string[]): Promise<number> {
  const began = performance.now();
  await Promise.all(names.map((name) => client.create(pods, sleeper(name))));
  await seen(client, pods, names, (pod) => pod.status?.phase === 'Running');
  const took = performance.now() - began;
  await Promise.all(names.map((name) => client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 })));
  return took;
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
): Promise<void> {
  const missing = new Set(names);
  const signal = AbortSignal.timeout(120_000);
  for await (const event of client.watch(resource, { namespace, sendInitialEvents: true, signal })) {
    if (event.type === 'BOOKMARK' || event.type === 'DELETED' || !isDone(event.object)) continue;
    missing.delete(event.object.metadata.name ?? '');
    if (missing.size === 0) return;
  }
  throw new Error(`the watch ended before ${[...missing].join(', ')}`);
}
