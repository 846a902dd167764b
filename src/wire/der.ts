import { WherryError } from '../core/errors.ts';

/**
 * Distinguished Encoding Rules of ASN.1 (ITU-T X.690): as much as certificates, requests for them and keys need.
 * Reading is strict (definite, minimal lengths) and bounded: no input makes it loop, recurse deeply or crash.
 */

/** The input is not DER, or not the structure that was asked for. */
export class DerError extends WherryError {
  constructor(message: string) {
    super('BAD_DER', message);
  }
}

/** Identifier octets of the universal types that are used here. */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of `[number]` in a context: constructed for explicit tags, primitive for implicit simple types. */
export function contextTag(number: number, constructed: boolean): number {
  return 0x80 | (constructed ? 0x20 : 0) | number;
}

// --- writing ---------------------------------------------------------------------------------------------------

/** One element: identifier, length, content. */
export function element(identifier: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([identifier]), lengthOctets(length), ...contents]);
}

export function sequence(...items: readonly Uint8Array[]): Buffer {
  return element(tag.sequence, ...items);
}

/** SET OF: the elements are put in the order that DER demands. */
export function setOf(...items: readonly Uint8Array[]): Buffer {
  return element(tag.set, ...items.toSorted((a, b) => Buffer.compare(a, b)));
}

/** A non-negative integer, from a number or from big-endian bytes. */
export function integer(value: number | Uint8Array): Buffer {
  let bytes = typeof value === 'number' ? numberBytes(value) : Buffer.from(value);
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  bytes = bytes.subarray(start);
  return (bytes[0] ?? 0) & 0x80 ? element(tag.integer, Buffer.from([0]), bytes) : element(tag.integer, bytes);
}

export function boolean(value: boolean): Buffer {
  return element(tag.boolean, Buffer.from([value ? 0xff : 0]));
}

/** A BIT STRING of whole bytes, or of named bits with `unused` bits at the end left out. */
export function bitString(bytes: Uint8Array, unused = 0): Buffer {
  return element(tag.bitString, Buffer.from([unused]), bytes);
}

export function octetString(bytes: Uint8Array): Buffer {
  return element(tag.octetString, bytes);
}

export function utf8String(text: string): Buffer {
  return element(tag.utf8String, Buffer.from(text, 'utf8'));
}

/** An object identifier from its dotted form. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const octets: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    octets.push(...groups);
  }
  return element(tag.oid, Buffer.from(octets));
}

/** UTCTime until 2049, GeneralizedTime from 2050, as RFC 5280 (4.1.2.5) says; seconds, UTC. */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const generalized = Number(digits.slice(0, 4)) >= 2050;
  return generalized
    ? element(tag.generalizedTime, Buffer.from(digits, 'latin1'))
    : element(tag.utcTime, Buffer.from(digits.slice(2), 'latin1'));
}

function lengthOctets(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = numberBytes(length);
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

function numberBytes(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; left > 0; left = Math.floor(left / 256)) bytes.unshift(left & 0xff);
  return Buffer.from(bytes.length === 0 ? [0] : bytes);
}

// --- reading ---------------------------------------------------------------------------------------------------

/** One element as it stands in its input. */
export interface Element {
  readonly identifier: number;
  readonly content: Uint8Array;
  /** Identifier, length and content: what signatures are made over. */
  readonly raw: Uint8Array;
}

/** Reads the elements of some bytes one after the other; every method throws DerError when the next one is not what it asks for. */
export class DerReader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  /** The identifier of the next element; -1 at the end. */
  peek(): number {
    return this.bytes[this.at] ?? -1;
  }

  next(): Element {
    const start = this.at;
    const identifier = this.octet();
    if ((identifier & 0x1f) === 0x1f) throw new DerError('tags above 30 are not supported');
    const length = this.length();
    if (length > this.bytes.length - this.at) throw new DerError('an element is longer than its input');
    const content = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return { identifier, content, raw: this.bytes.subarray(start, this.at) };
  }

  expect(identifier: number, what: string): Element {
    if (this.peek() !== identifier) throw new DerError(`expected ${what}, found tag 0x${this.peek().toString(16)}`);
    return this.next();
  }

  /** The next element when it has this identifier; undefined (and nothing is read) when not. */
  optional(identifier: number): Element | undefined {
    return this.peek() === identifier ? this.next() : undefined;
  }

  sequence(what: string): DerReader {
    return new DerReader(this.expect(tag.sequence, what).content);
  }

  /** Throws unless everything was read. */
  end(what: string): void {
    if (!this.done) throw new DerError(`unexpected data after ${what}`);
  }

  private octet(): number {
    const octet = this.bytes[this.at++];
    if (octet === undefined) throw new DerError('the input ends inside an element');
    return octet;
  }

  private length(): number {
    const first = this.octet();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0) throw new DerError('indefinite lengths are not DER');
    if (count > 4) throw new DerError('a length has more than four octets');
    let length = 0;
    for (let index = 0; index < count; index++) length = length * 256 + this.octet();
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw new DerError('a length is not minimal');
    return length;
  }
}

/** The dotted form of an object identifier's content. */
export function readOid(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  let open = false;
  for (const octet of content) {
    if (!open && octet === 0x80) throw new DerError('an object identifier is not minimal');
    arc = arc * 128 + (octet & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw new DerError('an object identifier is too large');
    open = (octet & 0x80) !== 0;
    if (open) continue;
    if (arcs.length === 0) {
      const first = Math.min(2, Math.floor(arc / 40));
      arcs.push(first, arc - first * 40);
    } else arcs.push(arc);
    arc = 0;
  }
  if (open || arcs.length === 0) throw new DerError('an object identifier is cut off');
  return arcs.join('.');
}

/** The text of any of the string types that names use. */
export function readString(item: Element): string {
  switch (item.identifier) {
    case tag.utf8String:
    case tag.printableString:
    case tag.ia5String:
      return Buffer.from(item.content).toString('utf8');
    case tag.teletexString:
      return Buffer.from(item.content).toString('latin1');
    case tag.bmpString: {
      if (item.content.length % 2 !== 0) throw new DerError('a BMPString has an odd length');
      return Buffer.from(item.content).swap16().toString('utf16le');
    }
    default:
      throw new DerError(`tag 0x${item.identifier.toString(16)} is not a string`);
  }
}

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime. */
export function readTime(item: Element): number {
  const text = Buffer.from(item.content).toString('latin1');
  const generalized = item.identifier === tag.generalizedTime;
  if (!generalized && item.identifier !== tag.utcTime) throw new DerError('not a time');
  const match = (
    generalized ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
  ).exec(text);
  if (match === null) throw new DerError('a time is malformed');
  const [year = 0, month = 0, ...rest] = match.slice(1).map(Number);
  const full = generalized ? year : year + (year < 50 ? 2000 : 1900);
  return Date.UTC(full, month - 1, rest[0], rest[1], rest[2], rest[3]);
}

/** The bytes of a BIT STRING without unused bits. */
export function readBitString(item: Element): Uint8Array {
  if (item.identifier !== tag.bitString || item.content[0] !== 0) throw new DerError('not a bit string of whole bytes');
  return item.content.subarray(1);
}
