import type { Duplex } from 'node:stream';
import { BlockParser, encodeBlock, endOfBlocks, resetOfBlocks } from '../wire/tunnel-blocks.ts';
import { type Rates, reset } from './join.ts';
import type { TokenBucket } from './token-bucket.ts';

/**
 * Joins a user's or an upstream's TCP connection with a data connection, on which bytes travel in blocks: so an end that was
 * meant, a connection that was reset and a process that died are three things, and nobody takes a part for the whole. Each way is as
 * fast as its reader. Resolves when both are gone.
 */
export function joinFramed(plain: Duplex, tunnel: Duplex, rates?: Rates): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const halves = { out: false, in: false };
  const finish = () => {
    // Both have said that they are done: what is still to be written goes out first.
    if (halves.out && halves.in) tunnel.end();
  };
  sendBlocks(plain, tunnel, rates?.forth, () => {
    halves.out = true;
    finish();
  });
  receiveBlocks(tunnel, plain, rates?.back, () => {
    halves.in = true;
    finish();
  });
  let open = 2;
  const onClose = () => {
    open--;
    if (open === 0) resolve();
  };
  plain.on('error', () => {});
  plain.once('close', () => {
    onClose();
    if (tunnel.destroyed) return;
    if (halves.out && halves.in) tunnel.end();
    else tunnel.end(resetOfBlocks);
    tunnel.resume();
  });
  tunnel.on('error', () => {});
  tunnel.once('end', () => tunnel.end());
  tunnel.once('close', () => {
    onClose();
    if (!plain.destroyed && !(halves.out && halves.in)) reset(plain);
  });
  plain.resume();
  tunnel.resume();
  return promise;
}

function sendBlocks(plain: Duplex, tunnel: Duplex, bucket: TokenBucket | undefined, onEnd: () => void): void {
  const flow = new Flow(plain, tunnel, bucket);
  plain.on('data', (chunk: Buffer) => {
    if (tunnel.writableEnded) return;
    flow.passed(chunk.length, tunnel.write(encodeBlock(chunk)));
  });
  plain.once('end', () => {
    if (tunnel.writableEnded) return;
    tunnel.write(endOfBlocks);
    onEnd();
  });
}

function receiveBlocks(tunnel: Duplex, plain: Duplex, bucket: TokenBucket | undefined, onEnd: () => void): void {
  const flow = new Flow(tunnel, plain, bucket);
  const parser = new BlockParser({
    bytes(chunk) {
      if (plain.writableEnded || plain.destroyed) return;
      flow.passed(chunk.length, plain.write(chunk));
    },
    end() {
      plain.end();
      onEnd();
    },
    reset() {
      reset(plain);
    },
  });
  tunnel.on('data', (chunk: Buffer) => {
    try {
      parser.push(chunk);
    } catch (error) {
      // Not our protocol; the close that follows resets the other side.
      tunnel.destroy(error instanceof Error ? error : undefined);
    }
  });
}

/** Holds a source back while its sink is full or its rate is used up. */
class Flow {
  readonly #from: Duplex;
  readonly #bucket: TokenBucket | undefined;
  #isFull = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Duplex, to: Duplex, bucket: TokenBucket | undefined) {
    this.#from = from;
    this.#bucket = bucket;
    to.on('drain', () => {
      this.#isFull = false;
      if (this.#timer === undefined) from.resume();
    });
    from.once('close', () => clearTimeout(this.#timer));
  }

  passed(bytes: number, isTaken: boolean): void {
    if (!isTaken) {
      this.#isFull = true;
      this.#from.pause();
    }
    const pauseMs = this.#bucket?.take(bytes) ?? 0;
    if (pauseMs <= 0 || this.#timer !== undefined) return;
    this.#from.pause();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#isFull) this.#from.resume();
    }, pauseMs);
  }
}
