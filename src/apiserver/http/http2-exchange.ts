import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { drained } from '../../core/drained.ts';
import type { Headers } from '../chain.ts';
import { readBody } from './body.ts';
import { type AnswerHeaders, Exchange, largeAnswerBytes, stalledResponseMs } from './exchange.ts';

/** A request that came as a stream of an HTTP/2 connection. */
export class Http2Exchange extends Exchange {
  readonly #request: Http2ServerRequest;
  readonly #response: Http2ServerResponse;
  readonly #bodyLimitBytes: number;

  constructor(request: Http2ServerRequest, response: Http2ServerResponse, bodyLimitBytes: number) {
    super(request.method, request.url);
    this.#request = request;
    this.#response = response;
    this.#bodyLimitBytes = bodyLimitBytes;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  get distinctHeaders(): Headers {
    const distinct: Record<string, readonly string[]> = {};
    for (const [name, value] of Object.entries(this.#request.headers)) {
      if (value !== undefined && !name.startsWith(':')) distinct[name] = Array.isArray(value) ? value : [value];
    }
    return distinct;
  }

  get impersonates(): boolean {
    for (const name in this.#request.headers) if (name.startsWith('impersonate-')) return true;
    return false;
  }

  get session(): object {
    return this.#request.stream.session?.socket ?? this.#request;
  }

  get writableLength(): number {
    return this.#response.stream?.writableLength ?? 0;
  }

  protected get isGone(): boolean {
    return this.#response.stream?.destroyed ?? true;
  }

  protected body(): Promise<Buffer> {
    return readBody(this.#request, this.#bodyLimitBytes);
  }

  protected async drained(): Promise<void> {
    const { stream } = this.#response;
    if (stream?.writableNeedDrain) await drained(stream);
  }

  onClose(callback: () => void): void {
    this.#response.once('close', callback);
  }

  head(code: number, headers: AnswerHeaders): void {
    if (this.isGone) return;
    this.#response.writeHead(code, mutable(this.withWarnings(headers)));
  }

  write(frame: Buffer): void {
    this.#response.write(frame);
  }

  end(): void {
    this.#response.end();
  }

  send(code: number, headers: AnswerHeaders, bytes: Buffer): void {
    const response = this.#response;
    if (response.headersSent || this.isGone) return;
    response.writeHead(code, mutable(this.withWarnings({ ...headers, 'content-length': bytes.length })));
    if (this.method === 'HEAD') response.end();
    else response.end(bytes);
    if (bytes.length >= largeAnswerBytes) response.setTimeout(stalledResponseMs, () => response.stream?.destroy());
  }

  destroy(): void {
    this.#response.stream?.destroy();
  }
}

function mutable(headers: AnswerHeaders): Record<string, string | number | string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === 'object' ? [...value] : value]),
  );
}
