import type { WholeAnswer } from '../../wire/dns/answer.ts';
import type { CacheMetrics } from './metrics.ts';

/** As in k3s' Corefile: no answer is older than this, whatever its TTL. */
export const cacheSecondsDefault = 30;
/** Answers of both kinds together: what CoreDNS keeps. */
const cacheEntriesMax = 19_968;
/** Bytes of all that are kept. */
const cacheBytesMax = 16 * 1024 * 1024;
/** How long an answer may be told after its time while no name server answers (RFC 8767 5; CoreDNS' serve_stale). */
const staleSecondsMax = 3_600;
/** RFC 8767 4: what such an answer is given as TTL. */
export const staleTtlSeconds = 30;

export interface CachedAnswer {
  readonly answer: WholeAnswer;
  readonly storedMs: number;
  readonly expiresMs: number;
}

/** Answers of upstream servers by question. Bounded by number and by bytes; the one that was stored first goes first. */
export class AnswerCache {
  readonly #entries = new Map<string, CachedAnswer>();
  readonly #metrics: CacheMetrics;
  #bytes = 0;
  #negative = 0;

  constructor(metrics: CacheMetrics) {
    this.#metrics = metrics;
    metrics.entries = () => ({ success: this.#entries.size - this.#negative, denial: this.#negative });
  }

  /** What is kept, also beyond its time as long as it may be told in need; `expiresMs` says so. */
  get(key: string, nowMs: number): CachedAnswer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (nowMs < entry.expiresMs + staleSecondsMax * 1000) return entry;
    this.#remove(key, entry);
    return undefined;
  }

  /** `secondsMax` 0: nothing is kept. */
  store(key: string, answer: WholeAnswer, nowMs: number, secondsMax: number): void {
    const seconds = Math.min(answer.keepSeconds, secondsMax);
    if (seconds <= 0) return;
    const old = this.#entries.get(key);
    if (old !== undefined) this.#remove(key, old);
    this.#entries.set(key, { answer, storedMs: nowMs, expiresMs: nowMs + seconds * 1000 });
    this.#bytes += answer.bytes.length;
    if (answer.isNegative) this.#negative += 1;
    while (this.#entries.size > cacheEntriesMax || this.#bytes > cacheBytesMax) {
      const first = this.#entries.entries().next();
      if (first.done) return;
      this.#remove(...first.value);
      this.#metrics.evicted(first.value[1].answer.isNegative);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
    this.#negative = 0;
  }

  #remove(key: string, { answer }: CachedAnswer): void {
    this.#entries.delete(key);
    this.#bytes -= answer.bytes.length;
    if (answer.isNegative) this.#negative -= 1;
  }
}
