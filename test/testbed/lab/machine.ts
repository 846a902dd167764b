import type { Readable, Writable } from 'node:stream';
import type { CommandResult } from '../kubectl.ts';

/** A program that runs on a host. It ends with the host, and with the test. */
export interface HostProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Undefined while it runs; 128 + number when a signal ended it. */
  readonly status: number | undefined;
  /** Resolves with the status once it and its output have ended. */
  readonly ended: Promise<number>;
  /** Sends a signal; nothing happens when it has ended. */
  signal(name: NodeJS.Signals): void;
}

export interface StartOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** What a host is made of: namespaces of this kernel, or a kernel of its own. */
export interface Machine {
  readonly kind: 'namespace' | 'uml';
  /** Boots, with an interface `eth0` that is the other end of the switch's port, down and without addresses. */
  powerOn(): Promise<void>;
  /** Ends everything at once, as a power cut does. The disk stays. */
  powerOff(): Promise<void>;
  start(command: string, args: readonly string[], options?: StartOptions): HostProcess;
}

/** Waits for a program's end, with all of its output. Killed after `timeoutMs`. */
export async function collect(running: HostProcess, input = '', timeoutMs = 60_000): Promise<CommandResult> {
  const timer = setTimeout(() => running.signal('SIGKILL'), timeoutMs);
  let stdout = '';
  let stderr = '';
  running.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk;
  });
  running.stderr.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk;
  });
  running.stdin.end(input);
  const status = await running.ended.finally(() => clearTimeout(timer));
  return { status, stdout, stderr };
}

/** Hands on each line of JSON that a program prints. What it complains of goes to the test's own standard error. */
export function eachLine<T>(from: HostProcess, take: (line: T) => void): void {
  let rest = '';
  from.stderr.on('data', (chunk: Buffer) => process.stderr.write(chunk));
  from.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(JSON.parse(line));
  });
}
