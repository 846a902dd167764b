/**
 * Fetches a URL again and again, each time by a connection of its own and without waiting for the one before, and prints a
 * line of JSON for each: `{ startedMs, tookMs, error }`. Ends with its input.
 */
import { get } from 'node:http';

/** A line of output. */
export interface Request {
  /** Wall clock. */
  readonly startedMs: number;
  readonly tookMs: number;
  /** Null when it was answered whole. */
  readonly error: string | null;
}

/** How long a request may take. */
const timeoutMs = 5_000;
const [url = '', every = ''] = process.argv.slice(2);

function request(): void {
  const startedMs = Date.now();
  const say = (error: string | null) => {
    const line: Request = { startedMs, tookMs: Date.now() - startedMs, error };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  const sent = get(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) }, (answer) => {
    answer.resume();
    answer.on('end', () => say(answer.statusCode === 200 ? null : `status ${answer.statusCode}`));
    answer.on('error', (error) => say(error.message));
  });
  sent.on('error', (error) => say(error.message));
}

const timer = setInterval(request, Number(every));
process.stdin.resume().on('end', () => clearInterval(timer));
