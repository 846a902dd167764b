/** Runs in a user-mode Linux host: starts programs for the test that speaks on the serial line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type FromHost, lineReader, type ToHost } from './uml-messages.ts';

const running = new Map<number, ChildProcess>();
let environment: Readonly<Record<string, string | undefined>> = {};

const say = (message: FromHost) => process.stdout.write(`${JSON.stringify(message)}\n`);

function start(id: number, program: Extract<ToHost, { start: unknown }>['start']): void {
  const { command, args, cwd } = program;
  const child = spawn(command, args, { cwd, env: { ...environment, ...program.environment }, stdio: 'pipe' });
  running.set(id, child);
  for (const output of ['stdout', 'stderr'] as const)
    child[output].on('data', (chunk: Buffer) => say({ id, output, bytes: chunk.toString('base64') }));
  // A program may end without reading its input; its status says what happened.
  child.stdin.on('error', () => {});
  child.once('error', (error) => {
    say({ id, output: 'stderr', bytes: Buffer.from(`${error.message}\n`).toString('base64') });
    say({ id, status: 127 });
    running.delete(id);
  });
  child.once('close', (status, signal) => {
    if (!running.delete(id)) return;
    say({ id, status: status ?? 128 + (signal === null ? 0 : constants.signals[signal]) });
  });
}

function receive(message: ToHost): void {
  if ('environment' in message) environment = message.environment;
  else if ('start' in message) start(message.id, message.start);
  else if ('signal' in message) running.get(message.id)?.kill(message.signal);
  else if (message.input === null) running.get(message.id)?.stdin?.end();
  else running.get(message.id)?.stdin?.write(Buffer.from(message.input, 'base64'));
}

// A shutdown of the host ends this process last, with the kernel.
process.on('SIGTERM', () => {});
const take = lineReader<ToHost>(receive);
process.stdin.setEncoding('latin1').on('data', (chunk: string) => {
  say({ read: chunk.length });
  take(chunk);
});
say({ awake: true });
