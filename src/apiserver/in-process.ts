import type { ApiRequest, Transport } from '../client/transport.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Status } from '../kube/object.ts';
import { StatusError } from '../kube/status-error.ts';
import type { UserInfo } from '../kube/user.ts';
import { type Answer, type Call, decodedOf, listObject } from './answer.ts';
import { authorize, type Security } from './chain.ts';
import { bookmarkObject } from './convert-answer.ts';
import { type Dispatcher, destinationOf, dispatch } from './dispatch.ts';
import { badRequest, expired, internalError } from './errors.ts';
import type { ServedKind } from './kind-registry.ts';
import { Query } from './query.ts';
import { parseRequestInfo } from './request-info.ts';
import type { WatchItem, WatchSource } from './watch.ts';

export interface InProcessOptions {
  readonly dispatcher: Dispatcher;
  readonly security: Security;
  readonly log: Log;
  readonly userAgent: string;
  /** Ends all streams. */
  readonly shutdown: AbortSignal;
}

/** Events that a consumer may fall behind by before its watch is ended. */
export const inProcessQueueLimit = 10_000;

/** The API server for callers of the same process: the same chain, without sockets and without JSON. */
export class InProcessTransport implements Transport {
  readonly #options: InProcessOptions;
  readonly #user: UserInfo;

  constructor(options: InProcessOptions, user: UserInfo) {
    this.#options = options;
    this.#user = user;
  }

  async call(request: ApiRequest): Promise<unknown> {
    const answer = await this.#answer(request);
    switch (answer.type) {
      case 'object':
        return decodedOf(answer.object);
      case 'list':
        return listObject(answer);
      case 'raw':
        return await rawValue(answer);
      default:
        throw badRequest('a stream was asked for by call');
    }
  }

  async *stream(request: ApiRequest): AsyncGenerator<unknown> {
    const answer = await this.#answer(request);
    if (answer.type !== 'watch') throw badRequest('a stream was expected');
    const { shutdown } = this.#options;
    const signals = request.signal === undefined ? [shutdown] : [shutdown, request.signal];
    yield* new WatchIterator(answer.served, answer.source, AbortSignal.any(signals));
  }

  async #answer(request: ApiRequest): Promise<Answer> {
    const { dispatcher, security, log, userAgent } = this.#options;
    const [path = '', search = ''] = request.path.split('?', 2);
    const query = request.query === undefined ? Query.parse(search) : Query.from(request.query);
    const info = parseRequestInfo(request.method, path, query);
    await authorize(security, this.#user, info, query);
    const call: Call = {
      info,
      method: request.method,
      query,
      user: this.#user,
      userAgent,
      contentType: request.contentType ?? 'application/json',
      signal: request.signal ?? this.#options.shutdown,
      body: () => Promise.resolve({ type: 'value', value: request.body }),
      warn: () => undefined,
    };
    try {
      return await dispatch(dispatcher, destinationOf(dispatcher, request.method, info), call);
    } catch (thrown) {
      if (thrown instanceof StatusError) throw thrown;
      log.error('a request failed unexpectedly', { verb: info.verb, path, error: toError(thrown) });
      throw internalError(toError(thrown).message);
    }
  }
}

async function rawValue(answer: Extract<Answer, { readonly type: 'raw' }>): Promise<unknown> {
  const { body, code, headers } = answer;
  const chunks: Uint8Array[] = [];
  if (typeof body === 'string') chunks.push(Buffer.from(body));
  else if (body instanceof Uint8Array) chunks.push(body);
  else for await (const chunk of body) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  const isJson = headers['content-type']?.startsWith('application/json') === true;
  const value: unknown = isJson ? JSON.parse(text) : text;
  if (code < 400) return value;
  throw isJson ? new StatusError(value as Status) : new StatusError({ ...internalError(text).status, code });
}

class WatchIterator implements AsyncIterable<unknown> {
  readonly #served: ServedKind;
  readonly #source: WatchSource;
  readonly #signal: AbortSignal;

  constructor(served: ServedKind, source: WatchSource, signal: AbortSignal) {
    this.#served = served;
    this.#source = source;
    this.#signal = signal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown> {
    let queue: WatchItem[] = [];
    let isEnded = this.#signal.aborted;
    let wake: () => void = () => undefined;
    const end = () => {
      isEnded = true;
      wake();
    };
    const timeout = this.#source.timeoutSeconds;
    const timer = timeout === undefined ? undefined : setTimeout(end, Math.max(timeout, 0) * 1000);
    this.#signal.addEventListener('abort', end, { once: true });
    const watching = this.#source.start({
      send: (items) => {
        if (queue.length + items.length > inProcessQueueLimit && queue.length > 0) {
          queue = [{ type: 'ERROR', status: expired('the watcher was too slow').status }];
          end();
          return;
        }
        queue.push(...items);
        wake();
      },
      end,
    });
    try {
      for (;;) {
        const items = queue;
        queue = [];
        for (const item of items) {
          if (this.#signal.aborted) return;
          yield this.#event(item);
        }
        if (queue.length > 0) continue;
        if (isEnded) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
      watching[Symbol.dispose]();
      this.#signal.removeEventListener('abort', end);
    }
  }

  #event(item: WatchItem): unknown {
    if (item.type === 'ERROR') return { type: 'ERROR', object: item.status };
    if (item.type !== 'BOOKMARK') return { type: item.type, object: item.entry.object };
    return { type: 'BOOKMARK', object: bookmarkObject(this.#served, item.revision, item.initialEventsEnd, null) };
  }
}
