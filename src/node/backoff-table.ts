/**
 * Growing delays by key, as kubelet keeps them for crashing containers and failing pulls: an event is in back-off while
 * less than the key's delay has passed since it happened; each new try doubles the delay; a key that was quiet for twice
 * the cap starts anew. Times are milliseconds.
 */
export class BackoffTable {
  readonly #baseMs: number;
  readonly #capMs: number;
  readonly #entries = new Map<string, { delayMs: number; updatedAt: number }>();

  constructor(baseMs = 10_000, capMs = 300_000) {
    this.#baseMs = baseMs;
    this.#capMs = capMs;
  }

  /** The delay of a key that has one; 0 otherwise. */
  delayMs(key: string): number {
    return this.#entries.get(key)?.delayMs ?? 0;
  }

  /** Milliseconds that are left of the back-off since `eventAt`; 0 when a try is due. */
  remainingMs(key: string, eventAt: number, now: number): number {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#isStale(entry.updatedAt, eventAt)) return 0;
    return Math.max(0, eventAt + entry.delayMs - now);
  }

  /** A try begins because of what happened at `eventAt`: the next failure waits longer. */
  next(key: string, eventAt: number, now: number): void {
    const entry = this.#entries.get(key);
    const delayMs =
      entry === undefined || this.#isStale(entry.updatedAt, eventAt)
        ? this.#baseMs
        : Math.min(entry.delayMs * 2, this.#capMs);
    this.#entries.set(key, { delayMs, updatedAt: now });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** Forgets keys that were quiet so long that they would start anew. */
  prune(now: number): void {
    for (const [key, entry] of this.#entries) if (this.#isStale(entry.updatedAt, now)) this.#entries.delete(key);
  }

  #isStale(updatedAt: number, at: number): boolean {
    return at - updatedAt > 2 * this.#capMs;
  }
}
