import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { BlockList } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import { describeError, errorCode, toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { request as httpRequest, STATUS_CODES } from '../../core/node-http.ts';
import type { OpenNotice } from '../../wire/tunnel-frames.ts';
import { hostOfHeader } from '../host-names.ts';
import { joinConnections } from '../join.ts';
import { Throttle } from '../throttle.ts';
import type { TokenBucket } from '../token-bucket.ts';
import { endToEnd, forwardHeaders, plainAddress } from './forwarded.ts';
import type { Holder, RouteTable } from './route-table.ts';
import type { ExitSession } from './session.ts';
import type { StreamRequest } from './stream-agent.ts';

export interface HttpProxyOptions {
  readonly routes: RouteTable<ExitSession>;
  readonly trustedProxies: BlockList;
  readonly log: Log;
}

/** Answers that the exit itself gives, by status; for a metrics page. */
export type HttpCounts = Record<string, number>;

interface Asked {
  /** The host that is routed by. */
  readonly host: string;
  /** The value of Host, with the port if there was one. */
  readonly authority: string;
  /** In origin form. */
  readonly path: string;
}

/** Hands HTTP requests to the client that serves their host name. */
export class HttpProxy {
  readonly counts: HttpCounts = {};
  readonly #options: HttpProxyOptions;

  constructor(options: HttpProxyOptions) {
    this.#options = options;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const asked = whatIsAsked(request);
    if (asked === undefined) {
      this.#answer(response, 400, 'the request names no host, or several');
      return;
    }
    const holders = this.#options.routes.forHost(asked.host);
    const [first] = holders;
    if (first === undefined) {
      this.#answer(response, 404, `no tunnel serves ${asked.host}`);
      return;
    }
    const { account } = first.session.facts;
    const place = account.admit();
    if (place === undefined) {
      response.setHeader('Retry-After', '1');
      this.#answer(response, 503, `${asked.host} has as many connections as it may`);
      return;
    }
    response.once('close', () => place[Symbol.dispose]());
    this.#send(request, response, asked, holders);
  }

  /** Sends a request to the first holder; to the next one when that has no way to its upstream. */
  #send(
    request: IncomingMessage,
    response: ServerResponse,
    asked: Asked,
    holders: readonly Holder<ExitSession>[],
  ): void {
    const [holder, ...others] = holders;
    if (holder === undefined) return;
    const { rates } = holder.session.facts.account;
    const onward = this.#request(request, asked, holder, endToEndHeaders(request, asked, this.#options.trustedProxies));
    const giveUp = () => onward.destroy();
    response.once('close', giveUp);
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.rawHeaders));
      pass(answer, response, rates?.back, () => response.destroy());
    });
    onward.on('error', (error) => {
      response.off('close', giveUp);
      if (response.destroyed) return;
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // Nothing of the body has been read: the request can go another way, or again after a kept connection had just ended.
      const isUntouched = !request.readableDidRead;
      const isStale = onward.reusedSocket && errorCode(error) === 'ECONNRESET' && isIdempotent(request);
      if (isUntouched && (isStale || (isUnreached(onward) && others.length > 0))) {
        this.#send(request, response, asked, isStale ? holders : others);
        return;
      }
      this.#options.log.debug('a request failed', { host: asked.host, error: describeError(error) });
      this.#answer(response, errorCode(error) === 'TUNNEL_TIMEOUT' ? 504 : 502, describeError(error));
    });
    // The body is taken up when there is somebody to give it to, so that an unreachable upstream costs none of it.
    if (!hasBody(request)) onward.end();
    else onward.once('socket', () => pass(request, onward, rates?.forth, () => onward.destroy()));
  }

  #request(request: IncomingMessage, asked: Asked, holder: Holder<ExitSession>, headers: string[]): ClientRequest {
    const options: StreamRequest = {
      agent: holder.session.agent,
      method: request.method,
      path: asked.path,
      headers,
      setHost: false,
      notice: noticeOf(request, asked, holder),
    };
    return httpRequest(options);
  }

  /** WebSocket and other protocols that begin as HTTP. */
  upgrade(request: IncomingMessage, user: Duplex, head: Buffer): void {
    user.on('error', () => user.destroy());
    const asked = whatIsAsked(request);
    const [holder] = asked === undefined ? [] : this.#options.routes.forHost(asked.host);
    if (asked === undefined || holder === undefined) {
      this.#refuse(
        user,
        asked === undefined ? 400 : 404,
        `no tunnel serves ${asked?.host ?? 'a request without a host'}`,
      );
      return;
    }
    const { account } = holder.session.facts;
    const place = account.admit();
    if (place === undefined) {
      this.#refuse(user, 503, `${asked.host} has as many connections as it may`);
      return;
    }
    user.once('close', () => place[Symbol.dispose]());
    const headers = endToEndHeaders(request, asked, this.#options.trustedProxies);
    headers.push('Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? '');
    const onward = this.#request(request, asked, holder, headers);
    const giveUp = () => onward.destroy();
    user.once('close', giveUp);
    onward.on('error', (error) => this.#refuse(user, 502, describeError(error)));
    onward.on('response', (answer) => {
      // It was refused, which the user reads as any other answer; the connection ends with it.
      const headerLines = endToEnd(answer.rawHeaders);
      user.write(headText(answer.statusCode ?? 502, answer.statusMessage, [...headerLines, 'Connection', 'close']));
      answer.pipe(user);
      answer.on('error', () => user.destroy());
    });
    onward.on('upgrade', (answer, stream, first) => {
      user.off('close', giveUp);
      const upgrade = ['Connection', 'Upgrade', 'Upgrade', answer.headers.upgrade ?? ''];
      user.write(headText(101, answer.statusMessage, [...endToEnd(answer.rawHeaders), ...upgrade]));
      if (first.length > 0) stream.unshift(first);
      if (head.length > 0) user.unshift(head);
      void joinConnections(user, stream, account.rates);
    });
    onward.end();
  }

  #answer(response: ServerResponse, status: number, message: string): void {
    this.#count(status);
    const body = `${status} ${STATUS_CODES[status] ?? ''}: ${message}\n`;
    response.writeHead(status, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
    });
    response.end(body);
  }

  #refuse(user: Duplex, status: number, message: string): void {
    this.#count(status);
    if (user.destroyed) return;
    const body = `${status} ${STATUS_CODES[status] ?? ''}: ${message}\n`;
    const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(Buffer.byteLength(body))];
    user.end(headText(status, undefined, [...headers, 'Connection', 'close']) + body);
  }

  #count(status: number): void {
    this.counts[status] = (this.counts[status] ?? 0) + 1;
  }
}

