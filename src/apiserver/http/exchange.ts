import type { UserInfo } from '../../kube/user.ts';
import type { Body, Call, UpgradeRequest } from '../answer.ts';
import type { Headers } from '../chain.ts';
import { deprecationOf } from '../deprecations.ts';
import { mediaTypeOf } from '../media-type.ts';
import { Query } from '../query.ts';
import type { RequestInfo } from '../request.ts';

/** Answers from this size on need a client that reads; smaller ones fit the kernel's buffers. */
export const largeAnswerBytes = 128 * 1024;
/** A client that reads nothing of a large answer is cut off after this. */
export const stalledResponseMs = 60_000;

/** Header fields of an answer. */
export type AnswerHeaders = Readonly<Record<string, string | number | readonly string[]>>;

/** One request and its answer, the same for both versions of HTTP. */
export abstract class Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: Query;
  #warnings: string[] | undefined;
  #abort: AbortController | undefined;

  constructor(method: string, target: string) {
    this.method = method;
    const question = target.indexOf('?');
    this.path = question < 0 ? target : target.slice(0, question);
    this.query = question < 0 ? Query.empty : Query.parse(target.slice(question + 1));
  }

  /** A header by its lower-case name; several of the same name are joined by commas. */
  abstract header(name: string): string | undefined;

  /** Headers by lower-case name, each with all of its values. */
  abstract get distinctHeaders(): Headers;

  abstract get impersonates(): boolean;

  /** The TLS connection, or the object that stands for it. */
  abstract get session(): object;

  /** Bytes that the client has not taken yet. */
  abstract get writableLength(): number;

  /** Called when the client is gone, or has its whole answer. */
  abstract onClose(callback: () => void): void;

  /** Begins an answer whose end is not known. */
  abstract head(code: number, headers: AnswerHeaders): void;

  /** Adds to an answer that has begun. */
  abstract write(frame: Buffer): void;

  abstract end(): void;

  /** The whole answer. */
  abstract send(code: number, headers: AnswerHeaders, bytes: Buffer): void;

  /** Gives up: the connection, or the stream of it, is closed as it stands. */
  abstract destroy(): void;

  /** Reads the body whole. Throws StatusError when it is too large, or the client left in the middle of it. */
  protected abstract body(): Promise<Buffer>;

  /** Resolves when the client takes more again, or is gone. */
  protected abstract drained(): Promise<void>;

  protected abstract get isGone(): boolean;

  protected get upgrade(): UpgradeRequest | undefined {
    return undefined;
  }

  get wantsPretty(): boolean {
    const asked = this.query.get('pretty');
    if (asked !== undefined) return asked !== '0' && asked.toLowerCase() !== 'false';
    const agent = this.header('user-agent');
    return agent !== undefined && /^(?:curl|Wget|Mozilla\/5\.0)/.test(agent);
  }

  get acceptsGzip(): boolean {
    const accepted = this.header('accept-encoding') ?? '';
    return accepted.split(',').some((encoding) => encoding.trim() === 'gzip');
  }

  call(info: RequestInfo, user: UserInfo): Call {
    const deprecation = deprecationOf(info);
    if (deprecation !== undefined) this.warn(deprecation);
    return new ExchangeCall(this, info, user, this.upgrade);
  }

  /** Adds the text of a Warning header to the answer. */
  warn(text: string): void {
    this.#warnings ??= [];
    this.#warnings.push(text);
  }

  /** The headers of an answer, with the warnings that have come together. */
  protected withWarnings(headers: AnswerHeaders): AnswerHeaders {
    return this.#warnings === undefined ? headers : { ...headers, warning: this.#warnings.map(warningHeader) };
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

  readBody(): Promise<Buffer> {
    return this.body();
  }

  async sendRaw(
    code: number,
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const all = { 'cache-control': 'no-cache, private', ...headers };
    if (typeof body === 'string' || body instanceof Uint8Array) {
      this.send(code, all, typeof body === 'string' ? Buffer.from(body) : asBuffer(body));
      return;
    }
    this.head(code, all);
    for await (const chunk of body) {
      if (this.isGone) break;
      this.write(asBuffer(chunk));
      await this.drained();
    }
    this.end();
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// RFC 7234: code, agent, quoted text.
function warningHeader(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, ' ');
  return `299 - "${clean.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** What handlers see of an exchange. Reads are many, so most of it is found when it is asked for. */
class ExchangeCall implements Call {
  readonly info: RequestInfo;
  readonly user: UserInfo;
  readonly upgrade?: UpgradeRequest;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange, info: RequestInfo, user: UserInfo, upgrade: UpgradeRequest | undefined) {
    this.#exchange = exchange;
    this.info = info;
    this.user = user;
    if (upgrade !== undefined) this.upgrade = upgrade;
  }

  get method(): string {
    return this.#exchange.method;
  }

  get query(): Query {
    return this.#exchange.query;
  }

  get userAgent(): string {
    return this.#exchange.header('user-agent') ?? '';
  }

  get contentType(): string {
    return mediaTypeOf(this.#exchange.header('content-type'));
  }

  readonly header = (name: string): string | undefined => this.#exchange.header(name);

  get headers(): Headers {
    return this.#exchange.distinctHeaders;
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }

  async body(): Promise<Body> {
    return { type: 'bytes', bytes: await this.#exchange.readBody() };
  }

  warn(text: string): void {
    this.#exchange.warn(text);
  }
}
