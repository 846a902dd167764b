import type { Clock } from '../core/clock.ts';
import { describeError, WherryError } from '../core/errors.ts';

/** What `status` says of one component. */
export interface ComponentStatus {
  readonly name: string;
  readonly state: 'starting' | 'running' | 'failed' | 'stopped';
  /** What it does or why it does not, for a person. */
  readonly message: string;
  /** How long the start took, or has taken so far. */
  readonly startMs: number;
  readonly hint?: string;
}

export type ProgressListener = (status: ComponentStatus) => void;

/** The steps of a start, in order, as `up` shows them and `status` repeats them. */
export class Progress {
  readonly #clock: Clock;
  readonly #components = new Map<string, ComponentStatus>();
  readonly #listeners = new Set<ProgressListener>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs one step of the start and records how it went; what it throws is recorded and thrown on. */
  async step<T>(name: string, run: () => Promise<T>, describe: (result: T) => string = () => 'ready'): Promise<T> {
    const began = this.#clock.monotonic();
    const elapsed = () => Math.round(this.#clock.monotonic() - began);
    this.#set({ name, state: 'starting', message: 'starting', startMs: 0 });
    try {
      const result = await run();
      this.#set({ name, state: 'running', message: describe(result), startMs: elapsed() });
      return result;
    } catch (error) {
      const hint = error instanceof WherryError ? error.hint : undefined;
      this.#set({
        name,
        state: 'failed',
        message: describeError(error),
        startMs: elapsed(),
        ...(hint === undefined ? {} : { hint }),
      });
      throw error;
    }
  }

  /** A component changed after its start. */
  report(name: string, state: ComponentStatus['state'], message: string): void {
    const startMs = this.#components.get(name)?.startMs ?? 0;
    this.#set({ name, state, message, startMs });
  }

  get components(): readonly ComponentStatus[] {
    return [...this.#components.values()];
  }

  /** Calls `listener` for every component as it stands and for every change. */
  subscribe(listener: ProgressListener): Disposable {
    for (const status of this.#components.values()) listener(status);
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  #set(status: ComponentStatus): void {
    this.#components.set(status.name, status);
    for (const listener of this.#listeners) listener(status);
  }
}
