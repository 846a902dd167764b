import { type BackoffPolicy, backoffDelayMs } from './backoff.ts';
import type { Clock } from './clock.ts';

export interface WorkQueueOptions {
  /** Works on one key; must not reject (the queue's owner decides what a failure means). */
  readonly work: (key: string, signal: AbortSignal) => Promise<void>;
  /** How many keys are worked on at the same time. */
  readonly concurrency: number;
  readonly clock: Clock;
  /** Delays of addRateLimited. */
  readonly backoff: BackoffPolicy;
  /** Largest number of keys that wait (now or delayed). */
  readonly capacity: number;
  readonly random?: () => number;
}

/**
 * A queue of keys. A key waits at most once, and is never worked on twice at the same time: a key that is added while
 * it is being worked on runs once more afterwards.
 */
export interface WorkQueue {
  /** False when the queue is full and the key was not taken; the owner must look at everything again later. */
  add(key: string): boolean;
  /** Adds the key after `delayMs`, or earlier if it is added otherwise. Of several delays the shortest counts. */
  addAfter(key: string, delayMs: number): boolean;
  /** Adds the key after a delay that grows with each call until `forget`; returns the delay in milliseconds. */
  addRateLimited(key: string): number;
  /** The key succeeded: its next failure is the first one again. */
  forget(key: string): void;
  /** How often addRateLimited was called since `forget`. */
  failures(key: string): number;
  /** Keys that wait to run now. */
  readonly length: number;
  /** Keys that came to wait, and calls of addRateLimited, since the start. */
  readonly counts: { readonly adds: number; readonly retries: number };
  /** Takes no more keys, aborts the running ones' signal, resolves when they have ended. */
  stop(): Promise<void>;
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { work, concurrency, clock, backoff, capacity, random = Math.random } = options;
  const waiting = new Set<string>();
  const running = new Map<string, Promise<void>>();
  const again = new Set<string>();
  const delayed = new Map<string, { readonly at: number; readonly timer: Disposable }>();
  const failures = new Map<string, number>();
  const abort = new AbortController();
  const counts = { adds: 0, retries: 0 };
  let scheduled = false;

  // Work starts in a later turn of the event loop, so that a burst of keys can't keep I/O from being served.
  function schedule(): void {
    if (scheduled || abort.signal.aborted) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      dispatch();
    });
  }

  function dispatch(): void {
    for (const key of waiting) {
      if (running.size >= concurrency || abort.signal.aborted) return;
      waiting.delete(key);
      running.set(
        key,
        work(key, abort.signal).finally(() => {
          running.delete(key);
          if (again.delete(key)) waiting.add(key);
          if (waiting.size > 0) schedule();
        }),
      );
    }
  }

  function isFull(): boolean {
    return waiting.size + delayed.size >= capacity;
  }

  function cancelDelay(key: string): void {
    delayed.get(key)?.timer[Symbol.dispose]();
    delayed.delete(key);
  }

  function add(key: string): boolean {
    if (abort.signal.aborted) return true;
    cancelDelay(key);
    if (running.has(key)) {
      if (!again.has(key)) counts.adds++;
      again.add(key);
      return true;
    }
    if (waiting.has(key)) return true;
    if (isFull()) return false;
    counts.adds++;
    waiting.add(key);
    schedule();
    return true;
  }

  function addAfter(key: string, delayMs: number): boolean {
    if (abort.signal.aborted) return true;
    if (delayMs <= 0) return add(key);
    if (waiting.has(key) || again.has(key)) return true;
    const at = clock.monotonic() + delayMs;
    const standing = delayed.get(key);
    if (standing && standing.at <= at) return true;
    if (!standing && isFull()) return false;
    cancelDelay(key);
    const timer = clock.after(delayMs, () => {
      delayed.delete(key);
      add(key);
    });
    delayed.set(key, { at, timer });
    return true;
  }

  return {
    add,
    addAfter,
    addRateLimited(key) {
      counts.retries++;
      const attempt = failures.get(key) ?? 0;
      failures.set(key, attempt + 1);
      const delayMs = backoffDelayMs(backoff, attempt, random);
      addAfter(key, delayMs);
      return delayMs;
    },
    forget: (key) => void failures.delete(key),
    failures: (key) => failures.get(key) ?? 0,
    get length() {
      return waiting.size;
    },
    counts,
    async stop() {
      abort.abort();
      waiting.clear();
      again.clear();
      for (const key of [...delayed.keys()]) cancelDelay(key);
      await Promise.all(running.values());
    },
  };
}
