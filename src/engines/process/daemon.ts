import { mkdir, open, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createBackoff } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError, errorCode, TerminalError, TransientError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { startInBackground } from './background.ts';
import { programPath } from './run.ts';

export interface DaemonOptions {
  /** The program, also in messages and the names of its pid file and log. */
  readonly program: string;
  /** What is run to start it, where that is another program, which it takes the place of. */
  readonly command?: string;
  readonly args: readonly string[];
  /** One of the arguments, which no other process has: its process is told from others by it. */
  readonly mark: string;
  /** Holds the pid file and the log. */
  readonly folder: string;
  /** What to do where the program is missing. */
  readonly hint: string;
  /** Throws as long as the daemon does not answer. */
  ready(signal: AbortSignal): Promise<void>;
  /** Called before each launch, e.g. to remove a dead socket. */
  prepare?(): Promise<void>;
  /** The lines of the log that say why it ended; all of them when absent. */
  readonly errorLine?: RegExp;
  /** Milliseconds that it gets to answer after its start, and to end. */
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A program that runs detached, so that it outlives this process: the next start finds it by its pid file and goes on
 * with it. While this process runs, one that dies is started again.
 */
export interface Daemon {
  /**
   * Resolves when it answers. One that runs already is kept, or with `anew` ended and started again. Throws with the
   * end of its log when it won't run.
   */
  start(options?: { readonly anew?: boolean }): Promise<void>;
  /** Ends the supervision and leaves the daemon running. */
  release(): Promise<void>;
  /** Ends the supervision and the daemon. */
  stop(): Promise<void>;
}

const lookMs = 500;
const retryBaseMs = 500;
const retryCapMs = 30_000;
/** One that has run for so long is not the cause of its own trouble. */
const steadyMs = 60_000;
const pollMs = 20;

export function createDaemon(options: DaemonOptions): Daemon {
  const { program, command = program, mark, folder, clock, log, startTimeoutMs } = options;
  const pidPath = join(folder, `${program}.pid`);
  const logFile = join(folder, `${program}.log`);
  const abort = new AbortController();
  let supervision: Promise<void> = Promise.resolve();

  async function launch(): Promise<number> {
    await options.prepare?.();
    const pid = await startInBackground(command, options.args, {
      logFile,
      environment: { PATH: programPath, LC_ALL: 'C' },
    }).catch((cause: unknown) => {
      throw new TerminalError('PROGRAM_MISSING', `${program} can't be started: ${describeError(cause)}`, {
        cause,
        hint: options.hint,
      });
    });
    await replaceFile(pidPath, `${pid}\n`);
    log.info(`${program} started`, { pid });
    return pid;
  }

  async function waitUntilReady(pid: number): Promise<void> {
    const deadline = clock.monotonic() + startTimeoutMs;
    for (;;) {
      try {
        await options.ready(abort.signal);
        return;
      } catch (cause) {
        const isDead = !(await isOurs(pid, mark));
        if (!isDead && clock.monotonic() < deadline) {
          await clock.sleep(pollMs, abort.signal);
          continue;
        }
        const what = isDead ? `${program} ended during its start` : `${program} did not answer in ${startTimeoutMs} ms`;
        throw new TransientError('DAEMON_NOT_READY', `${what}: ${await endOf(logFile, options.errorLine)}`, {
          cause,
          hint: `see ${logFile}`,
        });
      }
    }
  }

  async function supervise(first: number): Promise<void> {
    const backoff = createBackoff({ baseMs: retryBaseMs, capMs: retryCapMs });
    let pid = first;
    let aliveSince = clock.monotonic();
    while (!abort.signal.aborted) {
      if (await isOurs(pid, mark)) {
        if (clock.monotonic() - aliveSince > steadyMs) backoff.reset();
        await clock.sleep(lookMs, abort.signal);
        continue;
      }
      const delayMs = backoff.next();
      const end = await endOf(logFile, options.errorLine);
      log.error(`${program} ended unexpectedly and is started again`, { pid, delayMs, end });
      await clock.sleep(delayMs, abort.signal);
      try {
        pid = await launch();
        aliveSince = clock.monotonic();
        await waitUntilReady(pid);
      } catch (thrown) {
        if (!abort.signal.aborted) log.error(`${program} does not start`, { error: describeError(thrown) });
      }
    }
  }

  async function release(): Promise<void> {
    abort.abort();
    await supervision;
  }

  return {
    async start({ anew = false } = {}) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      let pid = await readPid(pidPath);
      if (pid !== undefined && !(await isOurs(pid, mark))) pid = undefined;
      if (pid !== undefined && anew) {
        log.info(`${program} is restarted with its new configuration`, { pid });
        await end(pid, options);
        pid = undefined;
      }
      if (pid === undefined) pid = await launch();
      else log.info(`${program} was found running`, { pid });
      await waitUntilReady(pid);
      supervision = supervise(pid).catch((thrown: unknown) => {
        if (!abort.signal.aborted) throw thrown;
      });
    },
    release,
    async stop() {
      await release();
      const pid = await readPid(pidPath);
      if (pid !== undefined) await end(pid, options);
      await rm(pidPath, { force: true });
    },
  };
}

/** True while `pid` is the process that was started with our argument (and not another one that got its number). */
async function isOurs(pid: number, mark: string): Promise<boolean> {
  try {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    if (commandLine !== '') return commandLine.split('\0').includes(mark);
    // Just now it takes another program's place. One that is dead but not yet buried has no program.
    await readlink(`/proc/${pid}/exe`);
    return true;
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT' || errorCode(thrown) === 'ESRCH') return false;
    throw thrown;
  }
}

async function end(pid: number, { mark, clock, stopTimeoutMs }: DaemonOptions): Promise<void> {
  const deadline = clock.monotonic() + stopTimeoutMs;
  let signal: NodeJS.Signals | null = 'SIGTERM';
  while (await isOurs(pid, mark)) {
    if (clock.monotonic() > deadline) signal = 'SIGKILL';
    if (signal !== null) signalProcess(pid, signal);
    signal = null;
    await clock.sleep(pollMs);
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

/** Writes a file, readable by its owner alone, in one step; false when it already had this content. */
export async function replaceFile(path: string, content: string): Promise<boolean> {
  const old = await readFile(path, 'utf8').catch((thrown: unknown) => {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  });
  if (old === content) return false;
  await writeFile(`${path}.new`, content, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return true;
}

/** The last error lines of a log, for a message. */
async function endOf(path: string, errorLine?: RegExp): Promise<string> {
  const bytesMax = 8192;
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, Math.max(0, size - bytesMax));
    const lines = buffer.toString('utf8', 0, bytesRead).trim().split('\n');
    const errors = errorLine === undefined ? [] : lines.filter((line) => errorLine.test(line));
    return (errors.length > 0 ? errors : lines).slice(-2).join('; ').slice(-1000);
  } catch (thrown) {
    return `its log can't be read (${describeError(thrown)})`;
  }
}
