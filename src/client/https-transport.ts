import type { IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TerminalError, TransientError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { Agent as HttpAgent, request as httpRequest } from '../core/node-http.ts';
import type { Status } from '../kube/object.ts';
import { StatusError } from '../kube/status-error.ts';
import type { ApiRequest, Transport } from './transport.ts';

/** A call that takes longer is given up; a streaming request has no such limit. */
const callTimeoutMs = 60_000;
/** A stream is given up when the server doesn't answer its head in this time. */
const streamHeadTimeoutMs = 30_000;
/** A stream that is silent for so long is dead: servers send bookmarks about once a minute. */
const streamSilenceMs = 180_000;
const keepAliveProbeMs = 15_000;
const bodyBytesMax = 256 * 1024 * 1024;
const watchLineBytesMax = 64 * 1024 * 1024;
const socketsMax = 256;

export interface ClientCertificate {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

export interface HttpsTransportOptions {
  /** E.g. `https://127.0.0.1:6443`; plain http is for `kubectl proxy`. */
  readonly server: string;
  /** PEM of the authorities that the server's certificate is checked against; the system's when absent. */
  readonly ca?: string;
  /** Asked before each request, so that a rotated certificate is used at once. */
  readonly certificate?: () => ClientCertificate | undefined;
  /** Asked before each request, so that a refreshed token is used at once. */
  readonly token?: () => string | undefined | Promise<string | undefined>;
  /** The name that the server's certificate must bear, when it is not the host of `server`. */
  readonly tlsServerName?: string;
  readonly insecureSkipTlsVerify?: boolean;
  /** Act as this user, as whom the credentials may act (verb `impersonate`). */
  readonly impersonate?: string;
  readonly userAgent?: string;
}

/** A transport that holds connections open; disposing closes them and ends all requests. */
export interface HttpsTransport extends Transport, Disposable {}

/** Reaches an API server over HTTP/1.1 with keep-alive. Connections are made anew whenever they broke. */
export function createHttpsTransport(options: HttpsTransportOptions): HttpsTransport {
  const base = parseServer(options.server);
  const isPlain = base.protocol === 'http:';
  const settings = { keepAlive: true, keepAliveMsecs: keepAliveProbeMs, maxSockets: socketsMax, maxFreeSockets: 16 };
  const agent = isPlain ? new HttpAgent(settings) : new HttpsAgent(settings);
  const closed = new AbortController();
  const prefix = base.pathname.replace(/\/$/, '');

  async function requestOptions(request: ApiRequest, payload: Buffer | undefined): Promise<RequestOptions> {
    const query = new URLSearchParams(request.query).toString();
    const token = await options.token?.();
    const certificate = options.certificate?.();
    const tls = {
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(certificate ?? {}),
      ...(options.tlsServerName === undefined ? {} : { servername: options.tlsServerName }),
      rejectUnauthorized: !options.insecureSkipTlsVerify,
    };
    return {
      ...(isPlain ? {} : tls),
      agent,
      method: request.method,
      host: base.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: base.port === '' ? (isPlain ? 80 : 443) : base.port,
      path: `${prefix}${request.path}${query === '' ? '' : `?${query}`}`,
      headers: {
        accept: 'application/json',
        'accept-encoding': 'gzip',
        'user-agent': options.userAgent ?? 'wherry',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(options.impersonate === undefined ? {} : { 'impersonate-user': options.impersonate }),
        ...(payload === undefined
          ? {}
          : { 'content-type': request.contentType ?? 'application/json', 'content-length': payload.byteLength }),
      },
    };
  }

  /** Sends the request and resolves with the head of the answer. */
  async function send(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const payload = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const head = await requestOptions(request, payload);
    signal.throwIfAborted();
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = (isPlain ? httpRequest : httpsRequest)({ ...head, signal }, resolve);
      outgoing.on('error', (error) => reject(signal.aborted ? signal.reason : unreachable(options.server, error)));
      outgoing.end(payload);
    });
  }

  async function readBody(answer: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of decoded(answer)) {
      bytes += chunk.byteLength;
      if (bytes > bodyBytesMax) {
        answer.destroy();
        throw new TerminalError('ANSWER_TOO_LARGE', `the server's answer is larger than ${bodyBytesMax} bytes`);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  async function call(request: ApiRequest): Promise<unknown> {
    const timeout = AbortSignal.timeout(callTimeoutMs);
    const signal = AbortSignal.any([timeout, closed.signal, ...(request.signal ? [request.signal] : [])]);
    try {
      const answer = await send(request, signal);
      const body = await readBody(answer);
      if (isSuccess(answer)) return body.byteLength === 0 ? undefined : parseBody(answer, body);
      throw statusError(answer, body);
    } catch (thrown) {
      throw translate(thrown, options.server, timeout, request.signal);
    }
  }

  async function* stream(request: ApiRequest): AsyncGenerator<unknown> {
    const outer = request.signal;
    const watchdog = new AbortController();
    const signal = AbortSignal.any([watchdog.signal, closed.signal, ...(outer ? [outer] : [])]);
    let timer = setTimeout(() => watchdog.abort(silence()), streamHeadTimeoutMs);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => watchdog.abort(silence()), streamSilenceMs);
    };
    try {
      const answer = await send(request, signal);
      if (!isSuccess(answer)) throw statusError(answer, await readBody(answer));
      alive();
      for await (const line of lines(decoded(answer), alive)) yield JSON.parse(line);
    } catch (thrown) {
      if (outer?.aborted) return;
      throw translate(thrown, options.server, watchdog.signal, outer);
    } finally {
      clearTimeout(timer);
      // Leaving the loop early must close the connection, which the watch would hold for ever.
      watchdog.abort();
    }
  }

  return {
    call,
    stream,
    [Symbol.dispose]() {
      closed.abort(new TransientError('TRANSPORT_CLOSED', 'the connection to the API server was closed'));
      agent.destroy();
    },
  };
}

