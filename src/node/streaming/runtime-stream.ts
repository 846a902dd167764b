import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { TransientError } from '../../core/errors.ts';
import { request as httpRequest, STATUS_CODES } from '../../core/node-http.ts';
import { joinDuplexes } from '../../wire/join-duplexes.ts';
import { SpdySession } from '../../wire/spdy-session.ts';

/** Milliseconds that the runtime gets to answer a request to stream. */
const answerTimeoutMs = 30_000;

/** A connection to the runtime's streaming server after it agreed to speak SPDY. */
export interface RuntimeConnection {
  readonly socket: Duplex;
  readonly head: Buffer;
  /** The stream protocol that the runtime chose. */
  readonly protocol: string;
}

/** Asks the runtime's streaming URL for SPDY/3.1. Throws TransientError with what the runtime said when it refuses. */
export function connectRuntime(url: string, protocols: readonly string[]): Promise<RuntimeConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<RuntimeConnection>();
  const request = httpRequest(url, {
    method: 'POST',
    agent: false,
    timeout: answerTimeoutMs,
    headers: {
      connection: 'Upgrade',
      upgrade: 'SPDY/3.1',
      'x-stream-protocol-version': [...protocols],
      'content-length': 0,
    },
  });
  request.once('upgrade', (response, socket, head) => {
    socket.setTimeout(0);
    const chosen = response.headers['x-stream-protocol-version'];
    const protocol = Array.isArray(chosen) ? (chosen[0] ?? '') : (chosen ?? '');
    resolve({ socket, head, protocol });
  });
  request.once('response', (response: IncomingMessage) => {
    response.resume();
    const code = `${response.statusCode} ${STATUS_CODES[response.statusCode ?? 0] ?? ''}`;
    reject(new TransientError('RUNTIME_STREAM', `the container runtime refused to stream: ${code}`));
    request.destroy();
  });
  request.once('timeout', () => request.destroy(new Error('no answer in time')));
  request.once('error', (cause) =>
    reject(
      new TransientError('RUNTIME_STREAM', `the container runtime's streaming server: ${cause.message}`, { cause }),
    ),
  );
  request.end();
  return promise;
}

/** The same as a SPDY session of ours. */
export async function openRuntimeSession(url: string, protocols: readonly string[]): Promise<SpdySession> {
  const { socket, head } = await connectRuntime(url, protocols);
  return new SpdySession(socket, { role: 'client' }, head);
}

/**
 * Hands a client's upgrade request on to the runtime's streaming URL, byte for byte: the runtime itself answers it, and
 * from then on both ends speak to each other.
 */
export async function relayUpgrade(url: string, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  const { hostname, port, pathname, search } = new URL(url);
  const runtime = connect({ host: hostname, port: Number(port) });
  await new Promise<void>((resolve, reject) => {
    runtime.once('connect', resolve);
    runtime.once('error', (cause) =>
      reject(
        new TransientError('RUNTIME_STREAM', `the container runtime's streaming server: ${cause.message}`, { cause }),
      ),
    );
  });
  runtime.setNoDelay(true);
  const lines = [`${request.method} ${pathname}${search} HTTP/1.1`, `Host: ${hostname}:${port}`];
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] ?? '';
    // The client's credentials are for us alone.
    if (/^(host|authorization)$/i.test(name)) continue;
    lines.push(`${name}: ${request.rawHeaders[index + 1] ?? ''}`);
  }
  runtime.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (head.length > 0) runtime.write(head);
  joinDuplexes(socket, runtime);
}
