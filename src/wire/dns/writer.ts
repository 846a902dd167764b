import { headerBytes, types } from './constants.ts';
import { type Labels, lowerCase } from './name.ts';

/** What a record says. Bytes stand for every type whose data holds no names. */
export type RecordData =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'name'; readonly target: Labels }
  | {
      readonly kind: 'srv';
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: Labels;
    }
  | {
      readonly kind: 'soa';
      readonly primary: Labels;
      readonly mailbox: Labels;
      /** serial, refresh, retry, expire, minimum. */
      readonly numbers: readonly [number, number, number, number, number];
    };

/** A record of class IN. */
export interface ResourceRecord {
  readonly name: Labels;
  readonly type: number;
  /** Seconds. */
  readonly ttl: number;
  readonly data: RecordData;
}

/** Pointers are 14 bits wide. */
const pointerOffsetMax = 0x3fff;

/**
 * Writes one message into a buffer that is used again for the next: `bytes` must be sent or copied before that. Names are
 * compressed against the question and all names before. Writing beyond `limit` changes nothing and returns false.
 */
export class MessageWriter {
  readonly #buffer: Buffer;
  readonly #names = new Map<string, number>();
  #at = 0;
  #limit = 0;
  #questionName: Labels = [];

  constructor(capacity: number) {
    this.#buffer = Buffer.allocUnsafeSlow(capacity);
  }

  get length(): number {
    return this.#at;
  }

  /** The message so far; a view, not a copy. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  /** Begins a message that repeats the question of `query` (in lower case: `labels`) as it stands there. */
  start(query: Buffer, questionEnd: number, labels: Labels, limit: number): void {
    query.copy(this.#buffer, 0, 0, questionEnd);
    this.#buffer.fill(0, 4, headerBytes);
    this.#buffer[5] = questionEnd > headerBytes ? 1 : 0;
    this.#at = questionEnd;
    this.#limit = Math.min(limit, this.#buffer.length);
    this.#questionName = labels;
    if (this.#names.size > 0) this.#names.clear();
  }

  header(id: number, flags: number): void {
    this.#put16(0, id);
    this.#put16(2, flags);
  }

  /** Adds a record to section 6 (answers), 8 (authorities) or 10 (additionals): the offset of its count in the header. */
  record(section: 6 | 8 | 10, { name, type, ttl, data }: ResourceRecord): boolean {
    const begin = this.#at;
    // The longest record without its own bytes: three names and 30 bytes of numbers.
    const most = 3 * 256 + 30 + (data.kind === 'bytes' ? data.bytes.length : 0);
    if (begin + most > this.#buffer.length) return false;
    this.#name(name, true);
    const fields = this.#at;
    this.#put16(fields, type);
    this.#put16(fields + 2, 1);
    this.#buffer.writeUInt32BE(ttl, fields + 4);
    this.#at = fields + 10;
    this.#data(data);
    if (this.#at > this.#limit) {
      this.#at = begin;
      for (const [key, offset] of this.#names) if (offset >= begin) this.#names.delete(key);
      return false;
    }
    this.#put16(fields + 8, this.#at - fields - 10);
    this.#count(section);
    return true;
  }

  /** RFC 6891 6.1.2. */
  opt(udpBytes: number, extendedRcode: number, dnssecOk: boolean): void {
    const at = this.#at;
    this.#buffer[at] = 0;
    this.#put16(at + 1, types.OPT);
    this.#put16(at + 3, udpBytes);
    this.#buffer[at + 5] = extendedRcode;
    this.#buffer[at + 6] = 0;
    this.#put16(at + 7, dnssecOk ? 0x8000 : 0);
    this.#put16(at + 9, 0);
    this.#at += 11;
    this.#count(10);
  }

  #data(data: RecordData): void {
    switch (data.kind) {
      case 'bytes':
        this.#buffer.set(data.bytes, this.#at);
        this.#at += data.bytes.length;
        return;
      case 'name':
        this.#name(data.target, true);
        return;
      case 'srv':
        this.#put16(this.#at, data.priority);
        this.#put16(this.#at + 2, data.weight);
        this.#put16(this.#at + 4, data.port);
        this.#at += 6;
        // RFC 2782: not compressed; later names may point here.
        this.#name(data.target, false);
        return;
      case 'soa':
        this.#name(data.primary, true);
        this.#name(data.mailbox, true);
        for (const number of data.numbers) {
          this.#buffer.writeUInt32BE(number >>> 0, this.#at);
          this.#at += 4;
        }
        return;
    }
  }

  #name(labels: Labels, compressed: boolean): void {
    const pointer = compressed ? this.#questionOffset(labels) : -1;
    if (pointer >= 0) {
      this.#put16(this.#at, 0xc000 | pointer);
      this.#at += 2;
      return;
    }
    for (let i = 0; i < labels.length; i += 1) {
      const inQuestion = compressed && i > 0 ? this.#questionOffset(labels, i) : -1;
      const key = lowerCase(labels.slice(i).join('\0'));
      const known = inQuestion >= 0 ? inQuestion : compressed ? this.#names.get(key) : undefined;
      if (known !== undefined) {
        this.#put16(this.#at, 0xc000 | known);
        this.#at += 2;
        return;
      }
      if (this.#at <= pointerOffsetMax && !this.#names.has(key)) this.#names.set(key, this.#at);
      const label = labels[i] ?? '';
      this.#buffer[this.#at] = label.length;
      this.#buffer.write(label, this.#at + 1, 'latin1');
      this.#at += 1 + label.length;
    }
    this.#buffer[this.#at] = 0;
    this.#at += 1;
  }

  /** Where the question holds the name that `labels` from `from` on are; -1 when it does not. */
  #questionOffset(labels: Labels, from = 0): number {
    const question = this.#questionName;
    const skipped = question.length - (labels.length - from);
    if (skipped < 0 || labels.length === from) return -1;
    if (labels !== question || from > 0) {
      for (let i = labels.length - 1; i >= from; i -= 1) {
        if (question[skipped + i - from] !== labels[i]) return -1;
      }
    }
    let offset: number = headerBytes;
    for (let i = 0; i < skipped; i += 1) offset += 1 + (question[i]?.length ?? 0);
    return offset;
  }

  #count(section: number): void {
    this.#put16(section, ((this.#buffer[section] ?? 0) << 8) + (this.#buffer[section + 1] ?? 0) + 1);
  }

  #put16(offset: number, value: number): void {
    this.#buffer[offset] = value >>> 8;
    this.#buffer[offset + 1] = value;
  }
}
