import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Duplex } from 'node:stream';
import { drained } from '../../core/drained.ts';
import type { UserInfo } from '../../kube/user.ts';
import type { Body, Call } from '../answer.ts';
import type { Headers } from '../chain.ts';
import { deprecationOf } from '../deprecations.ts';
import { mediaTypeOf } from '../media-type.ts';
import { Query } from '../query.ts';
import type { RequestInfo } from '../request.ts';
import { readBody } from './body.ts';

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

/** Answers from this size on need a client that reads; smaller ones fit the kernel's buffers. */
const largeAnswerBytes = 128 * 1024;
/** A client that reads nothing of a large answer is cut off after this. */
const stalledResponseMs = 60_000;

/** One request and its answer, the same for both versions of HTTP. */
export class Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: Query;
  protected readonly request: Request;
  readonly #response: Response | undefined;
  readonly #bodyLimitBytes: number;
  readonly #warnings: string[] = [];
  #abort: AbortController | undefined;

  constructor(request: Request, bodyLimitBytes: number, response?: Response) {
    this.request = request;
    this.#bodyLimitBytes = bodyLimitBytes;
    this.#response = response;
    this.method = request.method ?? 'GET';
    const url = request.url ?? '/';
    const question = url.indexOf('?');
    this.path = question < 0 ? url : url.slice(0, question);
    this.query = question < 0 ? Query.empty : Query.parse(url.slice(question + 1));
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  get distinctHeaders(): Headers {
    if ('headersDistinct' in this.request) return this.request.headersDistinct;
    return Object.fromEntries(
      Object.entries(this.request.headers).map(([name, value]) => [
        name,
        value === undefined ? undefined : Array.isArray(value) ? value : [value],
      ]),
    );
  }

  get impersonates(): boolean {
    for (const name in this.request.headers) if (name.startsWith('impersonate-')) return true;
    return false;
  }

  get wantsPretty(): boolean {
    const asked = this.query.get('pretty');
    if (asked !== undefined) return asked !== '0' && asked.toLowerCase() !== 'false';
    const agent = this.request.headers['user-agent'];
    return agent !== undefined && /^(?:curl|Wget|Mozilla\/5\.0)/.test(agent);
  }

  get acceptsGzip(): boolean {
    const accepted = this.header('accept-encoding') ?? '';
    return accepted.split(',').some((encoding) => encoding.trim() === 'gzip');
  }

  /** The TLS connection, or the object that stands for it. */
  get session(): object {
    const { request } = this;
    if ('stream' in request) return request.stream.session?.socket ?? request;
    return request.socket;
  }

  get writableLength(): number {
    const response = this.#response;
    if (response === undefined) return 0;
    if ('stream' in response) return response.stream?.writableLength ?? 0;
    return (response.socket?.writableLength ?? 0) + response.writableLength;
  }

  call(info: RequestInfo, user: UserInfo): Call {
    const { request, query, method } = this;
    const exchange = this;
    const deprecation = deprecationOf(info);
    if (deprecation !== undefined) this.#warnings.push(deprecation);
    return {
      info,
      method,
      query,
      user,
      userAgent: request.headers['user-agent'] ?? '',
      contentType: mediaTypeOf(request.headers['content-type']),
      header: (name) => exchange.header(name),
      get signal() {
        return exchange.signal;
      },
      body: () => readBody(request, exchange.#bodyLimitBytes).then((bytes): Body => ({ type: 'bytes', bytes })),
      warn: (text) => exchange.#warnings.push(text),
      ...this.upgradePart(),
    };
  }

  protected upgradePart(): Pick<Call, 'upgrade'> {
    return {};
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const controller = new AbortController();
      this.#abort = controller;
      this.onClose(() => controller.abort());
    }
    return this.#abort.signal;
  }

  abort(): void {
    this.#abort?.abort();
  }

  onClose(callback: () => void): void {
    this.#response?.once('close', callback);
  }

  head(code: number, headers: Readonly<Record<string, string>>): void {
    const all: Record<string, string | string[]> = { 'cache-control': 'no-cache, private', ...headers };
    if (this.#warnings.length > 0) all['warning'] = this.#warnings.map(warningHeader);
    const response = this.#response;
    if (response === undefined) return;
    if ('stream' in response) response.writeHead(code, all);
    else {
      response.writeHead(code, all);
      response.flushHeaders();
    }
  }

  write(frame: Buffer): void {
    (this.#response as ServerResponse | undefined)?.write(frame);
  }

  end(): void {
    this.#response?.end();
  }

  send(code: number, contentType: string, bytes: Buffer, more?: Readonly<Record<string, string>>): void {
    const response = this.#response as ServerResponse | undefined;
    if (response === undefined || response.headersSent || response.destroyed) return;
    const headers: Record<string, string | number | string[]> = {
      'content-type': contentType,
      'cache-control': 'no-cache, private',
      'content-length': bytes.length,
      ...more,
    };
    if (this.#warnings.length > 0) headers['warning'] = this.#warnings.map(warningHeader);
    response.writeHead(code, headers);
    if (this.method === 'HEAD') response.end();
    else response.end(bytes);
    this.#boundStall(bytes.length);
  }

  async sendRaw(
    code: number,
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const response = this.#response as ServerResponse | undefined;
    if (response === undefined || response.headersSent || response.destroyed) return;
    if (typeof body === 'string' || body instanceof Uint8Array) {
      const bytes = Buffer.from(body as string);
      response.writeHead(code, { 'cache-control': 'no-cache, private', ...headers, 'content-length': bytes.length });
      if (this.method === 'HEAD') response.end();
      else response.end(bytes);
      return;
    }
    response.writeHead(code, { 'cache-control': 'no-cache, private', ...headers });
    response.flushHeaders();
    for await (const chunk of body) {
      if (response.destroyed) break;
      if (!response.write(chunk)) await drained(response);
    }
    response.end();
  }

  destroy(): void {
    this.#response?.destroy();
  }

  #boundStall(size: number): void {
    if (size < largeAnswerBytes) return;
    const response = this.#response as ServerResponse | undefined;
    response?.setTimeout(stalledResponseMs, () => response.destroy());
  }
}

// RFC 7234: code, agent, quoted text.
function warningHeader(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, ' ');
  return `299 - "${clean.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** A request that asks to leave HTTP: its handler gets the socket; refusals are written by hand. */
export class UpgradeExchange extends Exchange {
  readonly #socket: Duplex;
  readonly #head: Buffer;

  constructor(request: IncomingMessage, bodyLimitBytes: number, socket: Duplex, head: Buffer) {
    super(request, bodyLimitBytes);
    this.#socket = socket;
    this.#head = head;
    socket.on('error', () => socket.destroy());
  }

  protected override upgradePart(): Pick<Call, 'upgrade'> {
    return { upgrade: { request: this.request as IncomingMessage, socket: this.#socket, head: this.#head } };
  }

  override onClose(callback: () => void): void {
    this.#socket.once('close', callback);
  }

  override send(code: number, contentType: string, bytes: Buffer, more: Readonly<Record<string, string>> = {}): void {
    const headers = {
      'content-type': contentType,
      'content-length': String(bytes.length),
      connection: 'close',
      ...more,
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`HTTP/1.1 ${code} \r\n${lines.join('')}\r\n`);
    this.#socket.end(bytes);
  }

  override head(code: number, headers: Readonly<Record<string, string>>): void {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`HTTP/1.1 ${code} \r\nconnection: close\r\n${lines.join('')}\r\n`);
  }

  override write(frame: Buffer): void {
    this.#socket.write(frame);
  }

  override end(): void {
    this.#socket.end();
  }

  override async sendRaw(
    code: number,
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    if (typeof body === 'string' || body instanceof Uint8Array) {
      this.send(code, headers['content-type'] ?? 'text/plain', Buffer.from(body as string), headers);
      return;
    }
    this.head(code, headers);
    for await (const chunk of body) this.#socket.write(chunk);
    this.#socket.end();
  }

  override destroy(): void {
    this.#socket.destroy();
  }
}
