/** Lets a bounded number of works run at the same time; the others wait, the more urgent ones first, else in order. */
export interface Turns {
  /** `urgency` 1 goes before 0. Rejects when `signal` is aborted before the work's turn comes. */
  take<T>(urgency: 0 | 1, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export function createTurns(width: number): Turns {
  let running = 0;
  const waiting: readonly [(() => void)[], (() => void)[]] = [[], []];
  return {
    async take(urgency, signal, work) {
      if (running < width) running += 1;
      else await new Promise<void>((resolve) => waiting[urgency].push(resolve));
      try {
        signal.throwIfAborted();
        return await work();
      } finally {
        // The place is handed on, so that nobody can slip in between.
        const next = waiting[1].shift() ?? waiting[0].shift();
        if (next === undefined) running -= 1;
        else next();
      }
    },
  };
}
