import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Probe } from '../../kube/types.gen.ts';
import type { ProbeOutcome } from './outcome.ts';

export type ProbeType = 'Readiness' | 'Liveness' | 'Startup';

/** Tries of a probe that could not be carried out, before its turn is given up. */
const triesMax = 3;

export interface ProbeWorkerOptions {
  readonly type: ProbeType;
  readonly probe: Probe;
  /** When the container started, milliseconds since the epoch. */
  readonly startedAt: number;
  /** What holds until the probe has spoken; undefined: nothing is known. */
  readonly initial: boolean | undefined;
  /** Milliseconds until the first look. */
  readonly firstDelayMs: number;
  readonly clock: Clock;
  /** Whether it is this probe's turn: others wait for the startup probe, which ends with its first success. */
  readonly isDue: () => boolean;
  readonly attempt: (probe: Probe) => Promise<ProbeOutcome>;
  readonly tell: (reason: 'Unhealthy' | 'ProbeWarning', message: string) => void;
  readonly changed: () => void;
}

/** One probe of one running container, tried at each period until it is disposed. */
export class ProbeWorker implements Disposable {
  /** The result, after thresholds; undefined while nothing is known. */
  result: boolean | undefined;
  readonly #options: ProbeWorkerOptions;
  #last: boolean | undefined;
  #run = 0;
  #isOver = false;
  /** The container failed and will be started anew, as another one. */
  #isOnHold = false;
  #isBusy = false;
  #timer: Disposable;

  constructor(options: ProbeWorkerOptions) {
    this.#options = options;
    this.result = options.initial;
    this.#timer = options.clock.after(options.firstDelayMs, () => this.#tick());
  }

  /** Looks at once instead of at the end of the period. */
  poke(): void {
    if (this.#isOver || this.#isBusy) return;
    this.#timer[Symbol.dispose]();
    this.#tick();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#timer[Symbol.dispose]();
  }

  #tick(): void {
    const { clock, probe } = this.#options;
    const periodMs = (probe.periodSeconds || 10) * 1000;
    const startedAt = clock.monotonic();
    this.#isBusy = true;
    void this.#look().finally(() => {
      this.#isBusy = false;
      if (this.#isOver || this.#isOnHold) return;
      // Periods count from the beginning of a try; one that took longer is followed by the next at once.
      const delayMs = Math.max(0, startedAt + periodMs - clock.monotonic());
      this.#timer = clock.after(delayMs, () => this.#tick());
    });
  }

  async #look(): Promise<void> {
    const { clock, probe, startedAt, isDue } = this.#options;
    if (clock.now() - startedAt < (probe.initialDelaySeconds ?? 0) * 1000 || !isDue()) return;
    const outcome = await this.#attempt();
    if (outcome === undefined || this.#isOver) return;
    this.#count(outcome);
  }

  /** Undefined when the probe could not be tried. */
  async #attempt(): Promise<boolean | undefined> {
    const { type, probe, attempt, tell } = this.#options;
    for (let tries = 1; ; tries += 1) {
      try {
        const { result, output } = await attempt(probe);
        if (this.#isOver) return undefined;
        if (result === 'failure') tell('Unhealthy', `${type} probe failed: ${output}`);
        if (result === 'warning') tell('ProbeWarning', `${type} probe warning: ${output}`);
        return result !== 'failure';
      } catch (thrown) {
        if (this.#isOver) return undefined;
        if (tries < triesMax) continue;
        tell('Unhealthy', `${type} probe errored and resulted in unknown state: ${describeError(thrown)}`);
        return undefined;
      }
    }
  }

  #count(outcome: boolean): void {
    const { type, probe, changed } = this.#options;
    this.#run = outcome === this.#last ? this.#run + 1 : 1;
    this.#last = outcome;
    const threshold = outcome ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
    if (this.#run < threshold) return;
    if (!outcome && type !== 'Readiness') this.#isOnHold = true;
    if (this.result === outcome) return;
    this.result = outcome;
    changed();
  }
}
