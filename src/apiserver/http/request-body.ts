import { ChunkedDecoder, type Framing } from '../../wire/http1.ts';
import { entityTooLarge } from '../errors.ts';

/** Bytes that are read ahead of the request that is being answered, or of a body that nobody has asked for. */
export const readAheadBytes = 64 * 1024;

/** The body of one request, as much of it as has come. */
export class RequestBody {
  readonly #limitBytes: number;
  readonly #chunked: ChunkedDecoder | undefined;
  /** Bytes that are still to come, where that is known. */
  #left: number;
  #parts: Buffer[] = [];
  #size = 0;
  #isDiscarded = false;
  #error: Error | undefined;
  #reader: PromiseWithResolvers<Buffer> | undefined;

  constructor(framing: Framing, limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#chunked = framing.type === 'chunked' ? new ChunkedDecoder() : undefined;
    this.#left = framing.type === 'length' ? framing.bytes : 0;
    if (this.#left > limitBytes) this.#tooLarge();
  }

  get isComplete(): boolean {
    return this.#chunked === undefined ? this.#left === 0 : this.#chunked.isDone;
  }

  get isUntouched(): boolean {
    return this.#size === 0;
  }

  /** More has come than is kept for somebody who has not asked. */
  get isUnwanted(): boolean {
    return this.#reader === undefined && !this.#isDiscarded && this.#size > readAheadBytes;
  }

  /** Takes what belongs to the body; returns how much that was. Throws Http1Error. */
  push(bytes: Buffer): number {
    let taken: number;
    if (this.#chunked === undefined) {
      const part = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
      taken = part.length;
      this.#left -= taken;
      this.#add(part);
    } else taken = this.#chunked.push(bytes, (part) => this.#add(part));
    if (this.isComplete) this.#settle();
    return taken;
  }

  #add(part: Buffer): void {
    if (this.#isDiscarded) return;
    this.#size += part.length;
    this.#parts.push(part);
    if (this.#size > this.#limitBytes) this.#tooLarge();
  }

  /** Rejects with a StatusError when it is too large or breaks off. */
  read(): Promise<Buffer> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.isComplete) return Promise.resolve(this.#whole());
    this.#reader ??= Promise.withResolvers();
    return this.#reader.promise;
  }

  /** The rest is read over. */
  discard(): void {
    this.#isDiscarded = true;
    this.#parts = [];
  }

  fail(error: Error): void {
    if (this.isComplete && this.#error === undefined) return;
    this.#error ??= error;
    this.#settle();
  }

  #tooLarge(): void {
    this.discard();
    this.fail(entityTooLarge(this.#limitBytes));
  }

  #settle(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    if (this.#error !== undefined) reader.reject(this.#error);
    else reader.resolve(this.#whole());
  }

  #whole(): Buffer {
    const [first] = this.#parts;
    return this.#parts.length === 1 && first !== undefined ? first : Buffer.concat(this.#parts);
  }
}
