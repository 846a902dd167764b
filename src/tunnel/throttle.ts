import { Transform, type TransformCallback } from 'node:stream';
import type { TokenBucket } from './token-bucket.ts';

/** Passes bytes on at a shared rate. */
export class Throttle extends Transform {
  readonly #bucket: TokenBucket;
  #timer: NodeJS.Timeout | undefined;

  constructor(bucket: TokenBucket) {
    super();
    this.#bucket = bucket;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    const pauseMs = this.#bucket.take(chunk.length);
    if (pauseMs <= 0) callback(null, chunk);
    else this.#timer = setTimeout(() => callback(null, chunk), pauseMs);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    callback(error);
  }
}
