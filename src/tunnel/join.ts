import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TokenBucket } from './token-bucket.ts';

/** How long one half may stay open after the other has ended, without a byte, milliseconds. */
const halfOpenMs = 60_000;

/** The rates of both ways; absent ones have no limit. */
export interface Rates {
  readonly forth: TokenBucket;
  readonly back: TokenBucket;
}

/**
 * Makes two connections one: each way as fast as its reader takes it, the end of one half passed on as an end, and a connection
 * that breaks off passed on as a reset, so that nobody takes a part for the whole. Resolves when both are gone.
 */
export function joinConnections(one: Duplex, other: Duplex, rates?: Rates): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  carry(one, other, rates?.forth);
  carry(other, one, rates?.back);
  let open = 2;
  const onClose = () => {
    open--;
    if (open === 0) resolve();
  };
  watchEnd(one, other, onClose);
  watchEnd(other, one, onClose);
  // What has waited for its partner was paused.
  one.resume();
  other.resume();
  return promise;
}

function carry(from: Duplex, to: Duplex, bucket: TokenBucket | undefined): void {
  let isThrottled = false;
  from.on('data', (chunk: Buffer) => {
    if (!to.write(chunk)) from.pause();
    if (bucket === undefined) return;
    const pauseMs = bucket.take(chunk.length);
    if (pauseMs <= 0 || isThrottled) return;
    isThrottled = true;
    from.pause();
    const timer = setTimeout(() => {
      isThrottled = false;
      if (!to.writableNeedDrain) from.resume();
    }, pauseMs);
    from.once('close', () => clearTimeout(timer));
  });
  to.on('drain', () => {
    if (!isThrottled) from.resume();
  });
  from.on('end', () => to.end());
}

function watchEnd(one: Duplex, other: Duplex, onClose: () => void): void {
  let broke = false;
  one.on('error', () => {
    broke = true;
  });
  one.once('close', () => {
    onClose();
    if (other.destroyed) return;
    // Destroyed before it had said that it was done: what the other end has is not the whole.
    if (broke || !one.readableEnded) {
      reset(other);
      return;
    }
    // It takes no more, so nothing that comes from the other end can be delivered; what lies there already goes out.
    other.end();
    const timer = setTimeout(() => reset(other), halfOpenMs);
    other.once('close', () => clearTimeout(timer));
  });
}

/** Breaks a connection off so that its peer sees a failure and no end. */
export function reset(connection: Duplex): void {
  if (connection instanceof Socket && !('encrypted' in connection)) connection.resetAndDestroy();
  else connection.destroy();
}
