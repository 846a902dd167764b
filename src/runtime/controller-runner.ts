import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import { describeError, TerminalError, toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { createWorkQueue } from '../core/work-queue.ts';
import type { KubeObject } from '../kube/object.ts';
import { isReason, StatusError } from '../kube/status-error.ts';
import type { Controller, ControllerContext, Watch } from './controller.ts';
import { createEventRecorder } from './event-recorder.ts';
import { hasObserved, waitObserved } from './observed.ts';
import type { SharedInformers } from './shared-informers.ts';
import { createTrackingClient, type TrackedWrite } from './tracking-client.ts';

const defaultConcurrency = 5;
/** client-go's controller rate limiter. */
const retryBackoff = { baseMs: 5, capMs: 1_000_000, jitter: 0 };
/** Distinct keys that may wait in one controller's queue. */
const queueCapacity = 100_000;
/** When a queue overflowed, everything is looked at again after this time. */
const overflowRescanMs = 5_000;
/** How long a reconcile is held back for the cache to show what the one before it wrote. */
const observeLimitMs = 10_000;

/** Plain counters of one controller, for a metrics page. */
export interface ControllerMetrics {
  readonly name: string;
  readonly reconciles: number;
  readonly failures: number;
  readonly depth: number;
  /** Keys that came into the queue. */
  readonly adds: number;
  /** Keys that came into the queue again because they failed. */
  readonly retries: number;
}

export interface ControllerRunner {
  readonly name: string;
  /** Waits for the informers, then works until stopped. */
  start(): Promise<void>;
  stop(): Promise<void>;
  metrics(): ControllerMetrics;
}

export interface RunnerEnvironment {
  readonly client: Client;
  readonly informers: SharedInformers;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Runs one controller. Between two reconciles of a key it waits until the caches show what the first one wrote, so
 * that no controller ever acts on a state older than its own writes: what client-go's expectations are for.
 */
export function createControllerRunner(controller: Controller, environment: RunnerEnvironment): ControllerRunner {
  const { client, informers, clock } = environment;
  const log = environment.log.child({ controller: controller.name });
  const events = createEventRecorder({ client, clock, log, component: controller.eventSource ?? controller.name });
  const unseen = new Map<string, readonly TrackedWrite[]>();
  const subscriptions: Disposable[] = [];
  const abort = new AbortController();
  const shared = { informers, events, clock, log };
  let reconciles = 0;
  let failures = 0;
  let isRescanning = false;

  const queue = createWorkQueue({
    work: process,
    concurrency: controller.concurrency ?? defaultConcurrency,
    clock,
    backoff: retryBackoff,
    capacity: queueCapacity,
  });

  function add(key: string, delayMs = 0): void {
    if (queue.addAfter(key, delayMs) || isRescanning) return;
    isRescanning = true;
    log.warn('the queue is full; everything is looked at again later', { capacity: queueCapacity });
    subscriptions.push(
      clock.after(overflowRescanMs, () => {
        isRescanning = false;
        for (const watch of controller.watches) {
          for (const object of informers.of(watch.resource, watch.options).list()) wake(watch, object);
        }
      }),
    );
  }

  function wake(watch: Watch, object: KubeObject): void {
    for (const key of watch.keys(object, informers)) add(key);
  }

  function trackedContext(writes: TrackedWrite[]): ControllerContext {
    return { ...shared, client: createTrackingClient(client, (write) => writes.push(write)) };
  }

  async function awaitOwnWrites(key: string, signal: AbortSignal): Promise<void> {
    for (const write of unseen.get(key) ?? []) {
      const informer = informers.standing(write.resource);
      if (!informer || (await waitObserved(informer, write, clock, observeLimitMs, signal))) continue;
      if (!signal.aborted) log.warn('the cache is behind a write of ours', { key, written: write.key });
    }
    unseen.delete(key);
  }

  async function process(key: string, signal: AbortSignal): Promise<void> {
    await awaitOwnWrites(key, signal);
    if (signal.aborted) return;
    const writes: TrackedWrite[] = [];
    reconciles++;
    try {
      const outcome = await controller.reconcile(key, trackedContext(writes), signal);
      queue.forget(key);
      if ('requeueAfterMs' in outcome) add(key, Math.max(1, outcome.requeueAfterMs));
    } catch (thrown) {
      if (!signal.aborted) onFailure(key, toError(thrown));
    }
    const missing = writes.filter((write) => {
      const informer = informers.standing(write.resource);
      return informer !== undefined && !hasObserved(informer, write);
    });
    if (missing.length > 0) unseen.set(key, missing);
  }

  function onFailure(key: string, error: Error): void {
    if (isNamespaceTerminating(error)) {
      queue.forget(key);
      return;
    }
    failures++;
    if (error instanceof TerminalError) {
      queue.forget(key);
      log.error('reconcile failed for good', { key, error: describeError(error), hint: error.hint });
      const first = controller.watches[0];
      const about = first && informers.of(first.resource, first.options).get(key);
      if (about) events.event(about, 'Warning', reasonOf(error.code), withHint(error));
      return;
    }
    const attempt = queue.failures(key);
    const retryMs = Math.round(queue.addRateLimited(key));
    // Two writers met, or the cache was a moment old: trying again is the protocol, not a fault.
    const isRoutine = isReason(error, 'Conflict', 'AlreadyExists', 'NotFound') && attempt < 8;
    // Of a long row of failures each doubling of their number is told.
    const isTold = !isRoutine && (attempt & (attempt + 1)) === 0;
    log[isTold ? 'warn' : 'debug']('reconcile failed', { key, attempt, retryMs, error: describeError(error) });
  }

  return {
    name: controller.name,
    async start() {
      const { signal } = abort;
      const needed = [...controller.watches, ...(controller.reads ?? [])];
      await Promise.all(needed.map(({ resource, options }) => informers.of(resource, options).synced));
      if (signal.aborted) return;
      await controller.start?.({ ...shared, client }, add, signal);
      for (const watch of controller.watches) {
        const informer = informers.of(watch.resource, watch.options);
        subscriptions.push(
          informer.subscribe(({ old, current }) => {
            if (old) wake(watch, old);
            if (current) wake(watch, current);
          }),
        );
      }
    },
    async stop() {
      abort.abort();
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
      await queue.stop();
      await events[Symbol.asyncDispose]();
    },
    metrics: () => ({ name: controller.name, reconciles, failures, depth: queue.length, ...queue.counts }),
  };
}

function isNamespaceTerminating(error: Error): boolean {
  if (!(error instanceof StatusError)) return false;
  return error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') ?? false;
}

/** `PATH_OUTSIDE_BASE` -> `PathOutsideBase`, as Events name reasons. */
function reasonOf(code: string): string {
  return code
    .toLowerCase()
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

function withHint(error: TerminalError): string {
  return error.hint === undefined ? describeError(error) : `${describeError(error)}. ${error.hint}`;
}
