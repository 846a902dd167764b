import type { Clock } from '../core/clock.ts';
import type { Pod } from '../kube/types.gen.ts';

const initialBackoffMs = 1_000;
const maxBackoffMs = 10_000;
/** A pod that nothing woke is tried again after this long, in case a change was missed. */
const unschedulableMaxMs = 5 * 60_000;

interface Entry {
  readonly key: string;
  pod: Pod;
  attempts: number;
  /** Order among equals: when it came, milliseconds of the monotonic clock. */
  readonly since: number;
  /** Not before this time. */
  notBefore: number;
  /** Waits for a change of the cluster that may help. */
  parkedAt: number | null;
  /** Changes of the cluster that it had seen when its last attempt began. */
  seenMoves: number;
}

/**
 * Pods that wait for a node: highest priority first, then the one that waits longest. A pod that did not fit is parked
 * until something in the cluster changes, and then waits out a back-off of 1 s to 10 s.
 */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #inFlight = new Map<string, Entry>();
  #moves = 0;
  #wake: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds a pod or takes its new state; a changed spec ends its parking. */
  add(key: string, pod: Pod): void {
    const flying = this.#inFlight.get(key);
    if (flying !== undefined) {
      flying.pod = pod;
      return;
    }
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      const now = this.#clock.monotonic();
      this.#entries.set(key, {
        key,
        pod,
        attempts: 0,
        since: now,
        notBefore: now,
        parkedAt: null,
        seenMoves: this.#moves,
      });
    } else {
      const changed = entry.pod.metadata.generation !== pod.metadata.generation || labelsDiffer(entry.pod, pod);
      entry.pod = pod;
      if (changed) entry.parkedAt = null;
    }
    this.#wake();
  }

  remove(key: string): void {
    this.#entries.delete(key);
    this.#inFlight.delete(key);
  }

  /** Something changed that may let parked pods fit. */
  moveAll(): void {
    this.#moves++;
    for (const entry of this.#entries.values()) entry.parkedAt = null;
    this.#wake();
  }

  get size(): number {
    return this.#entries.size + this.#inFlight.size;
  }

  /** How many pods wait, by upstream's names of the queues: to be tried now, after a back-off, for a change. */
  get counts(): Readonly<Record<'active' | 'backoff' | 'unschedulable', number>> {
    const now = this.#clock.monotonic();
    const counts = { active: this.#inFlight.size, backoff: 0, unschedulable: 0 };
    for (const entry of this.#entries.values()) {
      if (this.#dueAt(entry) <= now) counts.active++;
      else if (entry.parkedAt === null) counts.backoff++;
      else counts.unschedulable++;
    }
    return counts;
  }

  /** The next pod to schedule; it is the caller's until `done` or `park`. Rejects when `signal` aborts. */
  async next(signal: AbortSignal): Promise<{ readonly key: string; readonly pod: Pod }> {
    while (true) {
      signal.throwIfAborted();
      const now = this.#clock.monotonic();
      const best = this.#best(now);
      if (best !== undefined) {
        this.#entries.delete(best.key);
        best.attempts++;
        best.seenMoves = this.#moves;
        this.#inFlight.set(best.key, best);
        return best;
      }
      await this.#change(now, signal);
    }
  }

  /** The pod is on its way to a node, or gone. */
  done(key: string): void {
    this.#inFlight.delete(key);
  }

  /** The pod did not fit: it waits for a change, or only for its back-off if one came meanwhile or `retry` is set. */
  park(key: string, retry = false): void {
    const entry = this.#inFlight.get(key);
    if (entry === undefined) return;
    this.#inFlight.delete(key);
    const now = this.#clock.monotonic();
    entry.notBefore = now + Math.min(initialBackoffMs * 2 ** (entry.attempts - 1), maxBackoffMs);
    entry.parkedAt = retry || entry.seenMoves !== this.#moves ? null : now;
    this.#entries.set(key, entry);
    this.#wake();
  }

  #best(now: number): Entry | undefined {
    let best: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if (this.#dueAt(entry) > now) continue;
      if (best === undefined || comesBefore(entry, best)) best = entry;
    }
    return best;
  }

  #dueAt(entry: Entry): number {
    return entry.parkedAt === null ? entry.notBefore : Math.max(entry.notBefore, entry.parkedAt + unschedulableMaxMs);
  }

  async #change(now: number, signal: AbortSignal): Promise<void> {
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) next = Math.min(next, this.#dueAt(entry));
    await new Promise<void>((resolve) => {
      const finish = () => {
        timer?.[Symbol.dispose]();
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = Number.isFinite(next) ? this.#clock.after(Math.max(next - now, 0) + 1, finish) : undefined;
      signal.addEventListener('abort', finish, { once: true });
      this.#wake = finish;
    });
  }
}

function comesBefore(a: Entry, b: Entry): boolean {
  const difference = (b.pod.spec?.priority ?? 0) - (a.pod.spec?.priority ?? 0);
  return difference !== 0 ? difference < 0 : a.since < b.since;
}

/** By content: each state of a pod is an object of its own. */
export function labelsDiffer(a: Pod, b: Pod): boolean {
  return JSON.stringify(a.metadata.labels ?? {}) !== JSON.stringify(b.metadata.labels ?? {});
}
