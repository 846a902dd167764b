/** Calls to a program of a test by lines of JSON on its standard input and output. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Longest time that an answer may take. */
const answerTimeoutMs = 20_000;

export interface Remote extends AsyncDisposable {
  /** Rejects with the message of what the program threw. */
  call(op: string, argument?: unknown): Promise<unknown>;
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>;
}

/** Starts a TypeScript program in a network namespace; resolves when it answers. */
export async function startRemote(namespace: string, program: string, argument: unknown): Promise<Remote> {
  const command = [`--net=/run/netns/${namespace}`, '--', process.execPath, program, JSON.stringify(argument)];
  const child = spawn('nsenter', command, { stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting = new Map<number, (answer: { readonly result?: unknown; readonly error?: string }) => void>();
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line);
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  child.stdin.on('error', () => {});
  child.once('close', () => {
    for (const settle of waiting.values()) settle({ error: `${program} has ended: ${said}` });
  });
  let count = 0;
  const call = (op: string, value?: unknown) =>
    new Promise<unknown>((resolve, reject) => {
      const id = ++count;
      const timer = setTimeout(() => reject(new Error(`no answer to ${op}: ${said}`)), answerTimeoutMs);
      waiting.set(id, ({ result, error }) => {
        clearTimeout(timer);
        if (error === undefined) resolve(result);
        else reject(new Error(error));
      });
      child.stdin.write(`${JSON.stringify({ id, op, value })}\n`);
    });
  const end = (signal: NodeJS.Signals) => ended(child, signal);
  try {
    await call('ready');
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
  return { call, kill: () => end('SIGKILL'), [Symbol.asyncDispose]: () => end('SIGTERM') };
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.kill(signal);
  await closed;
}

/** The other side: answers calls until its standard input closes. */
export function serveCalls(handlers: Readonly<Record<string, (value: never) => unknown>>): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const { id, op, value } = JSON.parse(line);
    const answer = async () => {
      if (op === 'ready') return null;
      const handler = handlers[op];
      if (handler === undefined) throw new Error(`there is no ${op}`);
      return await handler(value as never);
    };
    const written = await answer().then(
      (result) => ({ id, result }),
      (error: unknown) => ({ id, error: error instanceof Error ? error.message : String(error) }),
    );
    process.stdout.write(`${JSON.stringify(written)}\n`);
  });
  return new Promise((resolve) => {
    lines.once('close', resolve);
    process.once('SIGTERM', () => lines.close());
  });
}
