import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { gzip as gzipCallback } from 'node:zlib';
import type { Clock } from '../../core/clock.ts';
import { errorCode, toError, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { STATUS_CODES } from '../../core/node-http.ts';
import { StatusError } from '../../kube/status-error.ts';
import type { UserInfo } from '../../kube/user.ts';
import type { Http1Error } from '../../wire/http1.ts';
import { type Answer, type Call, textAnswer } from '../answer.ts';
import { attributesOf } from '../authz/attributes.ts';
import { authenticate, authorize, type Security } from '../chain.ts';
import { convertAnswer, type IncludeObject, parseIncludeObject } from '../convert-answer.ts';
import { type Destination, type Dispatcher, destinationOf, dispatch } from '../dispatch.ts';
import {
  badRequest,
  internalError,
  requestTimeout,
  serviceUnavailable,
  tooManyRequests,
  unauthorized,
} from '../errors.ts';
import { checkStreams, negotiate, negotiateStatus, plainJson, type Target } from '../media-type.ts';
import type { RequestMetrics } from '../metrics.ts';
import { parseDurationMs } from '../options.ts';
import type { Query } from '../query.ts';
import type { RequestInfo } from '../request.ts';
import { parseRequestInfo, RequestInfoError } from '../request-info.ts';
import { bodyLimitBytes } from './body.ts';
import { contentTypeOf, encodeValue } from './encode.ts';
import type { Exchange } from './exchange.ts';
import { Http1Connection, type Http1Host } from './http1-connection.ts';
import { Http2Exchange } from './http2-exchange.ts';
import { InFlight } from './in-flight.ts';
import { ListEncoder, listMetaOf } from './list-encoder.ts';
import { Peers } from './peer.ts';
import { streamWatch, watchBacklogBytes } from './watch-response.ts';

const gzip = promisify(gzipCallback);

/** How often connections are looked at for what has not come in time. */
const sweepMs = 500;

/** Bounds of the HTTP side; listed in docs/limits.md. */
export const serverLimits = {
  /** Answers from this size on are compressed for clients that accept it. */
  gzipFromBytes: 128 * 1024,
  /** Concurrent requests, upstream's defaults. */
  readOnlyInFlight: 400,
  mutatingInFlight: 200,
  /** Time that a request gets, watches and streams apart. */
  requestTimeoutMs: 60_000,
  /** Time to receive the headers, and the whole request. */
  headersTimeoutMs: 30_000,
  receiveTimeoutMs: 60_000,
  /** An unused connection is closed after this. */
  keepAliveTimeoutMs: 180_000,
  handshakeTimeoutMs: 10_000,
  /** When the server ends: time that peers get to take what was sent. */
  flushTimeoutMs: 1000,
  /** Largest request body; upstream's limit. */
  bodyBytes: bodyLimitBytes,
  /** What a watcher may leave unread before its watch is ended. */
  watchBacklogBytes,
} as const;

/** The same with other numbers, for servers that are smaller and for tests. */
export type ServerLimits = { readonly [K in keyof typeof serverLimits]: number };

/** PEM texts. Clients may present a certificate of `clientCa`. */
export interface TlsMaterial {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly clientCa?: string | Buffer;
}

export interface HttpServerOptions {
  readonly dispatcher: Dispatcher;
  readonly security: Security;
  readonly clock: Clock;
  readonly log: Log;
  readonly tls: TlsMaterial;
  readonly metrics: RequestMetrics;
  /** Bounds that differ from serverLimits. */
  readonly limits?: Partial<ServerLimits>;
}

/** The HTTPS door of the API server: HTTP/1.1 and HTTP/2 on one port. */
export class HttpServer implements AsyncDisposable {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  /** Listens to nothing: it gets the connections whose client has chosen HTTP/2. */
  readonly #http2: Http2SecureServer;
  readonly #connections = new Set<TLSSocket>();
  readonly #http1 = new Set<Http1Connection>();
  readonly #watches = new Set<Disposable>();
  readonly #limits: ServerLimits;
  readonly #inFlight: InFlight;
  readonly #peers = new Peers();
  readonly #lists = new ListEncoder();
  readonly #sweep: NodeJS.Timeout;
  #isEnding = false;
  #idle: (() => void) | undefined;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const limits = { ...serverLimits, ...options.limits };
    this.#limits = limits;
    const { readOnlyInFlight: readOnly, mutatingInFlight: mutating } = limits;
    this.#inFlight = new InFlight({ readOnly, mutating });
    this.#http2 = createSecureServer(
      { settings: { maxConcurrentStreams: 250, initialWindowSize: 1024 * 1024 } },
      (request, response) => this.#serve(new Http2Exchange(request, response, limits.bodyBytes)),
    );
    this.#http2.on('sessionError', (error) => options.log.debug('an HTTP/2 connection broke', { error }));
    this.#server = createServer({
      ...contextOf(options.tls),
      ALPNProtocols: ['h2', 'http/1.1'],
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      handshakeTimeout: limits.handshakeTimeoutMs,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
    });
    this.#server.on('tlsClientError', (error, socket) => {
      options.log.debug('a TLS handshake failed', { error });
      socket.destroy();
    });
    const host: Http1Host = {
      ...limits,
      monotonic: () => options.clock.monotonic(),
      serve: (exchange) => this.#serve(exchange),
      refusal,
    };
    this.#server.on('secureConnection', (socket) => this.#accept(socket, host));
    const { headersTimeoutMs, receiveTimeoutMs, keepAliveTimeoutMs } = limits;
    const finest = Math.min(headersTimeoutMs, receiveTimeoutMs, keepAliveTimeoutMs) / 4;
    this.#sweep = setInterval(
      () => {
        const now = options.clock.monotonic();
        for (const connection of this.#http1) connection.checkDeadline(now);
      },
      Math.min(sweepMs, finest),
    );
    this.#sweep.unref();
  }

  #accept(socket: TLSSocket, host: Http1Host): void {
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
    if (socket.alpnProtocol === 'h2') {
      this.#http2.emit('secureConnection', socket);
      return;
    }
    const connection = new Http1Connection(socket, host);
    this.#http1.add(connection);
    socket.once('close', () => this.#http1.delete(connection));
  }

  /** Begins to accept connections. Resolves with the port. Throws PORT_IN_USE with a hint. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      const refuse = (error: Error) => reject(listenError(error, host, port));
      this.#server.once('error', refuse);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', refuse);
        this.#server.on('error', (error) => this.#options.log.error('the HTTPS server failed', { error }));
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** New connections get these certificates; open ones keep theirs. */
  replaceTls(tls: TlsMaterial): void {
    this.#server.setSecureContext(contextOf(tls));
  }

  /** Stops accepting, ends watches, lets requests finish for `graceMs`, then closes what is left. */
  async close(graceMs: number): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const closed = new Promise<void>((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
    for (const watch of [...this.#watches]) watch[Symbol.dispose]();
    if (this.#inFlight.total > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#idle = resolve;
      const timer = this.#options.clock.after(graceMs, resolve);
      await promise;
      timer[Symbol.dispose]();
    }
    // What was answered is still on its way; a peer that takes nothing is cut off.
    await new Promise((resolve) => setImmediate(resolve));
    for (const connection of [...this.#http1]) connection.endSoon();
    for (const connection of [...this.#connections]) {
      if (connection.alpnProtocol === 'h2') connection.destroySoon();
    }
    const timer = this.#options.clock.after(this.#limits.flushTimeoutMs, () => {
      for (const connection of [...this.#connections]) connection.destroy();
    });
    await closed;
    timer[Symbol.dispose]();
    clearInterval(this.#sweep);
    this.#http2.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  #serve(exchange: Exchange): void {
    void this.#answer(exchange).catch((thrown: unknown) => {
      this.#options.log.error('an answer could not be sent', { path: exchange.path, error: toError(thrown) });
      exchange.destroy();
    });
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { metrics, clock } = this.#options;
    const started = clock.monotonic();
    let target: Target | undefined;
    let info: RequestInfo | undefined;
    let code: number;
    try {
      info = parseRequestInfo(exchange.method, exchange.path, exchange.query);
      const answer = this.#prepare(exchange, info, (chosen) => {
        target = chosen;
      });
      code = await this.#send(exchange, answer instanceof Promise ? await answer : answer, target ?? plainJson);
    } catch (thrown) {
      code = await this.#refuse(exchange, thrown, target);
    }
    metrics.observe(info, code, clock.monotonic() - started);
  }

  // Everything up to the handler. It stays synchronous as long as nothing waits: that is the way of a plain GET.
  #prepare(exchange: Exchange, info: RequestInfo, chosen: (target: Target) => void): Answer | Promise<Answer> {
    const { dispatcher, security } = this.#options;
    const route = dispatcher.routes.find(exchange.path);
    if (this.#isEnding && route?.isExempt !== true) throw serviceUnavailable('the server is shutting down');
    const user = this.#userOf(exchange);
    if (user instanceof Promise || exchange.impersonates) {
      return this.#prepareSlowly(exchange, info, user, chosen);
    }
    const authorized = authorize(security, user, info, exchange.query);
    if (authorized !== undefined) return authorized.then(() => this.#handle(exchange, info, user, chosen));
    return this.#handle(exchange, info, user, chosen);
  }

  async #prepareSlowly(
    exchange: Exchange,
    info: RequestInfo,
    requester: UserInfo | Promise<UserInfo>,
    chosen: (target: Target) => void,
  ): Promise<Answer> {
    const { security } = this.#options;
    const self = await requester;
    const user = security.impersonate?.(exchange.distinctHeaders, attributesOf(self, info)) ?? self;
    await authorize(security, user, info, exchange.query);
    return await this.#handle(exchange, info, user, chosen);
  }

  #handle(
    exchange: Exchange,
    info: RequestInfo,
    user: UserInfo,
    chosen: (target: Target) => void,
  ): Answer | Promise<Answer> {
    const { dispatcher } = this.#options;
    const destination = destinationOf(dispatcher, exchange.method, info);
    if (destination.type !== 'route' && destination.type !== 'nowhere') {
      const isCollection = info.name === '' && exchange.method === 'GET';
      const isCustom = hasCustomForm(destination, info);
      chosen(negotiate(exchange.header('accept'), { isList: isCollection, isPretty: exchange.wantsPretty, isCustom }));
      if (exchange.query.has('timeout')) checkTimeout(exchange.query);
    }
    const call = exchange.call(info, user);
    if (isUnlimited(destination, call)) return dispatch(dispatcher, destination, call);
    return this.#limited(exchange, destination, call);
  }

  #limited(exchange: Exchange, destination: Destination, call: Call): Answer | Promise<Answer> {
    const isMutating = exchange.method !== 'GET' && exchange.method !== 'HEAD';
    if (!this.#inFlight.enter(isMutating)) {
      throw tooManyRequests('Too many requests, please try again later.', 1);
    }
    const leave = () => {
      this.#inFlight.leave(isMutating);
      if (this.#idle !== undefined && this.#inFlight.total === 0) this.#idle();
    };
    let answer: Answer | Promise<Answer>;
    try {
      answer = dispatch(this.#options.dispatcher, destination, call);
    } catch (thrown) {
      leave();
      throw thrown;
    }
    if (!(answer instanceof Promise)) {
      leave();
      return answer;
    }
    return this.#withDeadline(exchange, answer, call).finally(leave);
  }

  #withDeadline(exchange: Exchange, answer: Promise<Answer>, call: Call): Promise<Answer> {
    const asked = exchange.query.has('timeout') ? parseDurationMs(exchange.query.get('timeout') ?? '') : null;
    const limit =
      asked !== null && asked > 0 ? Math.min(asked, this.#limits.requestTimeoutMs) : this.#limits.requestTimeoutMs;
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.after(limit, () => {
        exchange.abort();
        reject(requestTimeout(call.info.verb));
      });
      answer.then(resolve, reject).finally(() => timer[Symbol.dispose]());
    });
  }

  #userOf(exchange: Exchange): UserInfo | Promise<UserInfo> {
    const authorization = exchange.header('authorization');
    const { certificate, isUntrusted } = this.#peers.of(exchange.session);
    // Upstream refuses a certificate that it can't trust rather than take its bearer for anonymous.
    if (isUntrusted && authorization === undefined) throw unauthorized();
    return authenticate(this.#options.security, { authorization, peerCertificate: certificate });
  }

  async #send(exchange: Exchange, answer: Answer, target: Target): Promise<number> {
    switch (answer.type) {
      case 'object': {
        const { code, object } = answer;
        const value = target.convert === null ? object : this.#convert(exchange, answer, target);
        await this.#sendBytes(exchange, code, contentTypeOf(target), encodeValue(value, target));
        return code;
      }
      case 'list': {
        const isPlain = target.convert === null && target.serializer === 'json' && !target.pretty;
        const bytes = isPlain
          ? this.#lists.encode(answer)
          : encodeValue(this.#listValue(exchange, answer, target), target);
        await this.#sendBytes(exchange, 200, contentTypeOf(target), bytes);
        return 200;
      }
      case 'watch': {
        const include = target.convert?.kind === 'Table' ? includeOf(exchange) : 'Metadata';
        checkStreams(target);
        const type = contentTypeOf(target);
        exchange.head(200, {
          'content-type': target.serializer === 'json' ? type : `${type};stream=watch`,
          'cache-control': 'no-cache, private',
        });
        const { clock } = this.#options;
        const watch = streamWatch(answer.source, exchange, {
          clock,
          served: answer.served,
          target,
          include,
          backlogBytes: this.#limits.watchBacklogBytes,
        });
        this.#watches.add(watch);
        exchange.onClose(() => {
          this.#watches.delete(watch);
          watch[Symbol.dispose]();
        });
        return 200;
      }
      case 'raw':
        await exchange.sendRaw(answer.code, answer.headers, answer.body);
        return answer.code;
      default:
        return 101;
    }
  }

  #convert(exchange: Exchange, answer: Extract<Answer, { type: 'object' | 'list' }>, target: Target): object {
    if (target.convert === null) throw badRequest('no conversion was asked for');
    const include = target.convert.kind === 'Table' ? includeOf(exchange) : 'Metadata';
    return convertAnswer(answer, target.convert, include, this.#options.clock.now());
  }

  #listValue(exchange: Exchange, answer: Extract<Answer, { type: 'list' }>, target: Target): object {
    if (target.convert !== null) return this.#convert(exchange, answer, target);
    const { served, entries } = answer;
    const items = entries.map(({ object }) => {
      if (served.isCustom) return object;
      const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
      return rest;
    });
    return { kind: served.resource.listKind, apiVersion: served.apiVersion, metadata: listMetaOf(answer), items };
  }

  async #sendBytes(exchange: Exchange, code: number, contentType: string, bytes: Buffer): Promise<void> {
    const headers = { 'content-type': contentType, 'cache-control': 'no-cache, private' };
    if (bytes.length < this.#limits.gzipFromBytes || !exchange.acceptsGzip) {
      exchange.send(code, headers, bytes);
      return;
    }
    const compressed = await gzip(bytes, { level: 1 });
    exchange.send(code, { ...headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' }, compressed);
  }

  async #refuse(exchange: Exchange, thrown: unknown, target: Target | undefined): Promise<number> {
    if (thrown instanceof RequestInfoError) {
      const text = `Internal Server Error: ${JSON.stringify(exchange.path)}: failed to create RequestInfo: ${thrown.message}\n`;
      const answer = textAnswer(500, text);
      await exchange.sendRaw(answer.code, answer.headers, answer.body);
      return 500;
    }
    let error: StatusError;
    if (thrown instanceof StatusError) error = thrown;
    else {
      const { method, path } = exchange;
      this.#options.log.error('a request failed unexpectedly', { method, path, error: toError(thrown) });
      error = internalError(toError(thrown).message);
    }
    const code = error.httpCode;
    const form: Target =
      target === undefined ? negotiateStatus(exchange.header('accept')) : { ...target, convert: null };
    const headers = { 'content-type': contentTypeOf(form), 'cache-control': 'no-cache, private', ...error.headers };
    exchange.send(code, headers, encodeValue(error.status, form));
    return code;
  }
}

