import type { Clock } from '../../core/clock.ts';
import { TransientError } from '../../core/errors.ts';
import { readAnswer, type WholeAnswer } from '../../wire/dns/answer.ts';
import { flagBits, headerBytes, rcodes, types } from '../../wire/dns/constants.ts';
import { type Labels, nameBytes } from '../../wire/dns/name.ts';
import type { Query } from '../../wire/dns/query.ts';
import { AnswerCache, type CachedAnswer, staleTtlSeconds } from './answer-cache.ts';
import type { CacheMetrics, ForwardMetrics } from './metrics.ts';
import type { UpstreamGroup } from './upstreams.ts';

/** Questions that are under way to other servers, of all clients and of one. */
const inFlightMax = 1_000;
const inFlightOfClientMax = 250;
/** What we take over UDP: longer datagrams would be cut into fragments (DNS flag day 2020). */
export const udpBytesMax = 1_232;

/** How names are passed on: to whom, and how long answers are kept. */
export interface ForwardRoute {
  readonly group: UpstreamGroup;
  readonly cacheSecondsMax: number;
}

/** An answer, with the seconds by which its TTLs have to be lowered; `staleTtl` instead of them when it is past its time. */
export interface ForwardedAnswer {
  readonly answer: WholeAnswer;
  readonly ageSeconds: number;
  readonly staleTtl?: number;
  readonly isCached: boolean;
}

/** The question as upstream servers and the cache see it. */
interface Wanted {
  readonly labels: Labels;
  readonly type: number;
  readonly class: number;
  readonly dnssecOk: boolean;
  readonly checkingDisabled: boolean;
  readonly recursionDesired: boolean;
}

export function wantedOf(query: Query): Wanted {
  return {
    labels: query.labels,
    type: query.type,
    class: query.class,
    dnssecOk: query.edns?.dnssecOk ?? false,
    checkingDisabled: (query.flags & flagBits.checkingDisabled) !== 0,
    recursionDesired: (query.flags & flagBits.recursionDesired) !== 0,
  };
}

/** Asks other name servers and keeps what they say; equal questions at the same time are asked once. */
export class Forwarder {
  readonly #clock: Clock;
  readonly #metrics: ForwardMetrics;
  readonly #cacheMetrics: CacheMetrics;
  readonly #cache: AnswerCache;
  readonly #asked = new Map<string, Promise<WholeAnswer>>();
  readonly #ofClients = new Map<string, number>();

  constructor(options: { readonly clock: Clock; readonly forward: ForwardMetrics; readonly cache: CacheMetrics }) {
    this.#clock = options.clock;
    this.#metrics = options.forward;
    this.#cacheMetrics = options.cache;
    this.#cache = new AnswerCache(options.cache);
  }

  /** Routes have changed: what was learned by the old ones is forgotten. */
  forget(): void {
    this.#cache.clear();
  }

  /** What is known already; undefined when somebody has to be asked. */
  known(wanted: Wanted): ForwardedAnswer | undefined {
    const now = this.#clock.monotonic();
    const entry = this.#cache.get(keyOf(wanted), now);
    if (entry === undefined || now >= entry.expiresMs) return undefined;
    this.#cacheMetrics.hits[entry.answer.isNegative ? 'denial' : 'success'] += 1;
    return { answer: entry.answer, ageSeconds: Math.floor((now - entry.storedMs) / 1000), isCached: true };
  }

