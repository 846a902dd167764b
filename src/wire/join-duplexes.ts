import type { Duplex } from 'node:stream';

/** How long an end may keep its half open after the other one is gone, milliseconds. */
const lingerMs = 30_000;

/**
 * Carries bytes both ways, each direction no faster than its reader. When one end is gone the other gets what is already on
 * its way and is ended; if it does not close by itself it is destroyed after a while.
 */
export function joinDuplexes(a: Duplex, b: Duplex): void {
  a.pipe(b);
  b.pipe(a);
  follow(a, b);
  follow(b, a);
}

function follow(one: Duplex, other: Duplex): void {
  one.on('error', () => other.destroy());
  one.once('close', () => {
    if (other.destroyed) return;
    other.end();
    const timer = setTimeout(() => other.destroy(), lingerMs);
    timer.unref();
    other.once('close', () => clearTimeout(timer));
  });
}