// What is not even read as a request. A method that nobody knows is one that nothing here allows.
function refusal({ code, message }: Http1Error): string {
  const type = 'content-type: text/plain; charset=utf-8';
  const text = `${code} ${STATUS_CODES[code] ?? ''}`;
  const body = `${text}: ${message}\n`;
  return `HTTP/1.1 ${text}\r\n${type}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`;
}

// The scale of a custom resource is of a built-in kind; what is served besides the built-in kinds has no protobuf form.
function hasCustomForm(destination: Destination, info: RequestInfo): boolean {
  if (destination.type === 'virtual') return destination.resource.discovered?.typeName === null;
  if (destination.type !== 'kind' && destination.type !== 'subresource') return false;
  return destination.served.isCustom && info.subresource !== 'scale';
}

function includeOf(exchange: Exchange): IncludeObject {
  return parseIncludeObject(exchange.query.get('includeObject'));
}

function isUnlimited(destination: Destination, call: Call): boolean {
  if (call.info.verb === 'watch') return true;
  if (destination.type === 'route') return destination.route.isExempt === true;
  return destination.type === 'subresource' && destination.handler.isLong?.(call) === true;
}

function checkTimeout(query: Query): void {
  const text = query.get('timeout') ?? '';
  if (text === '' || parseDurationMs(text) !== null) return;
  throw badRequest(`invalid timeout specified in the request URL - time: invalid duration ${JSON.stringify(text)}`);
}

function contextOf({ cert, key, clientCa }: TlsMaterial): SecureContextOptions {
  return { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa }) };
}

function listenError(error: Error, host: string, port: number): WherryError {
  if (errorCode(error) === 'EADDRINUSE') {
    return new WherryError('PORT_IN_USE', `port ${port} on ${host} is in use by another program`, {
      cause: error,
      hint: 'stop the other program, or choose another port with --https-listen-port',
    });
  }
  return new WherryError('CANNOT_LISTEN', `the API server cannot listen on ${host}:${port}`, { cause: error });
}
