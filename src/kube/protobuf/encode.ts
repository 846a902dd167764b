import { WherryError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { parseGoDuration } from '../go-duration.ts';
import { prefix } from './decode.ts';
import { type Message, type MessageField, messageOf, type UnionKind, type ValueType } from './messages.ts';
import { parseTime } from './special-values.ts';
import { wireTypes } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

const typeMetaField = 1;
const rawField = 2;

/** True for an object whose kind has a protobuf message. */
export function isEncodable(object: object): boolean {
  const { apiVersion, kind } = object as { readonly apiVersion?: unknown; readonly kind?: unknown };
  return typeof apiVersion === 'string' && typeof kind === 'string' && messageOf(apiVersion, kind) !== undefined;
}

/** An object in its envelope: the body of an answer. Throws NOT_MARSHALABLE for a kind without a message. */
export function encodeEnvelope(object: object): Buffer {
  const writer = new WireWriter();
  writeEnvelope(writer, object);
  return Buffer.from(writer.bytes());
}

/**
 * One event of a watch: the length of a metav1.WatchEvent, 4 bytes big-endian, and the event itself without an envelope.
 * Its object is in one.
 */
export function encodeWatchFrame(type: string, object: object): Buffer {
  const writer = new WireWriter();
  writeEnvelope(writer, object);
  writer.wrap(1, 0);
  writer.wrap(2, 0);
  const before = writer.size;
  writer.text(type);
  writer.wrap(1, before);
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(writer.size);
  writer.raw(length);
  return Buffer.from(writer.bytes());
}

/** The bytes of a message alone. */
export function encodeMessage(message: Message, object: Readonly<Record<string, unknown>>): Buffer {
  const writer = new WireWriter();
  writeFields(writer, message, object);
  return Buffer.from(writer.bytes());
}

function writeEnvelope(writer: WireWriter, object: object): void {
  const members = object as Readonly<Record<string, unknown>>;
  const { apiVersion, kind } = members;
  const message = typeof apiVersion === 'string' && typeof kind === 'string' ? messageOf(apiVersion, kind) : undefined;
  if (message === undefined) {
    throw new WherryError('NOT_MARSHALABLE', `${String(kind)} in ${String(apiVersion)} has no protobuf message`);
  }
  // Upstream writes the encoding and the content type too, which are empty.
  for (const number of [4, 3]) writer.wrap(number, writer.size);
  const beforeRaw = writer.size;
  writeFields(writer, message, members);
  writer.wrap(rawField, beforeRaw);
  const beforeType = writer.size;
  writeText(writer, 2, String(kind));
  writeText(writer, 1, String(apiVersion));
  writer.wrap(typeMetaField, beforeType);
  writer.raw(prefix);
}

// The order of fields is descending here and ascending on the wire.
function writeFields(writer: WireWriter, message: Message, object: Readonly<Record<string, unknown>>): void {
  for (const field of message.byName.values()) {
    const value = Object.hasOwn(object, field.name) ? object[field.name] : undefined;
    if (value !== undefined && value !== null) writeField(writer, field, value);
  }
  for (const { number, type } of message.embedded) {
    if (type.kind !== 'message') continue;
    const before = writer.size;
    writeFields(writer, type.message, object);
    if (writer.size > before) writer.wrap(number, before);
  }
}

function writeField(writer: WireWriter, field: MessageField, value: unknown): void {
  if (field.shape === 'list') {
    if (Array.isArray(value)) for (const item of value.toReversed()) writeValue(writer, field.number, field.type, item);
  } else if (field.shape === 'map') {
    if (isObject(value)) writeMap(writer, field, value);
  } else writeValue(writer, field.number, field.type, value);
}

function writeMap(writer: WireWriter, { number, type }: MessageField, map: Readonly<Record<string, unknown>>): void {
  for (const key of Object.keys(map).sort().reverse()) {
    const before = writer.size;
    writeValue(writer, 2, type, map[key]);
    writeText(writer, 1, key);
    writer.wrap(number, before);
  }
}

function writeText(writer: WireWriter, number: number, value: string): void {
  const before = writer.size;
  writer.text(value);
  writer.wrap(number, before);
}

function writeInteger(writer: WireWriter, number: number, value: unknown): void {
  writer.varint(typeof value === 'number' && Number.isFinite(value) ? value : 0);
  writer.tag(number, wireTypes.varint);
}

/** Null (in a list or map) is Go's zero of the type. */
function writeValue(writer: WireWriter, number: number, type: ValueType, value: unknown): void {
  switch (type.kind) {
    case 'string':
      writeText(writer, number, typeof value === 'string' ? value : '');
      return;
    case 'bool':
      writer.bool(value === true);
      writer.tag(number, wireTypes.varint);
      return;
    case 'int32':
    case 'int64':
      writeInteger(writer, number, value);
      return;
    case 'double':
      writer.double(typeof value === 'number' ? value : 0);
      writer.tag(number, wireTypes.fixed64);
      return;
    default: {
      const before = writer.size;
      writeContent(writer, type, value);
      writer.wrap(number, before);
    }
  }
}

/** What stands between a length and the end: the fields of a message, or bytes. */
function writeContent(writer: WireWriter, type: ValueType, value: unknown): void {
  switch (type.kind) {
    case 'bytes':
      writer.raw(Buffer.from(typeof value === 'string' ? value : '', 'base64'));
      return;
    case 'message':
      if (isObject(value)) writeFields(writer, type.message, value);
      return;
    case 'slice':
      writeFields(writer, type.message, { items: value });
      return;
    case 'json':
      if (value === null || value === undefined) return;
      writeText(writer, 1, JSON.stringify(value));
      return;
    case 'quantity':
      if (typeof value === 'string' || typeof value === 'number') writeText(writer, 1, String(value));
      return;
    case 'int-or-string':
      writeIntOrString(writer, value);
      return;
    case 'time':
    case 'micro-time':
      writeTime(writer, value, type.kind === 'micro-time');
      return;
    case 'duration':
      writeInteger(writer, 1, typeof value === 'string' ? (parseGoDuration(value).nanoseconds ?? 0) : value);
      return;
    case 'schema-or-array':
    case 'schema-or-bool':
    case 'schema-or-strings':
      writeUnion(writer, type.kind, type.message, value);
  }
}

function writeIntOrString(writer: WireWriter, value: unknown): void {
  const isText = typeof value === 'string';
  writeText(writer, 3, isText ? value : '');
  writeInteger(writer, 2, isText ? 0 : value);
  writeInteger(writer, 1, isText ? 1 : 0);
}

// Go's zero time has no bytes.
function writeTime(writer: WireWriter, value: unknown, withMicros: boolean): void {
  const time = typeof value === 'string' ? parseTime(value) : undefined;
  if (time === undefined) return;
  writeInteger(writer, 2, withMicros ? time.nanos - (time.nanos % 1000) : 0);
  writeInteger(writer, 1, time.seconds);
}

function writeUnion(writer: WireWriter, kind: UnionKind, message: Message, value: unknown): void {
  const schemas: ValueType = { kind: 'message', message };
  if (kind === 'schema-or-bool') {
    if (isObject(value)) writeValue(writer, 2, schemas, value);
    writeValue(writer, 1, { kind: 'bool' }, isObject(value) || value === true);
    return;
  }
  if (Array.isArray(value)) {
    const items: ValueType = kind === 'schema-or-array' ? schemas : { kind: 'string' };
    for (const item of value.toReversed()) writeValue(writer, 2, items, item);
  } else if (isObject(value)) writeValue(writer, 1, schemas, value);
}
