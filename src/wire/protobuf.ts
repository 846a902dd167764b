/**
 * Protocol buffers (proto3), as much as CRI and containerd's API need, from field tables in TypeScript. A message is a
 * table `{ name: field }`; its decoded and its encodable type follow from the table. Unknown fields are skipped.
 * 64-bit integers are JavaScript numbers: nanosecond timestamps lose their last two digits, nothing else is that large.
 * Source: protobuf.dev/programming-guides/encoding.
 */
export type ScalarType = 'string' | 'bool' | 'int32' | 'int64' | 'uint32' | 'uint64' | 'bytes';

interface ScalarValues {
  readonly string: string;
  readonly bool: boolean;
  readonly int32: number;
  readonly int64: number;
  readonly uint32: number;
  readonly uint64: number;
  readonly bytes: Uint8Array;
}

export interface ScalarField<S extends ScalarType = ScalarType> {
  readonly shape: 'scalar';
  readonly number: number;
  readonly type: S;
}
export interface MessageField<F extends Fields = Fields> {
  readonly shape: 'message';
  readonly number: number;
  readonly type: Message<F>;
}
export interface ScalarListField<S extends ScalarType = ScalarType> {
  readonly shape: 'scalars';
  readonly number: number;
  readonly type: S;
}
export interface MessageListField<F extends Fields = Fields> {
  readonly shape: 'messages';
  readonly number: number;
  readonly type: Message<F>;
}
/** map<string, string>: the only map that the APIs spoken here have. */
export interface MapField {
  readonly shape: 'map';
  readonly number: number;
}

export type Field = ScalarField | MessageField | ScalarListField | MessageListField | MapField;
export interface Fields {
  readonly [name: string]: Field;
}

export interface Message<F extends Fields = Fields> {
  readonly fields: F;
  readonly byNumber: ReadonlyMap<number, readonly [string, Field]>;
}

type DecodedField<T> =
  T extends ScalarField<infer S>
    ? ScalarValues[S]
    : T extends ScalarListField<infer S>
      ? readonly ScalarValues[S][]
      : T extends MessageListField<infer F>
        ? readonly DecodedFields<F>[]
        : T extends MessageField<infer F>
          ? DecodedFields<F> | undefined
          : Readonly<Record<string, string>>;
type DecodedFields<F extends Fields> = { readonly [K in keyof F]: DecodedField<F[K]> };

type EncodableField<T> =
  T extends ScalarField<infer S>
    ? ScalarValues[S]
    : T extends ScalarListField<infer S>
      ? readonly ScalarValues[S][]
      : T extends MessageListField<infer F>
        ? readonly EncodableFields<F>[]
        : T extends MessageField<infer F>
          ? EncodableFields<F>
          : Readonly<Record<string, string>>;
type EncodableFields<F extends Fields> = { readonly [K in keyof F]?: EncodableField<F[K]> | undefined };

/** What `decode` gives: every field is there, with proto3's default where the wire had none; messages may be undefined. */
export type Decoded<M> = M extends Message<infer F> ? DecodedFields<F> : never;
/** What `encode` takes: any subset of the fields. */
export type Encodable<M> = M extends Message<infer F> ? EncodableFields<F> : never;

export function message<F extends Fields>(fields: F): Message<F> {
  return { fields, byNumber: new Map(Object.entries(fields).map(([name, field]) => [field.number, [name, field]])) };
}

export const string = (number: number): ScalarField<'string'> => ({ shape: 'scalar', number, type: 'string' });
export const bool = (number: number): ScalarField<'bool'> => ({ shape: 'scalar', number, type: 'bool' });
export const int32 = (number: number): ScalarField<'int32'> => ({ shape: 'scalar', number, type: 'int32' });
export const int64 = (number: number): ScalarField<'int64'> => ({ shape: 'scalar', number, type: 'int64' });
export const uint32 = (number: number): ScalarField<'uint32'> => ({ shape: 'scalar', number, type: 'uint32' });
export const uint64 = (number: number): ScalarField<'uint64'> => ({ shape: 'scalar', number, type: 'uint64' });
export const bytes = (number: number): ScalarField<'bytes'> => ({ shape: 'scalar', number, type: 'bytes' });
export const map = (number: number): MapField => ({ shape: 'map', number });
export const sub = <F extends Fields>(number: number, type: Message<F>): MessageField<F> => ({
  shape: 'message',
  number,
  type,
});
export const list = <F extends Fields>(number: number, type: Message<F>): MessageListField<F> => ({
  shape: 'messages',
  number,
  type,
});
export const scalars = <S extends ScalarType>(number: number, type: S): ScalarListField<S> => ({
  shape: 'scalars',
  number,
  type,
});

