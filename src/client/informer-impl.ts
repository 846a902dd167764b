import { createBackoff } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { describeError, TransientError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { KubeObject } from '../kube/object.ts';
import { groupResourceOf, keyOf, type Resource } from '../kube/resource.ts';
import { isReason, StatusError } from '../kube/status-error.ts';
import type { Client } from './client.ts';
import type { ChangeHandler, IndexFunction, Informer, InformerOptions } from './informer.ts';
import { InformerStore, type StoreChange } from './informer-store.ts';

/** Objects that one page of a list brings (only servers without streaming lists are asked in pages). */
const pageSize = 500;
/** A watch is asked to end after this many seconds, up to twice as many; it is resumed without a gap. */
const watchTimeoutSeconds = 300;
const backoffPolicy = { baseMs: 200, capMs: 30_000 };

export interface InformerEnvironment {
  readonly clock: Clock;
  readonly log: Log;
}

/** An informer that runs from its creation until it is disposed. */
export interface RunningInformer<T extends KubeObject> extends Informer<T>, AsyncDisposable {
  addIndexes(indexes: Readonly<Record<string, IndexFunction<T>>>): void;
  /** The revision up to which the server's changes are in; empty before the first list. */
  readonly resourceVersion: string;
  /** Calls `seen` after each change and each progress of `resourceVersion`. */
  onProgress(seen: () => void): Disposable;
}

/** What the informer does next. `from` is the resource version after which changes are missing. */
type State = { readonly at: 'stream-list' } | { readonly at: 'list' } | { readonly at: 'watch'; readonly from: string };

/** Feeds a local copy of a resource; see Informer. It starts at once. */
export function createInformer<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  options: InformerOptions<T>,
  environment: InformerEnvironment,
): RunningInformer<T> {
  const { clock } = environment;
  const log = environment.log.child({ informer: groupResourceOf(resource) });
  const selection = selectionOf(options);
  const store = new InformerStore<T>();
  store.addIndexes(options.indexes ?? {});
  const handlers = new Set<ChangeHandler<T>>();
  const progress = new Set<() => void>();
  const abort = new AbortController();
  const { signal } = abort;
  const backoff = createBackoff(backoffPolicy);
  const synced = Promise.withResolvers<void>();
  // Nobody need wait for `synced`, so its rejection by disposal must not count as unhandled.
  synced.promise.catch(() => {});
  let resourceVersion = '';
  let streams = true;

  function tell(changes: readonly StoreChange<T>[]): void {
    for (const change of changes) for (const handler of [...handlers]) handler(change);
  }

  function progressTo(version: string): void {
    resourceVersion = version;
    for (const seen of [...progress]) seen();
  }

  function swapIn(objects: ReadonlyMap<string, T>, version: string): State {
    const changes = store.replace(objects);
    resourceVersion = version;
    tell(changes);
    progressTo(version);
    synced.resolve();
    return { at: 'watch', from: version };
  }

  function applyEvent(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void {
    const change = type === 'DELETED' ? store.delete(keyOf(object), object) : store.set(object);
    resourceVersion = object.metadata.resourceVersion ?? resourceVersion;
    if (change) tell([change]);
    progressTo(resourceVersion);
  }

  async function listPages(): Promise<State> {
    const objects = new Map<string, T>();
    for (let token: string | undefined; ; ) {
      const page = await client.list(resource, {
        ...selection,
        limit: pageSize,
        signal,
        ...(token ? { continue: token } : {}),
      });
      for (const item of page.items) objects.set(keyOf(item), item);
      token = page.metadata.continue;
      if (!token) return swapIn(objects, page.metadata.resourceVersion ?? '');
    }
  }

  async function streamList(): Promise<State> {
    const objects = new Map<string, T>();
    let state: State | undefined;
    for await (const event of client.watch(resource, {
      ...selection,
      ...watchTimes(),
      sendInitialEvents: true,
      signal,
    })) {
      if (state === undefined && event.type === 'BOOKMARK') {
        if (!event.initialEventsEnd) continue;
        state = swapIn(objects, event.resourceVersion);
        backoff.reset();
      } else if (event.type === 'BOOKMARK') {
        progressTo(event.resourceVersion);
      } else if (state !== undefined) {
        applyEvent(event.type, event.object);
      } else if (event.type === 'DELETED') {
        objects.delete(keyOf(event.object));
      } else {
        objects.set(keyOf(event.object), event.object);
      }
    }
    return state === undefined ? { at: 'stream-list' } : { at: 'watch', from: resourceVersion };
  }

  async function watch(from: string): Promise<State> {
    for await (const event of client.watch(resource, {
      ...selection,
      ...watchTimes(),
      resourceVersion: from,
      signal,
    })) {
      if (event.type === 'BOOKMARK') progressTo(event.resourceVersion);
      else applyEvent(event.type, event.object);
      backoff.reset();
    }
    return { at: 'watch', from: resourceVersion };
  }

  function step(state: State): Promise<State> {
    if (state.at === 'watch') return watch(state.from);
    return state.at === 'stream-list' ? streamList() : listPages();
  }

  const relist = (): State => ({ at: streams ? 'stream-list' : 'list' });

  // Where a failure leads: back to a list when the past is gone, else on from the last change that is in.
  function afterFailure(state: State, thrown: unknown): State {
    if (state.at === 'stream-list' && refusesStreaming(thrown)) {
      streams = false;
      return relist();
    }
    // Also a streaming list that had come in and then broke is resumed like any watch.
    if (resourceVersion === '' || isExpired(thrown) || !isResumable(thrown)) return relist();
    return { at: 'watch', from: resourceVersion };
  }

  async function run(): Promise<void> {
    let state = relist();
    while (!signal.aborted) {
      try {
        const startedAt = clock.monotonic();
        state = await step(state);
        // A server that ends watches at once must not be asked in a tight loop.
        if (clock.monotonic() - startedAt < 1000 && state.at !== 'list') await pauseUnlessListed(state);
      } catch (thrown) {
        if (signal.aborted) break;
        const next = afterFailure(state, thrown);
        const isRefusal = state.at === 'stream-list' && next.at === 'list';
        state = next;
        if (isRefusal) continue;
        const delayMs = backoff.next();
        // An expired revision is how a watch that was away for long learns that it must list; it is no failure.
        const level = isExpired(thrown) ? 'debug' : 'warn';
        log[level]('list or watch ended', { error: describeError(thrown), retryMs: Math.round(delayMs) });
        await clock.sleep(delayMs, signal).catch(() => {});
      }
    }
    synced.reject(new TransientError('INFORMER_STOPPED', `the informer of ${groupResourceOf(resource)} was stopped`));
  }

  let lastFrom = '';
  async function pauseUnlessListed(state: State): Promise<void> {
    const from = state.at === 'watch' ? state.from : '';
    const isStuck = from === lastFrom;
    lastFrom = from;
    if (isStuck) await clock.sleep(backoff.next(), signal).catch(() => {});
  }

  const ended = run();

  return {
    synced: synced.promise,
    get resourceVersion() {
      return resourceVersion;
    },
    get: (key) => store.get(key),
    list: (namespace) => store.list(namespace),
    byIndex: (name, value) => store.byIndex(name, value),
    addIndexes: (indexes) => store.addIndexes(indexes),
    subscribe(handler) {
      for (const object of store.list()) handler({ key: keyOf(object), old: undefined, current: object });
      handlers.add(handler);
      return { [Symbol.dispose]: () => void handlers.delete(handler) };
    },
    onProgress(seen) {
      progress.add(seen);
      return { [Symbol.dispose]: () => void progress.delete(seen) };
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}

function selectionOf(options: InformerOptions<never>) {
  const { namespace, labelSelector, fieldSelector } = options;
  return {
    ...(namespace ? { namespace } : {}),
    ...(labelSelector ? { labelSelector } : {}),
    ...(fieldSelector ? { fieldSelector } : {}),
  };
}

function watchTimes(): { readonly timeoutSeconds: number } {
  return { timeoutSeconds: Math.round(watchTimeoutSeconds * (1 + Math.random())) };
}

/** Servers before 1.32, or with the feature off, answer a streaming list with Invalid (or BadRequest). */
function refusesStreaming(thrown: unknown): boolean {
  return isReason(thrown, 'Invalid', 'BadRequest');
}

function isExpired(thrown: unknown): boolean {
  return thrown instanceof StatusError && (thrown.httpCode === 410 || isReason(thrown, 'Expired', 'Gone'));
}

/** Failures that say nothing about the past: the connection broke, the server is busy or restarts. */
function isResumable(thrown: unknown): boolean {
  if (thrown instanceof TransientError) return true;
  return thrown instanceof StatusError && (thrown.httpCode === 429 || thrown.httpCode >= 500);
}
