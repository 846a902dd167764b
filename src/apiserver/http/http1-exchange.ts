import { drained } from '../../core/drained.ts';
import { STATUS_CODES } from '../../core/node-http.ts';
import { headerLines, type RequestHead } from '../../wire/http1.ts';
import type { UpgradeRequest } from '../answer.ts';
import type { Headers } from '../chain.ts';
import { type AnswerHeaders, Exchange, largeAnswerBytes } from './exchange.ts';
import type { Http1Connection } from './http1-connection.ts';
import type { RequestBody } from './request-body.ts';

/** Answers up to this size are sent in one piece with their head: one TLS record, one call of the kernel. */
const joinedBytes = 16 * 1024;
const chunkEnd = Buffer.from('\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');

/** A request that came over such a connection. */
export class Http1Exchange extends Exchange {
  readonly #connection: Http1Connection;
  readonly #head: RequestHead;
  readonly #body: RequestBody;
  /** What came behind a request to upgrade. */
  readonly #rest: Buffer | undefined;
  readonly #closeCallbacks: (() => void)[] = [];
  #state: 'open' | 'begun' | 'over' = 'open';
  #isChunked = false;

  constructor(connection: Http1Connection, head: RequestHead, body: RequestBody, rest?: Buffer) {
    super(head.method, originForm(head.target));
    this.#connection = connection;
    this.#head = head;
    this.#body = body;
    this.#rest = rest;
  }

  header(name: string): string | undefined {
    return this.#head.headers.get(name);
  }

  get distinctHeaders(): Headers {
    return this.#head.headers.distinct();
  }

  get impersonates(): boolean {
    return this.#head.headers.hasPrefix('impersonate-');
  }

  get session(): object {
    return this.#connection.socket;
  }

  get writableLength(): number {
    return this.#connection.socket.writableLength;
  }

  protected get isGone(): boolean {
    return this.#state === 'over' || this.#connection.socket.destroyed;
  }

  protected body(): Promise<Buffer> {
    const read = this.#body.read();
    this.#connection.wantBody(this.#head, this.#body);
    return read;
  }

  protected async drained(): Promise<void> {
    const { socket } = this.#connection;
    if (socket.writableNeedDrain) await drained(socket);
  }

  protected override get upgrade(): UpgradeRequest | undefined {
    if (this.#rest === undefined) return undefined;
    const { headers } = this.#head;
    const { socket } = this.#connection;
    return { method: this.method, rawHeaders: headers.raw, socket, head: this.#rest };
  }

  onClose(callback: () => void): void {
    if (this.isGone) queueMicrotask(callback);
    else this.#closeCallbacks.push(callback);
  }

  send(code: number, headers: AnswerHeaders, bytes: Buffer): void {
    if (this.#state !== 'open' || this.isGone) return;
    const { socket } = this.#connection;
    const mustClose = this.#mustClose;
    // 204 and 304 have no body, and say nothing of its length (RFC 9110, 8.6).
    const hasBody = code !== 204 && code !== 304;
    const text = `${this.#start(code, headers, mustClose)}${hasBody ? `content-length: ${bytes.length}\r\n\r\n` : '\r\n'}`;
    if (!hasBody || bytes.length === 0 || this.method === 'HEAD') socket.write(text, 'latin1');
    else if (bytes.length <= joinedBytes) {
      const whole = Buffer.allocUnsafe(text.length + bytes.length);
      whole.write(text, 0, 'latin1');
      bytes.copy(whole, text.length);
      socket.write(whole);
    } else {
      socket.cork();
      socket.write(text, 'latin1');
      socket.write(bytes);
      socket.uncork();
      if (bytes.length >= largeAnswerBytes) this.#connection.boundStall();
    }
    this.#over(mustClose);
  }

  head(code: number, headers: AnswerHeaders): void {
    if (this.#state !== 'open' || this.isGone) return;
    this.#state = 'begun';
    // HTTP/1.0 knows no chunks: what it gets ends with the connection. So does what leaves HTTP.
    const isSized = 'content-length' in headers;
    this.#isChunked = this.#head.minorVersion === 1 && this.#rest === undefined && !isSized;
    const mustClose = this.#mustClose || !(this.#isChunked || isSized);
    const framing = this.#isChunked ? 'transfer-encoding: chunked\r\n' : '';
    this.#connection.socket.write(`${this.#start(code, headers, mustClose)}${framing}\r\n`, 'latin1');
  }

  write(frame: Buffer): void {
    if (this.#state !== 'begun' || this.isGone || frame.length === 0 || this.method === 'HEAD') return;
    this.#connection.socket.write(this.#isChunked ? chunkOf(frame) : frame);
  }

  end(): void {
    if (this.#state !== 'begun' || this.isGone) return;
    if (this.#isChunked && this.method !== 'HEAD') this.#connection.socket.write(lastChunk);
    this.#over(!this.#isChunked || this.#mustClose);
  }

  destroy(): void {
    this.#connection.socket.destroy();
  }

  /** The client is gone, or has all. */
  closed(): void {
    this.#state = 'over';
    for (const callback of this.#closeCallbacks.splice(0)) callback();
  }

  #over(mustClose: boolean): void {
    this.closed();
    this.#connection.finish(this, mustClose);
  }

  // Also where the client may or may not send the body that it announced.
  get #mustClose(): boolean {
    return (
      this.#head.isLast ||
      this.#rest !== undefined ||
      (this.#head.awaitsContinue && this.#body.isUntouched && !this.#body.isComplete)
    );
  }

  #start(code: number, headers: AnswerHeaders, mustClose: boolean): string {
    const lines = headerLines(this.withWarnings(headers));
    const connection = mustClose
      ? 'connection: close\r\n'
      : this.#head.minorVersion === 0
        ? 'connection: keep-alive\r\n'
        : '';
    return `HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ''}\r\n${lines}${connection}date: ${dateText()}\r\n`;
  }
}

// A whole URL as a target is what proxies get (RFC 9112, 3.2.2); servers must understand it too.
function originForm(target: string): string {
  if (target.startsWith('/')) return target;
  const path = /^https?:\/\/[^/?#]*(.*)$/i.exec(target)?.[1];
  if (path === undefined) return target;
  return path.startsWith('/') ? path : `/${path}`;
}

// Watchers that see the same change get the same frame one after the other, so the last chunk is often the next.
let lastFrame: Buffer | undefined;
let lastFrameChunk: Buffer = chunkEnd;

function chunkOf(frame: Buffer): Buffer {
  if (frame === lastFrame) return lastFrameChunk;
  const size = `${frame.length.toString(16)}\r\n`;
  const chunk = Buffer.allocUnsafe(size.length + frame.length + 2);
  chunk.write(size, 0, 'latin1');
  frame.copy(chunk, size.length);
  chunkEnd.copy(chunk, size.length + frame.length);
  lastFrame = frame;
  lastFrameChunk = chunk;
  return chunk;
}

let dateSecond = 0;
let date = '';

function dateText(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    date = new Date(second * 1000).toUTCString();
  }
  return date;
}
