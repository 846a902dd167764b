import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import { describeError, TransientError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { events } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { formatTime } from '../kube/time.ts';
import type { Event } from '../kube/types.gen.ts';
import type { EventRecorder } from './controller.ts';
import { createEventCorrelator, type EventFact } from './event-correlator.ts';

/** Events that wait to be written; more are dropped, for an Event must never hold its cause up. */
const queueCapacity = 1000;

export interface EventRecorderOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** Event.source.component, e.g. `deployment-controller`. */
  readonly component: string;
  /** Event.source.host; for node agents. */
  readonly host?: string;
}

/** Writes core/v1 Events, one at a time, in the background. Disposing waits for those under way. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder & AsyncDisposable {
  const { client, clock, log, component, host } = options;
  const correlator = createEventCorrelator(clock);
  const queue: (EventFact & { readonly atMs: number })[] = [];
  let writing: Promise<void> = Promise.resolve();
  let isWriting = false;
  let isClosed = false;

  async function drain(): Promise<void> {
    for (let fact = queue.shift(); fact !== undefined; fact = queue.shift()) {
      try {
        await write(fact, formatTime(fact.atMs));
      } catch (thrown) {
        // A namespace that is going takes no new Events; that is no failure.
        if (isReason(thrown, 'Forbidden', 'NotFound')) continue;
        log.warn('an Event was not written', { reason: fact.reason, error: describeError(thrown) });
        // The end does not wait for a server that is away, once for each Event.
        if (isClosed && thrown instanceof TransientError) queue.length = 0;
      }
    }
    isWriting = false;
  }

  async function write(fact: EventFact, now: string): Promise<void> {
    const { about } = fact;
    const namespace = about.metadata.namespace || 'default';
    const what = correlator.correlate(fact);
    if (what.action === 'drop') return;
    if (what.action === 'count') {
      const body = { message: what.message, count: what.count, lastTimestamp: now };
      try {
        await client.patch(events, { namespace, name: what.name }, { type: 'merge', body });
        return correlator.written(what.key, what);
      } catch (thrown) {
        // Events expire; one that is gone is written anew.
        if (!isReason(thrown, 'NotFound')) throw thrown;
      }
    }
    const name = `${about.metadata.name ?? ''}.${uniqueSuffix(clock)}`;
    const source = host === undefined ? { component } : { component, host };
    const event: Event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: referenceTo(about, fact.fieldPath),
      reason: fact.reason,
      message: what.message,
      source,
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      type: fact.type,
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
    await client.create(events, event);
    correlator.written(what.key, { name, count: 1, firstTimestamp: now });
  }

  return {
    event(about, type, reason, message, fieldPath) {
      if (isClosed) return;
      if (queue.length >= queueCapacity) {
        log.warn('too many Events wait; one was dropped', { reason });
        return;
      }
      queue.push({
        about,
        type,
        reason,
        message: message.slice(0, 1024),
        atMs: clock.now(),
        ...(fieldPath === undefined ? {} : { fieldPath }),
      });
      if (isWriting) return;
      isWriting = true;
      writing = drain();
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      await writing;
    },
  };
}

function referenceTo(about: EventFact['about'], fieldPath: string | undefined) {
  const { namespace, name, uid, resourceVersion } = about.metadata;
  return {
    kind: about.kind,
    apiVersion: about.apiVersion,
    ...(namespace ? { namespace } : {}),
    ...(name === undefined ? {} : { name }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(fieldPath === undefined ? {} : { fieldPath }),
  };
}

let lastSuffix = 0n;

/** Hexadecimal nanoseconds, as client-go names Events; never the same twice in one process. */
function uniqueSuffix(clock: Clock): string {
  const now = BigInt(Math.floor(clock.now())) * 1_000_000n;
  lastSuffix = now > lastSuffix ? now : lastSuffix + 1n;
  return lastSuffix.toString(16);
}
