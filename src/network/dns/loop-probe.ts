import { randomInt } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { types } from '../../wire/dns/constants.ts';
import { exchange } from './exchange.ts';
import type { QuestionHandler } from './handler.ts';
import { bareQuestion, type Upstream } from './upstreams.ts';

/** How often servers that lead back here, or do not answer, are tried again. */
const probeIntervalMs = 10_000;

/**
 * Finds name servers that pass our questions back to us, as CoreDNS' loop plugin does: each is asked for a name that nobody
 * else knows, and must not be heard to ask for it. Where they do they are not asked any more, until they do so no longer.
 */
export class LoopProbe implements Disposable {
  readonly #handler: QuestionHandler;
  readonly #clock: Clock;
  readonly #changed: (upstream: Upstream) => void;
  #upstreams: readonly Upstream[] = [];
  #timer: Disposable | undefined;
  #isClosed = false;

  constructor(handler: QuestionHandler, clock: Clock, changed: (upstream: Upstream) => void) {
    this.#handler = handler;
    this.#clock = clock;
    this.#changed = changed;
  }

  /** Probes these from now on, all of them at once now. */
  async watch(upstreams: readonly Upstream[]): Promise<void> {
    this.#upstreams = upstreams;
    this.#timer?.[Symbol.dispose]();
    await Promise.all(upstreams.map((upstream) => this.#probe(upstream)));
    if (this.#upstreams === upstreams) this.#again();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
  }

  #again(): void {
    if (this.#isClosed) return;
    this.#timer = this.#clock.after(probeIntervalMs, () => {
      const upstreams = this.#upstreams;
      const doubtful = upstreams.filter(({ isLoop, isDown }) => isLoop || isDown);
      void Promise.all(doubtful.map((upstream) => this.#probe(upstream))).then(() => {
        if (this.#upstreams === upstreams) this.#again();
      });
    });
  }

  async #probe(upstream: Upstream): Promise<void> {
    const labels = [String(randomInt(2 ** 47)), String(randomInt(2 ** 47))];
    let isLoop = false;
    using _ = this.#handler.expectLoop(labels, () => {
      isLoop = true;
    });
    const question = bareQuestion(labels, types.HINFO);
    // Whether and what it answers does not matter: only whether it asks us.
    const isAnswered = await exchange(upstream.server, question, question.length, false).then(
      () => true,
      () => false,
    );
    if (this.#isClosed || isLoop === upstream.isLoop || (!isLoop && !isAnswered)) return;
    upstream.isLoop = isLoop;
    this.#changed(upstream);
  }
}
