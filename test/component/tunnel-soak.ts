/** Many streams through a tunnel whose connections are cut at random, some of them read slowly. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { eventually } from '../testbed/kubectl.ts';

const main = path.join(import.meta.dirname, '../../src/cli/main.ts');
const token = 'c0ffee00c0ffee00c0ffee00c0ffee00';

export interface SoakOptions {
  readonly seconds: number;
  /** Streams at the same time. */
  readonly streams: number;
  /** Bytes of one stream, at most. */
  readonly bytesMax: number;
  /** A connection of the tunnel is cut so often. */
  readonly cutEveryMs: number;
  /** What each end of the tunnel may hold in memory. */
  readonly memoryMiBMax: number;
}

export interface SoakResult {
  /** Streams that came back byte for byte. */
  readonly whole: number;
  /** Streams that broke off, and said so. */
  readonly broken: number;
  readonly cuts: number;
  readonly memoryMiB: number;
}

/** Throws when a stream ended as if it were whole and was not, when one never ended, or when an end of the tunnel grew too large. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const folder = mkdtempSync(path.join(tmpdir(), 'wherry-tunnel-soak-'));
  const children: ChildProcess[] = [];
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    for (const child of children) {
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  });
  const start = (...args: string[]) =>
    children.push(
      spawn(process.execPath, [main, 'tunnel', ...args, '--log-file', path.join(folder, 'log')], { stdio: 'ignore' }),
    );
  const echo = stack.use(await listen((socket) => socket.pipe(socket)));
  const [control, exitPort, publicPort] = await freePorts(3);
  start(
    ...['server', '--port', `${exitPort}`, '--control-port', `${control}`, '--token', token, '--data-dir', folder],
    ...['--status-address', 'none', '--data-addr', '127.0.0.1'],
  );
  const links = new Set<Socket>();
  const network = stack.use(await listen((near) => forward(near, control ?? 0, links)));
  start(
    ...['client', '--remote', `127.0.0.1:${network.port}`, '--token', token],
    ...['--upstream', `${publicPort}=tcp://127.0.0.1:${echo.port}`],
  );
  await eventually('the tunnel is open', 30_000, () => canConnect(publicPort ?? 0));

  let whole = 0;
  let broken = 0;
  let cuts = 0;
  let memoryMiB = 0;
  const cutting = setInterval(() => {
    const all = [...links];
    all[Math.floor(Math.random() * all.length)]?.resetAndDestroy();
    cuts++;
    memoryMiB = Math.max(memoryMiB, ...children.map(memoryOf));
  }, options.cutEveryMs);
  const deadline = performance.now() + options.seconds * 1000;
  const worker = async () => {
    while (performance.now() < deadline) {
      const outcome = await stream(publicPort ?? 0, Math.ceil(Math.random() * options.bytesMax));
      assert.notEqual(outcome, 'corrupt', 'a part was taken for the whole');
      if (outcome === 'whole') whole++;
      else {
        broken++;
        // The port may be away for a moment after a cut of the control connection.
        await eventually('the tunnel is back', 60_000, () => canConnect(publicPort ?? 0));
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: options.streams }, worker));
  } finally {
    clearInterval(cutting);
  }
  assert.ok(memoryMiB < options.memoryMiBMax, `an end of the tunnel held ${memoryMiB} MiB`);
  return { whole, broken, cuts, memoryMiB };
}

/** One stream: sends, says that it is done, and reads all that comes back, now and then slowly. */
function stream(port: number, size: number): Promise<'whole' | 'broken' | 'corrupt'> {
  return new Promise((resolve, reject) => {
    const sent = randomBytes(size);
    const hash = createHash('sha256');
    const isSlow = Math.random() < 0.1;
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let isBroken = false;
    const limit = setTimeout(() => reject(new Error(`a stream of ${size} bytes never ended`)), 120_000);
    socket.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      if (!isSlow) return;
      socket.pause();
      setTimeout(() => socket.resume(), 20);
    });
    socket.on('error', () => {
      isBroken = true;
    });
    socket.on('close', () => {
      clearTimeout(limit);
      const isWhole = hash.digest().equals(createHash('sha256').update(sent).digest());
      resolve(isBroken ? 'broken' : isWhole ? 'whole' : 'corrupt');
    });
    socket.end(sent);
  });
}

function forward(near: Socket, port: number, links: Set<Socket>): void {
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  links.add(near);
  near.on('error', () => far.resetAndDestroy());
  far.on('error', () => near.resetAndDestroy());
  near.on('close', () => {
    links.delete(near);
    far.destroy();
  });
  far.on('close', () => near.destroy());
  near.pipe(far);
  far.pipe(near);
}

async function listen(serve: (socket: Socket) => void): Promise<AsyncDisposable & { readonly port: number }> {
  const open = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => open.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(() => {})));
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
  return servers.map(({ port }) => port);
}

function canConnect(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(undefined));
  });
}

function memoryOf({ pid }: ChildProcess): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
