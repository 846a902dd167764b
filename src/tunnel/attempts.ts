import { isIPv6 } from 'node:net';
import { backoffDelayMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { addressBytes } from '../wire/x509.ts';

/** How long somebody with a wrong token is kept out: twice as long each time. */
const penalty = { baseMs: 1000, capMs: 60_000, jitter: 0 };
/** Addresses that are remembered; the oldest is forgotten. */
const sourcesMax = 10_000;
/** A failure that nobody repeated is forgotten after this time. */
const forgetMs = 600_000;

interface Source {
  readonly failures: number;
  readonly untilMs: number;
}

/** Who came with a wrong token, by address (IPv6: by the /64 that one subscriber has). */
export class Attempts {
  readonly #sources = new Map<string, Source>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds for which this address is not listened to; 0 when it may try. */
  blockedMs(address: string): number {
    const source = this.#sources.get(groupOf(address));
    return source === undefined ? 0 : Math.max(0, Math.ceil(source.untilMs - this.#clock.monotonic()));
  }

  /** Notes a wrong token and returns for how long the address is kept out now. */
  failed(address: string): number {
    const group = groupOf(address);
    const now = this.#clock.monotonic();
    const before = this.#sources.get(group);
    const failures = before === undefined || now - before.untilMs > forgetMs ? 0 : before.failures;
    const waitMs = backoffDelayMs(penalty, failures);
    this.#sources.delete(group);
    this.#sources.set(group, { failures: failures + 1, untilMs: now + waitMs });
    const oldest = this.#sources.size > sourcesMax ? this.#sources.keys().next().value : undefined;
    if (oldest !== undefined) this.#sources.delete(oldest);
    return waitMs;
  }

  succeeded(address: string): void {
    this.#sources.delete(groupOf(address));
  }
}

/** Whom a failure counts against. */
export function groupOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  return isIPv6(plain) ? `${addressBytes(plain).subarray(0, 8).toString('hex')}::/64` : plain;
}
