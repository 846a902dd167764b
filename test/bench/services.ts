/**
 * Services: what a new connection costs with many of them, how long an endpoint's change takes until it is in the kernel,
 * and what the proxy uses while nothing happens. Machines are network namespaces, the rules are those that the node's proxy
 * writes; its process holds the API server that feeds it, too.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Remote, startRemote } from '../component/services/rpc.ts';
import { addresses, World } from '../component/services/world.ts';
import { report } from './report.ts';

const many = 10_000;
const some = 1_000;
const connectRounds = 7;
const connectionsPerRound = 4_000;
const changes = 30;
const idleMs = 20_000;
const fillAtOnce = 250;

await using world = await World.start();
const client = await startRemote(world.namespaceOf('p1'), path.join(import.meta.dirname, 'services-client.ts'), {});
await using _client = client;
const served = await world.service('measured', { ipFamilyPolicy: 'SingleStack' });
await world.endpoints('measured', ['p2']);
const address = served.spec?.clusterIP ?? '';
await world.expect('p1', { address, port: 80 }, /^p2 /);

const alone: number[] = [];
const among: number[] = [];
const direct: number[] = [];
for (let round = 0; round < connectRounds; round++) {
  direct.push(await rate(client, addresses.IPv4.p2, 8080));
  alone.push(await rate(client, address, 80));
}
await fill(0, some);
const changeMs: number[] = [];
for (let i = 0; i < changes; i++) changeMs.push(Number(await world.node.call('timeChange', { index: i })));
const pids = await processesOf(Number(await world.node.call('pid')));
const cpuBefore = cpuMs(pids);
await new Promise((resolve) => setTimeout(resolve, idleMs));
const cpu = cpuMs(pids) - cpuBefore;
report('from the change of an endpoint to the kernel, with 1,000 Services', ' ms', changeMs);
report('processor of the idle proxy with 1,000 Services, nft monitor included', ' %', [(cpu / idleMs) * 100]);
report('memory of its process (with API server and datastore) and of nft monitor', ' MiB', [residentMiB(pids)]);

const began = performance.now();
await fill(some, many);
process.stdout.write(
  `9,000 more Services and slices were created and in the kernel after ${((performance.now() - began) / 1000).toFixed(1)} s\n`,
);
const wholeMs: number[] = [];
for (let i = 0; i < 5; i++) {
  const deleted = performance.now();
  await world.run('nft', 'delete', 'table', 'ip', 'wherry');
  await world.expect('p1', { address, port: 80, timeoutMs: 50 }, /^p2 /);
  wholeMs.push(performance.now() - deleted);
}
report('until the deleted table of 10,000 Services is back', ' ms', wholeMs);
for (let round = 0; round < connectRounds; round++) among.push(await rate(client, address, 80));
report('new connections a second to a pod without a Service', '/s', direct);
report('new connections a second through the only Service', '/s', alone);
report('new connections a second through one of 10,000 Services', '/s', among);
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
process.stdout.write(
  `time of a connection with 10,000 Services to that with 1: ${(median(alone) / median(among)).toFixed(3)}\n`,
);

async function fill(from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += fillAtOnce) {
    await world.node.call('fill', { from: at, to: Math.min(to, at + fillAtOnce) });
  }
}

async function rate(remote: Remote, host: string, port: number): Promise<number> {
  return Number(await remote.call('rate', { address: host, port, count: connectionsPerRound }));
}

/** A process and its children. */
async function processesOf(parent: number): Promise<readonly number[]> {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const children = all.filter((pid) => statOf(Number(pid))[1] === String(parent));
  return [parent, ...children.map(Number)];
}

/** The fields of /proc/PID/stat behind the name (proc_pid_stat(5)); none for a process that has ended. */
function statOf(pid: number): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (Number(statOf(pid)[11] ?? 0) + Number(statOf(pid)[12] ?? 0)) * 10, 0);
}

function residentMiB(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (Number(statOf(pid)[21] ?? 0) * 4096) / 1024 ** 2, 0);
}
