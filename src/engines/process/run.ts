import { spawn } from 'node:child_process';
import { WherryError } from '../../core/errors.ts';

export interface RunOptions {
  /** Milliseconds until the program is killed; 30 s when absent. */
  readonly timeoutMs?: number;
  /** Written to standard input, which is closed after it; absent: /dev/null. */
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** The whole environment of the program; absent: a minimal one (PATH, LC_ALL=C). */
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Bytes kept of standard output, 16 MiB when absent; more is an error. */
  readonly outputBytesMax?: number;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** Why a program did not do what it was run for: not there, ended with a status, was killed, took too long, said too much. */
export class CommandError extends WherryError {
  readonly command: string;
  readonly args: readonly string[];
  /** Null when the program did not start or was killed. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;

  constructor(
    code: CommandErrorCode,
    message: string,
    facts: {
      readonly command: string;
      readonly args: readonly string[];
      readonly exitCode?: number | null;
      readonly signal?: NodeJS.Signals | null;
      readonly stdout?: string;
      readonly stderr?: string;
      readonly cause?: unknown;
      readonly hint?: string;
    },
  ) {
    super(code, message, { cause: facts.cause, ...(facts.hint === undefined ? {} : { hint: facts.hint }) });
    this.command = facts.command;
    this.args = facts.args;
    this.exitCode = facts.exitCode ?? null;
    this.signal = facts.signal ?? null;
    this.stdout = facts.stdout ?? '';
    this.stderr = facts.stderr ?? '';
  }
}

export type CommandErrorCode =
  | 'COMMAND_NOT_FOUND'
  | 'COMMAND_FAILED'
  | 'COMMAND_KILLED'
  | 'COMMAND_TIMEOUT'
  | 'COMMAND_OUTPUT_TOO_LARGE'
  | 'COMMAND_ABORTED';

/** Where programs are looked for, whatever the environment of the caller is. */
export const programPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const stderrBytesMax = 64 * 1024;

/**
 * Runs a program to its end and resolves with what it printed; no shell in between. Throws CommandError when it can't
 * be started, ends with another status than 0, or outlives its time; it is then killed with SIGKILL.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { timeoutMs = 30_000, input, signal, cwd, outputBytesMax = 16 * 1024 * 1024 } = options;
  const line = [command, ...args].join(' ');
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new CommandError('COMMAND_ABORTED', `${line}: not started`, { command, args, cause: signal.reason }));
      return;
    }
    const child = spawn(command, args, {
      cwd,
      env: { ...(options.environment ?? { PATH: programPath, LC_ALL: 'C' }) },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    let reason: CommandErrorCode | undefined;
    const stdout = collect(outputBytesMax);
    const stderr = collect(stderrBytesMax);
    const kill = (why: CommandErrorCode) => {
      reason ??= why;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => kill('COMMAND_TIMEOUT'), timeoutMs);
    const onAbort = () => kill('COMMAND_ABORTED');
    signal?.addEventListener('abort', onAbort, { once: true });
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      if (!stdout.add(chunk)) kill('COMMAND_OUTPUT_TOO_LARGE');
    });
    child.stderr?.on('data', (chunk: Buffer) => stderr.add(chunk));
    // A program that ends without reading its input breaks the pipe; its status says what happened.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    child.once('error', (cause) => {
      settle();
      const missing = 'code' in cause && cause.code === 'ENOENT';
      const code = missing ? 'COMMAND_NOT_FOUND' : 'COMMAND_FAILED';
      const hint = missing ? { hint: `install the package that provides ${command}` } : {};
      reject(new CommandError(code, `${command}: can't be started`, { command, args, cause, ...hint }));
    });
    child.once('close', (exitCode, killedBy) => {
      settle();
      const facts = { command, args, exitCode, signal: killedBy, stdout: stdout.text(), stderr: stderr.text() };
      if (exitCode === 0 && reason === undefined) {
        resolve({ stdout: facts.stdout, stderr: facts.stderr });
        return;
      }
      const said = lastLines(facts.stderr || facts.stdout);
      const message = `${line}: ${explain(reason, timeoutMs, exitCode, killedBy)}${said === '' ? '' : `: ${said}`}`;
      reject(new CommandError(reason ?? (killedBy ? 'COMMAND_KILLED' : 'COMMAND_FAILED'), message, facts));
    });
  });
}

function explain(
  reason: CommandErrorCode | undefined,
  timeoutMs: number,
  exitCode: number | null,
  killedBy: NodeJS.Signals | null,
): string {
  switch (reason) {
    case 'COMMAND_TIMEOUT':
      return `killed after ${timeoutMs} ms`;
    case 'COMMAND_OUTPUT_TOO_LARGE':
      return 'killed because it printed too much';
    case 'COMMAND_ABORTED':
      return 'killed because it is no longer wanted';
    default:
      return killedBy ? `killed by ${killedBy}` : `exit status ${exitCode}`;
  }
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-5).join('; ').slice(-2000);
}

/** Keeps the first `bytesMax` bytes; `add` is false once there were more. */
function collect(bytesMax: number): { add(chunk: Buffer): boolean; text(): string } {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    add(chunk) {
      const room = bytesMax - size;
      if (room > 0) chunks.push(chunk.subarray(0, room));
      size += chunk.length;
      return size <= bytesMax;
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
  };
}