function noticeOf(request: IncomingMessage, asked: Asked, { route }: Holder<ExitSession>): OpenNotice {
  const { socket } = request;
  return {
    route,
    kind: 'http',
    source: { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 },
    destination: { address: plainAddress(socket.localAddress), port: socket.localPort ?? 0 },
    host: asked.authority,
  };
}

function endToEndHeaders(request: IncomingMessage, asked: Asked, trusted: BlockList): string[] {
  return forwardHeaders(request, asked.authority, trusted);
}

/** What a request wants of whom (RFC 9112, 3.2 and 3.3); undefined when that is ambiguous. */
export function whatIsAsked({ url = '', rawHeaders }: Pick<IncomingMessage, 'url' | 'rawHeaders'>): Asked | undefined {
  const hosts = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === 'host');
  if (hosts.length !== 1) return undefined;
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url);
  // A proxy believes the request line.
  const authority = absolute?.[1] ?? hosts[0] ?? '';
  const host = hostOfHeader(authority);
  if (host === undefined) return undefined;
  if (absolute === null) return url.startsWith('/') || url === '*' ? { host, authority, path: url } : undefined;
  const rest = absolute[2] ?? '';
  return { host, authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function isIdempotent({ method }: IncomingMessage): boolean {
  return ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'].includes(method ?? '');
}

/** True when the request found no stream, so that nothing of it has gone anywhere. */
function isUnreached(onward: ClientRequest): boolean {
  return onward.socket === null;
}

function pass(from: Readable, to: Writable, bucket: TokenBucket | undefined, onFailure: (error: Error) => void): void {
  const fail = (error: unknown) => onFailure(toError(error));
  from.on('error', fail);
  if (bucket === undefined) {
    from.pipe(to);
    return;
  }
  const throttle = new Throttle(bucket);
  to.once('close', () => throttle.destroy());
  from.once('close', () => {
    if (!from.readableEnded) throttle.destroy();
  });
  from.pipe(throttle).pipe(to);
}

function headText(status: number, message: string | undefined, lines: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${message ?? STATUS_CODES[status] ?? ''}\r\n`;
  for (let i = 0; i + 1 < lines.length; i += 2) text += `${lines[i]}: ${lines[i + 1]}\r\n`;
  return `${text}\r\n`;
}
