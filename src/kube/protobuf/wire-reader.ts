import { WherryError } from '../../core/errors.ts';

/** Bytes that are no protobuf message of the type expected. The message is in the words of a Go API server. */
export class ProtobufError extends WherryError {
  constructor(message: string) {
    super('MALFORMED_PROTOBUF', message);
  }
}

export const wireTypes = { varint: 0, fixed64: 1, length: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

/**
 * Reads protobuf's wire format from a range of a buffer (protobuf.dev/programming-guides/encoding). 64-bit numbers are
 * kept as two halves; what is asked for as a number is rounded as JSON's numbers are. Throws ProtobufError.
 */
export class WireReader {
  readonly #bytes: Buffer;
  #at: number;
  #end: number;
  #low = 0;
  #high = 0;
  /** Of the tag read last. */
  fieldNumber = 0;
  wireType = 0;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** Reads a tag into fieldNumber and wireType. `messageName` stands in the error. */
  tag(messageName: string): void {
    this.#varint();
    this.wireType = this.#low & 7;
    this.fieldNumber = (this.#high << 29) | (this.#low >>> 3);
    if (this.wireType === wireTypes.endGroup) {
      throw new ProtobufError(`proto: ${messageName}: wiretype end group for non-group`);
    }
    if (this.fieldNumber <= 0) {
      const tag = this.#high * 0x1_0000_0000 + this.#low;
      throw new ProtobufError(`proto: ${messageName}: illegal tag ${this.fieldNumber} (wire type ${tag})`);
    }
  }

  int32(): number {
    this.#varint();
    return this.#low | 0;
  }

  int64(): number {
    this.#varint();
    return (this.#high | 0) * 0x1_0000_0000 + this.#low;
  }

  bool(): boolean {
    this.#varint();
    return (this.#low | this.#high) !== 0;
  }

  double(): number {
    const at = this.#advance(8);
    return this.#bytes.readDoubleLE(at);
  }

  string(): string {
    const length = this.#length();
    const at = this.#advance(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  /** A view of the bytes, not a copy. */
  bytes(): Buffer {
    const length = this.#length();
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Reads a length and narrows the reader to so many bytes; `leave` with what it returned goes back. */
  enter(): number {
    const length = this.#length();
    const outer = this.#end;
    const from = this.#advance(length);
    this.#at = from;
    this.#end = from + length;
    return outer;
  }

  leave(outer: number): void {
    this.#at = this.#end;
    this.#end = outer;
  }

  /** Skips the value of the tag read last; groups nest. */
  skip(): void {
    let wireType = this.wireType;
    for (let depth = 0; ; ) {
      switch (wireType) {
        case wireTypes.varint:
          this.#varint();
          break;
        case wireTypes.fixed64:
          this.#advance(8);
          break;
        case wireTypes.length:
          this.#advance(this.#length());
          break;
        case wireTypes.startGroup:
          depth += 1;
          break;
        case wireTypes.endGroup:
          if (depth === 0) throw new ProtobufError('proto: unexpected end of group');
          depth -= 1;
          break;
        case wireTypes.fixed32:
          this.#advance(4);
          break;
        default:
          throw new ProtobufError(`proto: illegal wireType ${wireType}`);
      }
      if (depth === 0) return;
      this.#varint();
      wireType = this.#low & 7;
    }
  }

  #length(): number {
    this.#varint();
    if (this.#high >= 0x8000_0000) throw new ProtobufError('proto: negative length found during unmarshaling');
    return this.#high * 0x1_0000_0000 + this.#low;
  }

  #advance(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw unexpectedEnd();
    this.#at = at + length;
    return at;
  }

  #varint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      if (this.#at >= this.#end) throw unexpectedEnd();
      const byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      const bits = byte & 127;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 128) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw new ProtobufError('proto: integer overflow');
  }
}

function unexpectedEnd(): ProtobufError {
  return new ProtobufError('unexpected EOF');
}
