/**
 * Asks a URL again and again, each time over a connection of its own, and prints a line of JSON for each request once it is
 * over: `{ atMs, ok, tookMs, body, error }`. Arguments: URL, milliseconds between requests, and how long one may take.
 */
import { get } from 'node:http';

/** A line of output. */
export interface Outcome {
  /** Wall clock, when it began. */
  readonly atMs: number;
  readonly ok: boolean;
  readonly tookMs: number;
  readonly body: string;
  readonly error: string;
}

const [url = '', everyMs = '20', timeoutMs = '5000'] = process.argv.slice(2);

function ask(): void {
  const atMs = Date.now();
  let isOver = false;
  const end = (ok: boolean, body: string, error = '') => {
    if (isOver) return;
    isOver = true;
    const outcome: Outcome = { atMs, ok, tookMs: Date.now() - atMs, body: body.trim(), error };
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
  };
  const request = get(url, { agent: false }, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    response.on('end', () => end(response.statusCode === 200, body, String(response.statusCode)));
    response.on('error', (error) => end(false, '', error.message));
  });
  request.on('error', (error) => end(false, '', error.message));
  setTimeout(() => request.destroy(new Error('no answer in time')), Number(timeoutMs)).unref();
}

setInterval(ask, Number(everyMs));
