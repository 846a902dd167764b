import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { request as httpRequest } from '../../core/node-http.ts';
import { joinDuplexes } from '../../wire/join-duplexes.ts';
import type { RawAnswer, UpgradeRequest } from '../answer.ts';

type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Headers that belong to one connection, or are the client's secrets towards us. */
const ownHeaders = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'host'],
  ...['authorization', 'content-length', 'http2-settings'],
]);

export interface PassedRequest {
  readonly method: string;
  /** Path and query at the backend. */
  readonly path: string;
  readonly host: string;
  readonly headers: HeaderValues;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** Sends a request over a connection of its own; resolves when the answer's head is there. The body is read by whoever wants it. */
export function passOn(connection: Duplex, passed: PassedRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = httpRequest({
    createConnection: () => connection,
    method: passed.method,
    path: passed.path,
    headers: {
      ...passedHeaders(passed.headers),
      host: passed.host,
      'content-length': passed.body.length,
      connection: 'close',
    },
    signal: passed.signal,
    // The host above is all that names the backend.
    setHost: false,
  });
  request.once('response', resolve);
  request.on('error', (error) => {
    connection.destroy();
    reject(error);
  });
  request.end(passed.body);
  return promise;
}

function passedHeaders(headers: HeaderValues): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || ownHeaders.has(name.toLowerCase())) continue;
    kept[name] = typeof value === 'string' ? value : [...value];
  }
  return kept;
}

/** The backend's answer as ours. */
export function answerOf(response: IncomingMessage): RawAnswer {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value === undefined || ownHeaders.has(name)) continue;
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  const { 'content-length': length } = response.headers;
  if (length !== undefined) headers['content-length'] = length;
  return { type: 'raw', code: response.statusCode ?? 502, headers, body: response };
}

/** Hands an upgrade request on as it is, but for its target and the client's credentials; then both ends are joined. */
export function passOnUpgrade(
  connection: Duplex,
  { method, rawHeaders, socket, head }: UpgradeRequest,
  target: { readonly path: string; readonly host: string },
): void {
  const lines = [`${method} ${target.path} HTTP/1.1`, `Host: ${target.host}`];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (/^(host|authorization|impersonate-.*)$/i.test(name)) continue;
    // Browsers carry their token in a WebSocket protocol; it is for us alone.
    const value = (rawHeaders[index + 1] ?? '').replace(/base64url\.bearer\.authorization\.k8s\.io\.[^,\s]*,?\s*/g, '');
    lines.push(`${name}: ${value}`);
  }
  connection.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (head.length > 0) connection.write(head);
  joinDuplexes(socket, connection);
}
