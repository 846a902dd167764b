/** Calls for the deletion of ended leases at the time of the earliest one. */
import type { Clock } from '../../core/clock.ts';

/** A timer is set again after so long, since Node's timers are short of 25 days and the wall clock may jump. */
const WAIT_MS_MAX = 60_000;
/** Pause after a failure (a full disk) before the next attempt. */
const RETRY_MS = 1_000;

export interface LeaseTimerOptions {
  readonly clock: Clock;
  /** Deletes what has ended; returns when the next lease ends (milliseconds since the epoch), null without leases. */
  readonly expire: (now: number) => Promise<number | null>;
  readonly onError: (error: unknown) => void;
}

export class LeaseTimer implements Disposable {
  readonly #options: LeaseTimerOptions;
  /** When the earliest known lease ends. */
  #next: number | null = null;
  #timer: Disposable | null = null;
  #expiring = false;
  #disposed = false;

  constructor(options: LeaseTimerOptions) {
    this.#options = options;
  }

  /** A lease ends at `expires`, milliseconds since the epoch. */
  add(expires: number): void {
    if (this.#next !== null && this.#next <= expires) return;
    this.#next = expires;
    this.#arm();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.[Symbol.dispose]();
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    if (this.#next === null || this.#expiring || this.#disposed) return;
    const wait = Math.min(Math.max(this.#next - this.#options.clock.now(), 0), WAIT_MS_MAX);
    this.#timer = this.#options.clock.after(wait, () => void this.#expire());
  }

  async #expire(): Promise<void> {
    const { clock, expire, onError } = this.#options;
    const now = clock.now();
    if (this.#next === null || now < this.#next) return this.#arm();
    this.#expiring = true;
    // Leases that are added from here on count beside what the deletion reports.
    this.#next = null;
    let next: number | null;
    try {
      next = await expire(now);
    } catch (error) {
      if (!this.#disposed) onError(error);
      next = now + RETRY_MS;
    }
    this.#expiring = false;
    if (next !== null) this.add(next);
    this.#arm();
  }
}
