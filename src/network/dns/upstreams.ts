import { randomInt } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { TransientError } from '../../core/errors.ts';
import { classes, flagBits, headerBytes, types } from '../../wire/dns/constants.ts';
import { exchange, type ServerAddress, serverText } from './exchange.ts';
import type { ForwardMetrics } from './metrics.ts';

/** Names and meaning as in CoreDNS' forward plugin. */
export type Policy = 'random' | 'round_robin' | 'sequential';

/** How often a name server that failed is asked whether it is back; CoreDNS' own. */
const checkIntervalMs = 500;
/** Failures in a row until it is passed over; CoreDNS' own. */
const failuresMax = 2;
/** All tries for one question together; clients give up then. */
const askMs = 5_000;

/** One name server and how it is doing. */
export class Upstream implements Disposable {
  readonly server: ServerAddress;
  readonly name: string;
  readonly #clock: Clock;
  readonly #metrics: ForwardMetrics;
  #failures = 0;
  #check: Disposable | undefined;
  #isClosed = false;
  /** It passes our own questions back to us. */
  isLoop = false;

  constructor(server: ServerAddress, clock: Clock, metrics: ForwardMetrics) {
    this.server = server;
    this.name = serverText(server);
    this.#clock = clock;
    this.#metrics = metrics;
  }

  get isDown(): boolean {
    return this.#failures >= failuresMax;
  }

  async ask(question: Buffer, questionEnd: number, overTcp: boolean): Promise<Buffer> {
    const began = this.#clock.monotonic();
    try {
      const answer = await exchange(this.server, question, questionEnd, overTcp);
      this.#failures = 0;
      this.#metrics.answered(this.name, answer.readUInt16BE(2) & flagBits.rcode, this.#clock.monotonic() - began);
      return answer;
    } catch (error) {
      this.#failures += 1;
      this.#metrics.failed(this.name);
      this.#scheduleCheck();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#check?.[Symbol.dispose]();
  }

  /** Any answer is a sign of life, as the failure of one name says nothing of the server. */
  #scheduleCheck(): void {
    if (this.#check !== undefined || this.#isClosed) return;
    this.#check = this.#clock.after(checkIntervalMs, () => {
      exchange(this.server, healthQuestion, healthQuestion.length, false).then(
        () => {
          this.#check = undefined;
          this.#failures = 0;
        },
        () => {
          this.#check = undefined;
          this.#metrics.checkFailed(this.name);
          this.#scheduleCheck();
        },
      );
    });
  }
}

/** `. IN NS`, which every resolver knows. */
const healthQuestion = bareQuestion([], types.NS);

/** A query with the recursion desired bit, id 0. */
export function bareQuestion(labels: readonly string[], type: number): Buffer {
  const name = `${labels.map((label) => String.fromCharCode(label.length) + label).join('')}\0`;
  const question = Buffer.alloc(headerBytes + name.length + 4);
  question.writeUInt16BE(flagBits.recursionDesired, 2);
  question.writeUInt16BE(1, 4);
  question.write(name, headerBytes, 'latin1');
  question.writeUInt16BE(type, headerBytes + name.length);
  question.writeUInt16BE(classes.IN, headerBytes + name.length + 2);
  return question;
}

/** Name servers that know the same names; one is chosen for each question, and the next when it fails. */
export class UpstreamGroup implements Disposable {
  readonly upstreams: readonly Upstream[];
  readonly #policy: Policy;
  readonly #overTcp: boolean;
  readonly #clock: Clock;
  readonly #metrics: ForwardMetrics;
  #next = 0;

  constructor(
    servers: readonly ServerAddress[],
    options: {
      readonly policy: Policy;
      readonly overTcp: boolean;
      readonly clock: Clock;
      readonly metrics: ForwardMetrics;
    },
  ) {
    this.#policy = options.policy;
    this.#overTcp = options.overTcp;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.upstreams = servers.map((server) => new Upstream(server, options.clock, options.metrics));
  }

  /** None of them answers at the moment. */
  get isDown(): boolean {
    return this.upstreams.length > 0 && this.upstreams.every(({ isDown, isLoop }) => isDown || isLoop);
  }

  /** Throws TransientError NO_UPSTREAM when no server is left to ask, or none answers in time. */
  async ask(question: Buffer, questionEnd: number): Promise<Buffer> {
    const deadline = this.#clock.monotonic() + askMs;
    let cause: unknown;
    for (const upstream of this.#order()) {
      if (this.#clock.monotonic() >= deadline) break;
      try {
        return await upstream.ask(question, questionEnd, this.#overTcp);
      } catch (error) {
        cause = error;
      }
    }
    throw new TransientError(
      'NO_UPSTREAM',
      this.upstreams.length === 0 ? 'there is no name server to ask' : 'no name server answers',
      {
        cause,
      },
    );
  }

  [Symbol.dispose](): void {
    for (const upstream of this.upstreams) upstream[Symbol.dispose]();
  }

  #order(): readonly Upstream[] {
    const usable = this.upstreams.filter(({ isLoop }) => !isLoop);
    const count = usable.length;
    if (count === 0) return [];
    const first =
      this.#policy === 'sequential' ? 0 : this.#policy === 'random' ? randomInt(count) : this.#next++ % count;
    const order = [...usable.slice(first), ...usable.slice(0, first)];
    const up = order.filter(({ isDown }) => !isDown);
    if (up.length > 0) return up;
    // If all seem down, the checks are more likely wrong than all servers at once: one is tried.
    this.#metrics.allDown();
    return [order[randomInt(count)] ?? usable[0]].filter((upstream) => upstream !== undefined);
  }
}