/** The bytes on the wire; fields in the table's order, defaults left out. */
export function encode<F extends Fields>(type: Message<F>, value: EncodableFields<F>): Uint8Array {
  const out: number[] = [];
  writeMessage(out, type, value);
  return Uint8Array.from(out);
}

/** Throws RangeError when the bytes are not a message. */
export function decode<F extends Fields>(type: Message<F>, data: Uint8Array): DecodedFields<F> {
  return readMessage(type, data, 0, data.length) as DecodedFields<F>;
}

const utf8 = new TextEncoder();
const text = new TextDecoder();
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

function writeMessage(out: number[], type: Message, value: Readonly<Record<string, unknown>>): void {
  for (const [name, field] of Object.entries(type.fields)) {
    const member = value[name];
    if (member === undefined) continue;
    switch (field.shape) {
      case 'scalar':
        if (!isDefault(member)) writeScalar(out, field.number, field.type, member);
        break;
      case 'message':
        writeNested(out, field.number, field.type, member);
        break;
      case 'scalars':
        for (const item of member as readonly unknown[]) writeScalar(out, field.number, field.type, item);
        break;
      case 'messages':
        for (const item of member as readonly unknown[]) writeNested(out, field.number, field.type, item);
        break;
      case 'map':
        for (const [key, item] of Object.entries(member as Record<string, string>)) {
          writeNested(out, field.number, mapEntry, { key, value: item });
        }
    }
  }
}

const mapEntry = message({ key: string(1), value: string(2) });

function isDefault(value: unknown): boolean {
  return value === 0 || value === '' || value === false || (value instanceof Uint8Array && value.length === 0);
}

function writeNested(out: number[], number: number, type: Message, value: unknown): void {
  const body: number[] = [];
  writeMessage(body, type, value as Readonly<Record<string, unknown>>);
  writeBytes(out, number, body);
}

function writeScalar(out: number[], number: number, type: ScalarType, value: unknown): void {
  if (type === 'string') {
    writeBytes(out, number, utf8.encode(value as string));
  } else if (type === 'bytes') {
    writeBytes(out, number, value as Uint8Array);
  } else {
    writeVarint(out, number * 8 + VARINT);
    writeVarint(out, Number(value));
  }
}

function writeBytes(out: number[], number: number, body: ArrayLike<number>): void {
  writeVarint(out, number * 8 + LENGTH);
  writeVarint(out, body.length);
  for (let index = 0; index < body.length; index += 1) out.push(body[index] ?? 0);
}

function writeVarint(out: number[], value: number): void {
  if (value < 0 || value > Number.MAX_SAFE_INTEGER) {
    // Negative numbers are sign-extended to 64 bits.
    for (let rest = BigInt.asUintN(64, BigInt(Math.trunc(value))); ; rest >>= 7n) {
      if (rest < 128n) {
        out.push(Number(rest));
        return;
      }
      out.push(Number(rest & 127n) | 128);
    }
  }
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
}

