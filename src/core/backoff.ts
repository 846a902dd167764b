/** How long to wait between tries: `baseMs`, then `factor` times longer each time, never above `capMs`. */
export interface BackoffPolicy {
  readonly baseMs: number;
  readonly capMs: number;
  /** Growth per try; 2 when absent. */
  readonly factor?: number;
  /** Up to this share of the delay is taken off at random, so that many clients don't come back together; 0.2 when absent. */
  readonly jitter?: number;
}

/** The delay before try number `attempt` (0 for the first one after a failure). Pure but for `random`, which yields [0, 1). */
export function backoffDelayMs(policy: BackoffPolicy, attempt: number, random: () => number = Math.random): number {
  const { baseMs, capMs, factor = 2, jitter = 0.2 } = policy;
  // The exponent is bounded, so that a long outage can't overflow to infinity times zero.
  const full = Math.min(capMs, baseMs * factor ** Math.min(attempt, 64));
  return full * (1 - jitter * random());
}

/** A counter of failures over a policy. */
export interface Backoff {
  /** The delay for the failure that just happened. */
  next(): number;
  /** Called after a success. */
  reset(): void;
}

export function createBackoff(policy: BackoffPolicy, random: () => number = Math.random): Backoff {
  let attempt = 0;
  return {
    next: () => backoffDelayMs(policy, attempt++, random),
    reset: () => {
      attempt = 0;
    },
  };
}
