import type { Clock } from '../core/clock.ts';

/** Lets a bounded number of works run at the same time; the others wait, those of the lowest order first. */
export interface Turns {
  /** Equal orders go as they came. Rejects when `signal` is aborted before the work's turn comes. */
  take<T>(order: number, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export interface TurnsOptions {
  /** Works at the same time. */
  readonly width: number;
  /** A work that takes longer than this many milliseconds goes on, but its place is given to the next: what hangs keeps nobody waiting. */
  readonly patience?: { readonly ms: number; readonly clock: Clock };
}

interface Waiting {
  readonly order: number;
  readonly begin: () => void;
}

export function createTurns({ width, patience }: TurnsOptions): Turns {
  let running = 0;
  /** By order, and as they came. */
  const waiting: Waiting[] = [];

  function enter(order: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (running < width) {
      running += 1;
      return Promise.resolve();
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => {
      waiting.splice(waiting.indexOf(entry), 1);
      reject(signal.reason);
    };
    const entry: Waiting = {
      order,
      begin() {
        signal.removeEventListener('abort', giveUp);
        resolve();
      },
    };
    const at = waiting.findIndex((other) => other.order > order);
    waiting.splice(at === -1 ? waiting.length : at, 0, entry);
    signal.addEventListener('abort', giveUp, { once: true });
    return promise;
  }

  /** The place is handed on, so that nobody can slip in between. */
  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next.begin();
  }

  return {
    async take(order, signal, work) {
      await enter(order, signal);
      let isIn = true;
      const leaveOnce = () => {
        if (isIn) leave();
        isIn = false;
      };
      const timer = patience?.clock.after(patience.ms, leaveOnce);
      try {
        return await work();
      } finally {
        timer?.[Symbol.dispose]();
        leaveOnce();
      }
    },
  };
}
