import { TunnelProtocolError } from './tunnel-frames.ts';

/**
 * How a TCP stream travels on a data connection once it is opened.
 *
 *     block := length (4 bytes, big endian, 1 to 2^30)  bytes  |  0 (the end of this half)  |  2^32 - 1 (the connection was reset)
 */

/** Longest block; a receiver passes its bytes on as they come and holds none back. */
const blockBytesMax = 2 ** 30;
const resetMark = 2 ** 32 - 1;
const headBytes = 4;

/** These bytes (at least one) as a block: in one piece, because a write costs more than a copy. */
export function encodeBlock(bytes: Uint8Array): Buffer {
  const block = Buffer.allocUnsafe(headBytes + bytes.length);
  block.writeUInt32BE(bytes.length);
  block.set(bytes, headBytes);
  return block;
}

/** This half has ended, as was meant. */
export const endOfBlocks: Buffer = Buffer.from([0, 0, 0, 0]);
/** The connection behind the tunnel broke off. */
export const resetOfBlocks: Buffer = Buffer.from([0xff, 0xff, 0xff, 0xff]);

export interface BlockSink {
  bytes(chunk: Buffer): void;
  end(): void;
  reset(): void;
}

/** Reads blocks as their pieces come. */
export class BlockParser {
  readonly #sink: BlockSink;
  readonly #head = Buffer.alloc(headBytes);
  #headLength = 0;
  #left = 0;
  #isOver = false;

  constructor(sink: BlockSink) {
    this.#sink = sink;
  }

  /** Throws TunnelProtocolError for what no sender of blocks writes. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#isOver) throw new TunnelProtocolError('something follows the end of a stream');
      if (this.#left > 0) {
        const size = Math.min(this.#left, chunk.length - at);
        this.#left -= size;
        this.#sink.bytes(chunk.subarray(at, at + size));
        at += size;
        continue;
      }
      const size = Math.min(headBytes - this.#headLength, chunk.length - at);
      chunk.copy(this.#head, this.#headLength, at, at + size);
      this.#headLength += size;
      at += size;
      if (this.#headLength === headBytes) this.#begin();
    }
  }

  #begin(): void {
    this.#headLength = 0;
    const length = this.#head.readUInt32BE();
    if (length === 0 || length === resetMark) {
      this.#isOver = true;
      if (length === 0) this.#sink.end();
      else this.#sink.reset();
      return;
    }
    if (length > blockBytesMax) throw new TunnelProtocolError(`a block announces ${length} bytes`);
    this.#left = length;
  }
}
