import type { Revision } from '../datastore/backend.ts';
import type { Status } from '../kube/object.ts';
import { StatusError } from '../kube/status-error.ts';
import type { Entry } from './cache/entry.ts';
import type { CacheEvent } from './cache/event-window.ts';
import type { WatchHub } from './cache/hub.ts';
import { expired, resourceVersionTooOld } from './errors.ts';
import type { ServedKind } from './kind-registry.ts';
import { waitForRevision } from './list.ts';
import { type ListOptions, parseResourceVersion } from './options.ts';
import type { Selection } from './selection.ts';

/** One event of a watch before it is encoded. */
export type WatchItem =
  | {
      readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
      readonly entry: Entry;
      /** Encoded forms that all watchers of this change share; absent for the initial state. */
      readonly frames?: Map<string, Buffer>;
    }
  | { readonly type: 'BOOKMARK'; readonly revision: Revision; readonly initialEventsEnd: boolean }
  | { readonly type: 'ERROR'; readonly status: Status };

/** Who consumes a watch: an HTTP response or an in-process iterator. Called synchronously, must not throw. */
export interface WatchSink {
  /** Items in order, at least one. */
  send(items: readonly WatchItem[]): void;
  /** Nothing more comes. */
  end(): void;
}

/** A watch that can be started once. */
export interface WatchSource {
  /** Undefined: the server chooses. */
  readonly timeoutSeconds: number | undefined;
  /** Begins to deliver; disposing ends it silently. */
  start(sink: WatchSink): Disposable;
}

/** Throws for a resourceVersion that is none. Everything that goes wrong later comes as an ERROR event, as upstream has it. */
export function watch(hub: WatchHub, served: ServedKind, selection: Selection, options: ListOptions): WatchSource {
  const revision = parseResourceVersion(options.resourceVersion, 'other');
  const sendInitial = options.sendInitialEvents ?? revision === 0;
  return {
    timeoutSeconds: options.timeoutSeconds,
    start(sink) {
      const watcher = new Watcher(hub, served, selection, options, sink);
      if (options.sendInitialEvents === true && revision > hub.revision) void watcher.beginWhenFresh(revision);
      else if (sendInitial) watcher.beginWithState();
      else watcher.beginAfter(revision);
      return watcher;
    },
  };
}

const answerMarginMs = 100;

class Watcher implements Disposable {
  readonly #hub: WatchHub;
  readonly #served: ServedKind;
  readonly #selection: Selection;
  readonly #options: ListOptions;
  readonly #sink: WatchSink;
  #listening: Disposable | undefined;
  #retiring: Disposable | undefined;
  #ended = false;

  constructor(hub: WatchHub, served: ServedKind, selection: Selection, options: ListOptions, sink: WatchSink) {
    this.#hub = hub;
    this.#served = served;
    this.#selection = selection;
    this.#options = options;
    this.#sink = sink;
  }

  async beginWhenFresh(revision: Revision): Promise<void> {
    try {
      const { timeoutSeconds } = this.#options;
      // The client must get to hear why nothing came.
      const limit = timeoutSeconds === undefined ? undefined : timeoutSeconds * 1000 - answerMarginMs;
      await waitForRevision(this.#hub, revision, limit);
    } catch (thrown) {
      if (!(thrown instanceof StatusError)) throw thrown;
      this.#fail(thrown);
      return;
    }
    if (!this.#ended) this.beginWithState();
  }

  /** The present state as ADDED events, then changes. */
  beginWithState(): void {
    const { namespace } = this.#selection;
    const { cache } = this.#served;
    const items: WatchItem[] = [];
    for (const stored of namespace === '' ? cache.all() : cache.inNamespace(namespace)) {
      const entry = this.#served.view(stored);
      if (this.#selection.matches(entry)) items.push({ type: 'ADDED', entry });
    }
    if (this.#options.sendInitialEvents === true && this.#options.allowWatchBookmarks) {
      items.push({ type: 'BOOKMARK', revision: this.#hub.revision, initialEventsEnd: true });
    }
    this.#listen(-1);
    if (items.length > 0) this.#sink.send(items);
  }

  /** Changes after `revision`. */
  beginAfter(revision: Revision): void {
    const { window } = this.#served.cache;
    if (revision < window.floor) {
      this.#fail(resourceVersionTooOld(revision, window.floor));
      return;
    }
    this.#listen(revision);
    const missed = window.since(revision);
    if (missed.length > 0) this.#deliver(missed);
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#listening?.[Symbol.dispose]();
    this.#retiring?.[Symbol.dispose]();
  }

  // A watch from the future skips what comes before its start.
  #listen(after: Revision): void {
    if (this.#ended) return;
    this.#retiring = this.#served.whenRetired(() => this.#end());
    const isAhead = after > this.#hub.revision;
    this.#listening = this.#served.cache.listen({
      changed: (events) => this.#deliver(isAhead ? events.filter((event) => event.revision > after) : events),
      progress: (revision) => {
        if (!this.#options.allowWatchBookmarks) return;
        this.#sink.send([{ type: 'BOOKMARK', revision, initialEventsEnd: false }]);
      },
      reset: () => this.#fail(expired('The event in requested index is outdated and cleared')),
    });
  }

  #deliver(events: readonly CacheEvent[]): void {
    const items: WatchItem[] = [];
    for (const event of events) {
      const item = this.#transform(event);
      if (item !== null) items.push(item);
    }
    if (items.length > 0) this.#sink.send(items);
  }

  // What a change means to this watcher depends on whether the object was and is in its selection.
  #transform(event: CacheEvent): WatchItem | null {
    const stored = event.current ?? event.previous;
    if (stored === null) return null;
    const { namespace } = this.#selection;
    if (namespace !== '' && stored.namespace !== namespace) return null;
    const current = event.current === null ? null : this.#served.view(event.current);
    const previous = event.previous === null ? null : this.#served.view(event.previous);
    const is = current !== null && this.#selection.matches(current);
    const was = previous !== null && this.#selection.matches(previous);
    if (is) return { type: was ? 'MODIFIED' : 'ADDED', entry: current, frames: event.frames };
    if (was) return { type: 'DELETED', entry: lastState(previous, event.revision), frames: event.frames };
    return null;
  }

  // The kind is gone or has another form now: the client looks anew.
  #end(): void {
    if (this.#ended) return;
    this[Symbol.dispose]();
    this.#sink.end();
  }

  #fail(error: StatusError): void {
    if (this.#ended) return;
    this[Symbol.dispose]();
    this.#sink.send([{ type: 'ERROR', status: error.status }]);
    this.#sink.end();
  }
}

const lastStates = new WeakMap<Entry, Entry>();

/** The state before a deletion under the deletion's revision, made once for all watchers. */
function lastState(previous: Entry, revision: Revision): Entry {
  let state = lastStates.get(previous);
  if (state === undefined || state.revision !== revision) {
    state = previous.at(revision);
    lastStates.set(previous, state);
  }
  return state;
}
