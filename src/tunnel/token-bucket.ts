import type { Clock } from '../core/clock.ts';

/** What of a rate may be used in one go after a pause: this long a time's worth, milliseconds. */
const burstMs = 250;

/** A rate that several streams share. */
export class TokenBucket {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  #level: number;
  #atMs: number;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#level = this.#capacity;
    this.#atMs = clock.monotonic();
  }

  get #capacity(): number {
    return (this.#bytesPerSecond * burstMs) / 1000;
  }

  /** Takes what has passed already, and says for how long its sender is to pause, milliseconds. */
  take(bytes: number): number {
    this.#refill();
    this.#level -= bytes;
    return this.#level >= 0 ? 0 : (-this.#level * 1000) / this.#bytesPerSecond;
  }

  /** For what can't wait: takes the bytes if there is anything left, or takes nothing and says no. */
  allows(bytes: number): boolean {
    this.#refill();
    if (this.#level <= 0) return false;
    this.#level -= bytes;
    return true;
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    const gained = ((now - this.#atMs) * this.#bytesPerSecond) / 1000;
    this.#atMs = now;
    this.#level = Math.min(this.#capacity, this.#level + gained);
  }
}
