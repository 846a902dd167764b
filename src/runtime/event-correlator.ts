import type { Clock } from '../core/clock.ts';
import type { KubeObject } from '../kube/object.ts';

/** Distinct messages of one reason on one object, within the window, before they are combined (client-go's numbers). */
const combineAfter = 10;
const combineWindowMs = 600_000;
/** Each source may write this many Events on one object at once, and one more every refill interval. */
const burst = 25;
const refillMs = 300_000;
/** Entries of each memory; the oldest are forgotten. */
const memoryEntries = 4096;

export interface EventFact {
  readonly about: KubeObject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** Of the part of the object that it is about. */
  readonly fieldPath?: string;
}

/** What to write: nothing, a new Event, or one more count on the Event written under `name` before. */
export type Correlated =
  | { readonly action: 'drop' }
  | { readonly action: 'create'; readonly key: string; readonly message: string }
  | {
      readonly action: 'count';
      readonly key: string;
      readonly message: string;
      readonly name: string;
      readonly count: number;
      readonly firstTimestamp: string;
    };

interface Written {
  readonly name: string;
  readonly count: number;
  readonly firstTimestamp: string;
}

/**
 * Keeps Events from flooding the cluster: repeats are counted on one Event, many similar ones are combined, and each
 * object's rate is bounded.
 */
export interface EventCorrelator {
  correlate(fact: EventFact): Correlated;
  /** Remembers what stands under the key of a Correlated. */
  written(key: string, event: Written): void;
}

export function createEventCorrelator(clock: Clock): EventCorrelator {
  const buckets = new Bounded<{ tokens: number; at: number }>(memoryEntries);
  const similar = new Bounded<{ messages: Set<string>; at: number }>(memoryEntries);
  const known = new Bounded<Written>(memoryEntries);

  function takeToken(object: string): boolean {
    const now = clock.monotonic();
    const bucket = buckets.get(object) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refillMs);
    const allowed = tokens >= 1;
    buckets.set(object, { tokens: allowed ? tokens - 1 : tokens, at: now });
    return allowed;
  }

  function combine(group: string, message: string): { readonly key: string; readonly message: string } {
    const now = clock.monotonic();
    let entry = similar.get(group);
    if (!entry || now - entry.at > combineWindowMs) entry = { messages: new Set(), at: now };
    entry.at = now;
    if (entry.messages.size < combineAfter) entry.messages.add(message);
    similar.set(group, entry);
    if (entry.messages.size < combineAfter) return { key: `${group}\0${message}`, message };
    return { key: group, message: `(combined from similar events): ${message}` };
  }

  return {
    correlate({ about, type, reason, message, fieldPath = '' }) {
      const { namespace = '', name = '', uid = '' } = about.metadata;
      const object = [about.apiVersion, about.kind, namespace, name, uid].join('\0');
      const combined = combine([object, fieldPath, type, reason].join('\0'), message);
      if (!takeToken(object)) return { action: 'drop' };
      const before = known.get(combined.key);
      if (!before) return { action: 'create', ...combined };
      const { firstTimestamp } = before;
      return { action: 'count', ...combined, name: before.name, count: before.count + 1, firstTimestamp };
    },
    written: (key, event) => known.set(key, event),
  };
}

/** A map that forgets its least recently set entry when full. */
class Bounded<V> {
  readonly #entries = new Map<string, V>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#max) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }
}
