/**
 * A tunnel beside `ssh -R` (OpenSSH) and a direct connection, over loopback, in one run: bytes a second with one stream and with many,
 * requests a second and how long the slowest take. Every figure is the median of several runs; the ways take turns.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { isMainThread, Worker } from 'node:worker_threads';
import { eventually, runCommand } from '../testbed/kubectl.ts';
import { report } from './report.ts';

const runs = 5;
const seconds = 3;
const streamsMany = 100;
const totalBytes = 256 * 1024 * 1024;
const ports = { web: 17_001, bytes: 17_002, sshd: 17_003, exit: 17_004, control: 17_005 };
const ways = {
  direct: { web: ports.web, bytes: ports.bytes },
  'ssh -R': { web: 17_011, bytes: 17_012 },
  tunnel: { web: 17_021, bytes: 17_022 },
} as const;
const main = path.join(import.meta.dirname, '../../src/cli/main.ts');

if (isMainThread) await measure();
else serve();

/** The upstream: an answer for each request, and as many bytes as a connection asks for. */
function serve(): void {
  createHttp((_, response) => response.end('hello\n')).listen(ports.web, '127.0.0.1');
  const block = Buffer.alloc(256 * 1024, 'x');
  createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (asked) => {
      let left = Number(String(asked));
      const more = () => {
        while (left > 0) {
          const piece = block.subarray(0, Math.min(left, block.length));
          left -= piece.length;
          if (!socket.write(piece)) {
            socket.once('drain', more);
            return;
          }
        }
        socket.end();
      };
      more();
    });
  }).listen(ports.bytes, '127.0.0.1');
}

async function measure(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'wherry-bench-tunnel-'));
  const children: ChildProcess[] = [];
  const upstream = new Worker(new URL('./tunnel.ts', import.meta.url));
  const start = (command: string, args: readonly string[]) =>
    children.push(spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], cwd: folder }));
  try {
    await startSsh(folder, start);
    const token = 'c0ffee00c0ffee00c0ffee00c0ffee00';
    const node = [...process.execArgv, main, 'tunnel'];
    const log = ['--log-file', path.join(folder, 'log')];
    start(process.execPath, [
      ...[...node, 'server', ...log, '--port', `${ports.exit}`, '--control-port', `${ports.control}`, '--token', token],
      ...['--data-dir', folder, '--status-address', 'none', '--data-addr', '127.0.0.1', '--control-addr', '127.0.0.1'],
    ]);
    const { web, bytes } = ways.tunnel;
    start(process.execPath, [
      ...[...node, 'client', ...log, '--remote', `127.0.0.1:${ports.control}`, '--token', token, '--upstream'],
      `http://127.0.0.1:${ports.web},${web}=tcp://127.0.0.1:${ports.web},${bytes}=tcp://127.0.0.1:${ports.bytes}`,
    ]);
    for (const way of Object.values(ways))
      for (const port of Object.values(way)) await eventually(`port ${port} answers`, 30_000, () => answers(port));
    await figures();
  } finally {
    for (const child of children) {
      const ended = new Promise((resolve) => child.once('close', resolve));
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await ended;
    }
    await upstream.terminate();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startSsh(folder: string, start: (command: string, args: readonly string[]) => void): Promise<void> {
  for (const name of ['host', 'id'])
    await runCommand('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(folder, name)]);
  await runCommand('mkdir', ['-p', '/run/sshd']);
  const options = [`AuthorizedKeysFile=${folder}/id.pub`, 'StrictModes=no', 'ListenAddress=127.0.0.1', 'UsePAM=no'];
  start('/usr/sbin/sshd', [
    ...['-D', '-f', '/dev/null', '-h', path.join(folder, 'host'), '-p', `${ports.sshd}`],
    ...[...options, `PidFile=${folder}/pid`, 'PermitRootLogin=yes', 'LogLevel=ERROR'].flatMap((option) => [
      '-o',
      option,
    ]),
  ]);
  await eventually('sshd answers', 10_000, () => answers(ports.sshd));
  const { web, bytes } = ways['ssh -R'];
  start('ssh', [
    ...['-N', '-p', `${ports.sshd}`, '-i', path.join(folder, 'id'), '-o', 'StrictHostKeyChecking=no'],
    ...['-o', `UserKnownHostsFile=${folder}/known`, '-o', 'LogLevel=ERROR'],
    ...['-R', `127.0.0.1:${web}:127.0.0.1:${ports.web}`, '-R', `127.0.0.1:${bytes}:127.0.0.1:${ports.bytes}`],
    'root@127.0.0.1',
  ]);
}

function answers(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(undefined));
  });
}

/** MB/s of so many connections together. */
async function throughput(port: number, streams: number): Promise<number> {
  const begun = performance.now();
  const one = () =>
    new Promise<void>((resolve, reject) => {
      let got = 0;
      const wanted = Math.floor(totalBytes / streams);
      const socket = connect({
        port,
        host: '127.0.0.1',
        onread: { buffer: Buffer.alloc(256 * 1024), callback: count },
      });
      function count(bytes: number): boolean {
        got += bytes;
        return true;
      }
      socket.on('connect', () => socket.write(String(wanted)));
      socket.on('error', reject);
      socket.on('close', () => (got === wanted ? resolve() : reject(new Error(`${got} of ${wanted} bytes came`))));
    });
  await Promise.all(Array.from({ length: streams }, one));
  return totalBytes / 1e6 / ((performance.now() - begun) / 1000);
}

interface Requests {
  readonly perSecond: number;
  readonly p99Ms: number;
}

async function requests(port: number, connections: number): Promise<Requests> {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', `http://127.0.0.1:${port}/`];
  const { stdout } = await runCommand('wrk', args);
  const slowest = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout);
  const scale = { us: 0.001, ms: 1, s: 1000 }[slowest?.[2] ?? ''] ?? Number.NaN;
  return { perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]), p99Ms: Number(slowest?.[1]) * scale };
}

async function figures(): Promise<void> {
  const table = new Map<string, number[]>();
  const note = (what: string, value: number) => table.set(what, [...(table.get(what) ?? []), value]);
  for (let run = 0; run < runs; run++) {
    for (const [name, way] of Object.entries(ways)) {
      note(`${name}, 1 stream, MB/s`, await throughput(way.bytes, 1));
      note(`${name}, ${streamsMany} streams, MB/s`, await throughput(way.bytes, streamsMany));
      for (const connections of [1, streamsMany]) {
        const { perSecond, p99Ms } = await requests(way.web, connections);
        note(`${name}, ${connections} connections, requests/s`, perSecond);
        note(`${name}, ${connections} connections, p99 ms`, p99Ms);
      }
    }
    note(
      `tunnel by host name, ${streamsMany} connections, requests/s`,
      (await requests(ports.exit, streamsMany)).perSecond,
    );
  }
  for (const [what, values] of [...table].sort(([a], [b]) => (kind(a) < kind(b) ? -1 : 1))) report(what, '', values);
}

function kind(what: string): string {
  return what.slice(what.indexOf(','));
}