  /**
   * Asks, for `client`. While no server answers, an answer that is past its time is better than none. Throws TransientError
   * NO_UPSTREAM, or BUSY when too many questions are under way.
   */
  async ask(wanted: Wanted, route: ForwardRoute, client: string): Promise<ForwardedAnswer> {
    const key = keyOf(wanted);
    this.#cacheMetrics.misses += 1;
    const stale = this.#cache.get(key, this.#clock.monotonic());
    const ofClient = this.#ofClients.get(client) ?? 0;
    if (ofClient >= inFlightOfClientMax || (!this.#asked.has(key) && this.#asked.size >= inFlightMax)) {
      this.#metrics.rejects += 1;
      throw new TransientError('BUSY', 'too many questions are under way');
    }
    this.#ofClients.set(client, ofClient + 1);
    try {
      const flight = this.#fly(key, wanted, route);
      // Servers that are known to be away are asked all the same, but nobody waits for them.
      if (stale !== undefined && route.group.isDown) {
        flight.catch(() => {});
        return this.#stale(stale);
      }
      const answer = await flight;
      if (answer.rcode === rcodes.SERVFAIL && stale !== undefined) return this.#stale(stale);
      return { answer, ageSeconds: 0, isCached: false };
    } catch (error) {
      if (stale === undefined) throw error;
      return this.#stale(stale);
    } finally {
      const left = (this.#ofClients.get(client) ?? 1) - 1;
      if (left > 0) this.#ofClients.set(client, left);
      else this.#ofClients.delete(client);
    }
  }

  #stale({ answer }: CachedAnswer): ForwardedAnswer {
    this.#cacheMetrics.served_stale += 1;
    return { answer, ageSeconds: 0, staleTtl: staleTtlSeconds, isCached: true };
  }

  #fly(key: string, wanted: Wanted, route: ForwardRoute): Promise<WholeAnswer> {
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked;
    const flight = this.#fetch(key, wanted, route).finally(() => this.#asked.delete(key));
    this.#asked.set(key, flight);
    return flight;
  }

  async #fetch(key: string, wanted: Wanted, { group, cacheSecondsMax }: ForwardRoute): Promise<WholeAnswer> {
    const { message, questionEnd } = questionOf(wanted);
    let answer = readAnswer(await group.ask(message, questionEnd));
    if (answer.rcode === rcodes.FORMERR && !wanted.dnssecOk) {
      // A server of before 1999, or a router that behaves like one, does not know EDNS (RFC 6891 7).
      const plain = message.subarray(0, questionEnd);
      plain.writeUInt16BE(0, 10);
      answer = readAnswer(await group.ask(plain, questionEnd));
    }
    this.#cache.store(key, answer, this.#clock.monotonic(), cacheSecondsMax);
    return answer;
  }
}

/** Name, type, class and the bits that change what is answered. */
function keyOf({ labels, type, class: of, dnssecOk, checkingDisabled, recursionDesired }: Wanted): string {
  const bits = (dnssecOk ? 4 : 0) | (checkingDisabled ? 2 : 0) | (recursionDesired ? 1 : 0);
  // No label holds more than 63 bytes, so lengths in front keep apart what dots would not.
  let key = `${type} ${of} ${bits}`;
  for (const label of labels) key += String.fromCharCode(label.length) + label;
  return key;
}

/** A query of our own, with room for answers as long as we take them over UDP. */
function questionOf(wanted: Wanted): { readonly message: Buffer; readonly questionEnd: number } {
  const name = nameBytes(wanted.labels);
  const questionEnd = headerBytes + name.length + 4;
  const message = Buffer.alloc(questionEnd + 11);
  const flags =
    (wanted.recursionDesired ? flagBits.recursionDesired : 0) |
    (wanted.checkingDisabled ? flagBits.checkingDisabled : 0) |
    flagBits.authenticData;
  message.writeUInt16BE(flags, 2);
  message.writeUInt16BE(1, 4);
  message.writeUInt16BE(1, 10);
  name.copy(message, headerBytes);
  message.writeUInt16BE(wanted.type, questionEnd - 4);
  message.writeUInt16BE(wanted.class, questionEnd - 2);
  message.writeUInt16BE(types.OPT, questionEnd + 1);
  message.writeUInt16BE(udpBytesMax, questionEnd + 3);
  message.writeUInt16BE(wanted.dnssecOk ? 0x8000 : 0, questionEnd + 7);
  return { message, questionEnd };
}
