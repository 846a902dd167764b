import { wireTypes } from './wire-reader.ts';

const startBytes = 4096;

/**
 * Writes protobuf's wire format from the end of a buffer to its beginning: a message's length is known once its fields
 * are there, so that nothing is measured or copied. Callers write fields and list elements last to first, and the tag
 * after the value.
 */
export class WireWriter {
  #buffer = Buffer.allocUnsafe(startBytes);
  #at = startBytes;

  /** Bytes written so far. */
  get size(): number {
    return this.#buffer.length - this.#at;
  }

  /** What was written; valid until the writer is written to again. */
  bytes(): Buffer {
    return this.#buffer.subarray(this.#at);
  }

  tag(fieldNumber: number, wireType: number): void {
    this.varint(fieldNumber * 8 + wireType);
  }

  /** Length and tag of what was written since `size` was `before`. */
  wrap(fieldNumber: number, before: number): void {
    this.varint(this.size - before);
    this.tag(fieldNumber, wireTypes.length);
  }

  /** An integer; negative ones as 64 bits, two's complement. */
  varint(value: number): void {
    if (value >= 0 && value < 0x8000_0000) {
      this.#smallVarint(value);
      return;
    }
    const groups: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(Math.trunc(value)));
    for (; rest >= 128n; rest >>= 7n) groups.push(Number(rest & 127n) | 128);
    groups.push(Number(rest));
    this.raw(Buffer.from(groups));
  }

  bool(value: boolean): void {
    this.#reserve(1);
    this.#buffer[this.#at] = value ? 1 : 0;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#buffer.writeDoubleLE(value, this.#at);
  }

  /** Text as it stands, without a length. */
  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.#reserve(length);
    this.#buffer.write(value, this.#at, length, 'utf8');
  }

  /** Bytes as they stand, without a length. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#at);
  }

  #smallVarint(value: number): void {
    const length = value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    this.#reserve(length);
    let rest = value;
    for (let index = 0; index < length - 1; index += 1) {
      this.#buffer[this.#at + index] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#buffer[this.#at + length - 1] = rest;
  }

  #reserve(length: number): void {
    if (this.#at < length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.size + length));
      const at = grown.length - this.size;
      this.#buffer.copy(grown, at, this.#at);
      this.#buffer = grown;
      this.#at = at;
    }
    this.#at -= length;
  }
}