function readMessage(type: Message, data: Uint8Array, start: number, end: number): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(type.fields)) value[name] = emptyValue(field);
  const cursor = { at: start, end };
  while (cursor.at < end) {
    const tag = readVarint(data, cursor);
    const wire = tag & 7;
    const known = type.byNumber.get(Math.floor(tag / 8));
    if (known === undefined) {
      skip(data, cursor, wire);
      continue;
    }
    const [name, field] = known;
    if (wire === LENGTH) {
      const length = readVarint(data, cursor);
      const from = cursor.at;
      const to = advance(cursor, length);
      readDelimited(value, name, field, data, from, to);
    } else if (wire === VARINT && (field.shape === 'scalar' || field.shape === 'scalars')) {
      const number = fromVarint(field.type, data, cursor);
      if (field.shape === 'scalars') (value[name] as unknown[]).push(number);
      else value[name] = number;
    } else {
      skip(data, cursor, wire);
    }
  }
  return value;
}

function readDelimited(
  value: Record<string, unknown>,
  name: string,
  field: Field,
  data: Uint8Array,
  from: number,
  to: number,
): void {
  switch (field.shape) {
    case 'message':
      value[name] = readMessage(field.type, data, from, to);
      break;
    case 'messages':
      (value[name] as unknown[]).push(readMessage(field.type, data, from, to));
      break;
    case 'map': {
      const entry = readMessage(mapEntry, data, from, to);
      (value[name] as Record<string, unknown>)[entry['key'] as string] = entry['value'];
      break;
    }
    case 'scalar':
      value[name] = field.type === 'bytes' ? data.slice(from, to) : text.decode(data.subarray(from, to));
      break;
    case 'scalars': {
      const items = value[name] as unknown[];
      if (field.type === 'string') items.push(text.decode(data.subarray(from, to)));
      else if (field.type === 'bytes') items.push(data.slice(from, to));
      else
        for (const cursor = { at: from, end: to }; cursor.at < to; ) items.push(fromVarint(field.type, data, cursor));
    }
  }
}

function emptyValue(field: Field): unknown {
  switch (field.shape) {
    case 'message':
      return undefined;
    case 'scalars':
    case 'messages':
      return [];
    case 'map':
      return {};
    case 'scalar':
      if (field.type === 'string') return '';
      if (field.type === 'bytes') return new Uint8Array(0);
      return field.type === 'bool' ? false : 0;
  }
}

interface Cursor {
  at: number;
  readonly end: number;
}

function fromVarint(type: ScalarType, data: Uint8Array, cursor: Cursor): number | boolean {
  if (type === 'bool') return readVarint(data, cursor) !== 0;
  if (type === 'int64' || type === 'int32') return readSigned(data, cursor);
  return readVarint(data, cursor);
}

function readVarint(data: Uint8Array, cursor: Cursor): number {
  let value = 0;
  let scale = 1;
  for (let count = 0; count < 10; count += 1) {
    const byte = data[cursor.at];
    if (byte === undefined || cursor.at >= cursor.end) throw new RangeError('protobuf: message ends inside a number');
    cursor.at += 1;
    value += (byte & 127) * scale;
    if (byte < 128) return value;
    scale *= 128;
  }
  throw new RangeError('protobuf: number longer than 10 bytes');
}

/** Negative numbers come as ten bytes, two's complement; their value does not fit a double, so the bytes are added up apart. */
function readSigned(data: Uint8Array, cursor: Cursor): number {
  const start = cursor.at;
  const magnitude = readVarint(data, cursor);
  if (cursor.at - start < 10) return magnitude;
  let exact = 0n;
  for (let index = cursor.at - 1; index >= start; index -= 1) exact = (exact << 7n) | BigInt((data[index] ?? 0) & 127);
  return Number(BigInt.asIntN(64, exact));
}

function advance(cursor: Cursor, length: number): number {
  if (cursor.at + length > cursor.end) throw new RangeError('protobuf: field is longer than its message');
  cursor.at += length;
  return cursor.at;
}

function skip(data: Uint8Array, cursor: Cursor, wire: number): void {
  switch (wire) {
    case VARINT:
      readVarint(data, cursor);
      return;
    case FIXED64:
      advance(cursor, 8);
      return;
    case LENGTH:
      advance(cursor, readVarint(data, cursor));
      return;
    case FIXED32:
      advance(cursor, 4);
      return;
    default:
      throw new RangeError(`protobuf: wire type ${wire} is not known`);
  }
}
