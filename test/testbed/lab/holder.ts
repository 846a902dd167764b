import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import type { HostProcess, StartOptions } from './machine.ts';

/** How long the first process of a host may take to set up, milliseconds. */
const readyTimeoutMs = 30_000;

/**
 * Namespaces that live as long as their first process, which lives as long as its standard input: a pipe of this test.
 * So they end with the test, whatever ends it.
 */
export interface Holder {
  /** Of the first process, as this test sees it. */
  readonly pid: number;
  /** Descriptor 3 of the first process. */
  readonly channel: Duplex;
  /** Kills everything in the namespaces and resolves when they are empty. */
  kill(): Promise<void>;
}

/** Runs a script of this folder that prints `ready PID` once all is set up. */
export async function startHolder(command: string, args: readonly string[]): Promise<Holder> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], detached: true, cwd: '/' });
  const channel = child.stdio[3] as Duplex;
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin.on('error', () => {});
  try {
    const pid = await new Promise<number>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${command} ${args.join(' ')}: not ready in time`)),
        readyTimeoutMs,
      );
      let stdout = '';
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
        const found = /^ready (\d+)$/m.exec(stdout);
        if (found === null) return;
        clearTimeout(timer);
        resolve(Number(found[1]));
      });
      child.once('error', reject);
      child.once('close', (status) => {
        clearTimeout(timer);
        reject(new Error(`${command} ${args.join(' ')} ended with status ${status}: ${stderr}`));
      });
    });
    return {
      pid,
      channel,
      async kill() {
        // Whoever started the first process takes leave of it, which is after the last of the others has ended.
        try {
          process.kill(pid, 'SIGKILL');
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
        }
        await ended;
      },
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** Every script of a lab lies beside this file. */
export const scriptPath = (name: string): string => path.join(import.meta.dirname, name);

/**
 * Runs a program in some of a holder's namespaces, by nsenter(1). `wrapper` is what becomes the program in the end; it has
 * the kernel kill the program when the one who entered is killed.
 */
export function startEntered(
  holder: Holder,
  namespaces: readonly string[],
  wrapper: readonly string[],
  options: StartOptions = {},
): HostProcess {
  const enter = ['--target', String(holder.pid), ...namespaces, `--wd=${options.cwd ?? '/'}`, '--', ...wrapper];
  const child = spawn('nsenter', enter, { env: { ...process.env, ...options.environment }, stdio: 'pipe' });
  let status: number | undefined;
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      status = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      resolve(status);
    });
  });
  // A program may end without reading its input; its status says what happened.
  child.stdin.on('error', () => {});
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    get status() {
      return status;
    },
    ended,
    signal(name) {
      if (status !== undefined || child.pid === undefined) return;
      // Into another PID namespace nsenter must fork, and it passes no signal on. SIGKILL need not be: the program dies
      // with it, also before it was started.
      const forked = namespaces.includes('--pid') && name !== 'SIGKILL';
      const target = forked ? childOf(child.pid) : child.pid;
      if (target !== undefined) process.kill(target, name);
    },
  };
}

/** The one child of a process; undefined when it has none (any more). */
function childOf(parent: number): number | undefined {
  for (const entry of readdirSync('/proc')) {
    if (/^\d+$/.test(entry) && parentOf(entry) === parent) return Number(entry);
  }
  return undefined;
}

function parentOf(pid: string): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name stands in parentheses and may hold anything; the state follows it.
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    // The process ended while it was looked at.
    return undefined;
  }
}
