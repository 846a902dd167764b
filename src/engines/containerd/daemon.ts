import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createBackoff } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError, errorCode, TerminalError, TransientError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { startInBackground } from '../process/background.ts';
import { programPath } from '../process/run.ts';
import { type ContainerdOptions, compileConfig } from './config.ts';
import { connectCri } from './cri.ts';
import { compileHosts, type Registries } from './registries.ts';

export interface ContainerdDaemonOptions {
  readonly containerd: ContainerdOptions;
  readonly registries: Registries;
  /** Holds config.toml, the pid file and the log. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A containerd of our own. It runs detached, so that it and its containers outlive this process; the next start finds
 * it by its pid file and goes on with it, and starts it anew only when its configuration changed.
 */
export interface ContainerdDaemon {
  readonly address: string;
  /** Resolves when the runtime answers; from then on a containerd that dies is started again. Throws with the end of its log when it won't run. */
  start(): Promise<void>;
  /** Ends the supervision and leaves containerd running. */
  release(): Promise<void>;
  /** Ends the supervision and containerd itself; the containers' shims go on until their pods are stopped. */
  stop(): Promise<void>;
}

/** Milliseconds that containerd gets to answer after its start: a big image store is opened slowly on small machines. */
const startTimeoutMs = 60_000;
const stopTimeoutMs = 10_000;
/** The kernel's bound on the path of a unix socket (unix(7)), without the final zero. */
const socketPathBytesMax = 107;

export function createContainerdDaemon(options: ContainerdDaemonOptions): ContainerdDaemon {
  const { containerd, folder, clock, log } = options;
  const configPath = join(folder, 'config.toml');
  const pidPath = join(folder, 'containerd.pid');
  const logFile = join(folder, 'containerd.log');
  const abort = new AbortController();
  let supervision: Promise<void> = Promise.resolve();

  async function launch(): Promise<number> {
    // A socket that a dead containerd left would be taken for a living one.
    await rm(containerd.address, { force: true });
    const pid = await startInBackground('containerd', ['--config', configPath], {
      logFile,
      environment: { PATH: programPath, LC_ALL: 'C' },
    }).catch((cause: unknown) => {
      throw new TerminalError('CONTAINERD_MISSING', `containerd can't be started: ${describeError(cause)}`, {
        cause,
        hint: 'install containerd (Debian, Ubuntu: apt-get install containerd runc)',
      });
    });
    await replaceFile(pidPath, `${pid}\n`);
    log.info('containerd started', { pid, address: containerd.address });
    return pid;
  }

  async function waitUntilReady(pid: number): Promise<void> {
    const cri = connectCri(containerd.address);
    const deadline = clock.monotonic() + startTimeoutMs;
    try {
      for (;;) {
        try {
          await cri.version({ version: 'v1' }, { timeoutMs: 2000 });
          return;
        } catch (cause) {
          const isDead = !(await isOurs(pid, configPath));
          if (!isDead && clock.monotonic() < deadline) {
            await clock.sleep(25, abort.signal);
            continue;
          }
          const what = isDead
            ? 'containerd ended during its start'
            : `containerd did not answer in ${startTimeoutMs} ms`;
          throw new TransientError('CONTAINERD_NOT_READY', `${what}: ${await endOf(logFile)}`, {
            cause,
            hint: `see ${logFile}`,
          });
        }
      }
    } finally {
      cri.close();
    }
  }

  async function supervise(first: number): Promise<void> {
    const backoff = createBackoff({ baseMs: 500, capMs: 30_000 });
    let pid = first;
    let aliveSince = clock.monotonic();
    while (!abort.signal.aborted) {
      if (await isOurs(pid, configPath)) {
        if (clock.monotonic() - aliveSince > 60_000) backoff.reset();
        await clock.sleep(500, abort.signal);
        continue;
      }
      const delayMs = backoff.next();
      log.error('containerd ended unexpectedly and is started again', { pid, delayMs, end: await endOf(logFile) });
      await clock.sleep(delayMs, abort.signal);
      try {
        pid = await launch();
        aliveSince = clock.monotonic();
        await waitUntilReady(pid);
      } catch (thrown) {
        if (!abort.signal.aborted) log.error('containerd does not start', { error: describeError(thrown) });
      }
    }
  }

  async function endSupervision(): Promise<void> {
    abort.abort();
    await supervision;
  }

  return {
    address: containerd.address,
    async start() {
      if (Buffer.byteLength(containerd.address) > socketPathBytesMax)
        throw new TerminalError('SOCKET_PATH_TOO_LONG', `the socket's path ${containerd.address} is too long`, {
          hint: 'choose a shorter --data-dir',
        });
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await mkdir(dirname(containerd.address), { recursive: true, mode: 0o711 });
      await mkdir(containerd.state, { recursive: true, mode: 0o711 });
      await mkdir(containerd.cniConfigFolder, { recursive: true, mode: 0o755 });
      await writeHosts(containerd.registryHostsFolder, options.registries);
      const isChanged = await replaceFile(configPath, compileConfig(containerd));
      let pid = await readPid(pidPath);
      let isRunning = pid !== undefined && (await isOurs(pid, configPath));
      if (pid !== undefined && isRunning && isChanged) {
        log.info('containerd is restarted with its new configuration', { pid });
        await endProcess(pid, configPath, clock);
        isRunning = false;
      }
      if (pid === undefined || !isRunning) pid = await launch();
      else log.info('containerd was found running', { pid, address: containerd.address });
      await waitUntilReady(pid);
      supervision = supervise(pid).catch((thrown: unknown) => {
        if (!abort.signal.aborted) throw thrown;
      });
    },
    release: endSupervision,
    async stop() {
      await endSupervision();
      const pid = await readPid(pidPath);
      if (pid !== undefined) await endProcess(pid, configPath, clock);
      await rm(pidPath, { force: true });
    },
  };
}

/** True while `pid` is the containerd that runs with our configuration (and not another process that got its number). */
async function isOurs(pid: number, configPath: string): Promise<boolean> {
  try {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    return commandLine.split('\0').includes(configPath);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT' || errorCode(thrown) === 'ESRCH') return false;
    throw thrown;
  }
}

async function endProcess(pid: number, configPath: string, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + stopTimeoutMs;
  let signal: NodeJS.Signals | null = 'SIGTERM';
  while (await isOurs(pid, configPath)) {
    if (clock.monotonic() > deadline) signal = 'SIGKILL';
    if (signal !== null) signalProcess(pid, signal);
    signal = null;
    await clock.sleep(20);
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (thrown) {
    if (errorCode(thrown) !== 'ESRCH') throw thrown;
  }
}

async function readPid(path: string): Promise<number | undefined> {
  try {
    const pid = Number.parseInt(await readFile(path, 'utf8'), 10);
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** Writes a file in one step; false when it already had this content. */
async function replaceFile(path: string, content: string): Promise<boolean> {
  const old = await readFile(path, 'utf8').catch((thrown: unknown) => {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  });
  if (old === content) return false;
  await writeFile(`${path}.new`, content, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return true;
}

async function writeHosts(folder: string, registries: Registries): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [host, content] of compileHosts(registries)) {
    await mkdir(join(folder, host), { recursive: true });
    await writeFile(join(folder, host, 'hosts.toml'), content, { mode: 0o600 });
  }
}

/** The last error lines that containerd wrote, for a message. */
async function endOf(path: string): Promise<string> {
  const bytesMax = 8192;
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, Math.max(0, size - bytesMax));
    const lines = buffer.toString('utf8', 0, bytesRead).trim().split('\n');
    const errors = lines.filter((line) => /level=(error|fatal)|^containerd:/.test(line));
    return (errors.length > 0 ? errors : lines).slice(-2).join('; ').slice(-1000);
  } catch (thrown) {
    return `its log can't be read (${describeError(thrown)})`;
  }
}