function parseServer(server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : null;
  if (url && (url.protocol === 'https:' || url.protocol === 'http:')) return url;
  throw new TerminalError('BAD_SERVER_URL', `"${server}" is not the URL of an API server`, {
    hint: 'give a URL such as https://127.0.0.1:6443',
  });
}

function silence(): TransientError {
  return new TransientError('API_SILENT', 'the API server sent nothing for too long');
}

function unreachable(server: string, cause: unknown): TransientError {
  return new TransientError('API_UNREACHABLE', `the API server at ${server} can't be reached`, { cause });
}

function translate(thrown: unknown, server: string, ours: AbortSignal, outer: AbortSignal | undefined): unknown {
  if (outer?.aborted) return outer.reason;
  if (thrown instanceof StatusError || thrown instanceof TransientError || thrown instanceof TerminalError)
    return thrown;
  if (ours.aborted && ours.reason instanceof TransientError) return ours.reason;
  return unreachable(server, ours.aborted ? ours.reason : thrown);
}

function isSuccess(answer: IncomingMessage): boolean {
  const code = answer.statusCode ?? 0;
  return code >= 200 && code < 300;
}

function decoded(answer: IncomingMessage): Readable {
  if (answer.headers['content-encoding'] !== 'gzip') return answer;
  const gunzip = createGunzip();
  answer.on('error', (error) => gunzip.destroy(error));
  return answer.pipe(gunzip);
}

function parseBody(answer: IncomingMessage, body: Buffer): unknown {
  const text = body.toString('utf8');
  return (answer.headers['content-type'] ?? '').includes('json') ? JSON.parse(text) : text;
}

/** Splits a byte stream at line feeds; only whole lines come out. */
export async function* lines(source: AsyncIterable<Buffer>, onData: () => void): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of source) {
    onData();
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      rest.push(chunk.subarray(start, end));
      const line = Buffer.concat(rest).toString('utf8');
      rest = [];
      restBytes = 0;
      start = end + 1;
      if (line.trim() !== '') yield line;
    }
    if (start === chunk.byteLength) continue;
    rest.push(chunk.subarray(start));
    restBytes += chunk.byteLength - start;
    if (restBytes > watchLineBytesMax) {
      throw new TerminalError('EVENT_TOO_LARGE', `a watch event is larger than ${watchLineBytesMax} bytes`);
    }
  }
}

/** The Status in the body, or one made of what a proxy on the way answered. */
function statusError(answer: IncomingMessage, body: Buffer): StatusError {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(answer.headers)) if (typeof value === 'string') headers[name] = value;
  const text = body.toString('utf8');
  const parsed = tryParse(text);
  if (isObject(parsed) && parsed['kind'] === 'Status') return new StatusError(parsed as unknown as Status, headers);
  const code = answer.statusCode ?? 500;
  const message = text.trim() === '' ? `the server answered ${code}` : text.trim().slice(0, 1024);
  const reason = reasons[code] ?? 'Unknown';
  const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
  return new StatusError(status, headers);
}

const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}
