import { isObject, setMember } from '../../core/json.ts';
import { type Message, type MessageField, messageOf, type UnionKind, type ValueType } from './messages.ts';
import { durationText, timeText } from './special-values.ts';
import { ProtobufError, WireReader, wireTypes } from './wire-reader.ts';

/** Messages may nest this deep: JSONSchemaProps is the only one that contains itself. */
export const maxMessageDepth = 500;

/** What stands before every object: `k8s` and a zero byte; a runtime.Unknown follows. */
export const prefix = Buffer.from('k8s\0', 'latin1');

/** runtime.Unknown: an object's type and the bytes of its message. */
export interface Envelope {
  /** Empty when the client did not say. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Buffer;
}

/** Opens the envelope of a body. Throws ProtobufError. */
export function openEnvelope(bytes: Buffer): Envelope {
  if (bytes.length === 0) throw new ProtobufError('empty data');
  if (!bytes.subarray(0, prefix.length).equals(prefix)) {
    const expected = `[${[...prefix].join(' ')}]`;
    throw new ProtobufError(`provided data does not appear to be a protobuf message, expected prefix ${expected}`);
  }
  if (bytes.length === prefix.length) throw new ProtobufError('empty body');
  const reader = new WireReader(bytes, prefix.length);
  let [apiVersion, kind, raw] = ['', '', bytes.subarray(bytes.length)];
  while (!reader.isAtEnd) {
    reader.tag('Unknown');
    if (reader.fieldNumber === 1) {
      expectWire(reader, wireTypes.length, 'TypeMeta');
      const outer = reader.enter();
      while (!reader.isAtEnd) {
        reader.tag('TypeMeta');
        if (reader.fieldNumber === 1) apiVersion = stringOf(reader, 'APIVersion');
        else if (reader.fieldNumber === 2) kind = stringOf(reader, 'Kind');
        else reader.skip();
      }
      reader.leave(outer);
    } else if (reader.fieldNumber === 2) {
      expectWire(reader, wireTypes.length, 'Raw');
      raw = reader.bytes();
    } else reader.skip();
  }
  return { apiVersion, kind, raw };
}

/** What an envelope says of its API version; undefined for bytes that are none. */
export function peekApiVersion(bytes: Buffer): string | undefined {
  try {
    return openEnvelope(bytes).apiVersion;
  } catch (thrown) {
    if (thrown instanceof ProtobufError) return undefined;
    throw thrown;
  }
}

/**
 * The object in an envelope as a JSON client would have sent it; undefined when its kind has no message. Throws
 * ProtobufError.
 */
export function decodeEnvelope({ apiVersion, kind, raw }: Envelope): Record<string, unknown> | undefined {
  const message = messageOf(apiVersion, kind);
  return message === undefined ? undefined : { kind, apiVersion, ...decodeMessage(message, raw) };
}

/** A message as its JSON object. Unknown fields are passed over. Throws ProtobufError. */
export function decodeMessage(message: Message, bytes: Buffer): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  readFields(new WireReader(bytes), message, object, 0);
  return object;
}

// A message that comes twice is merged, as Go's decoders do.
function readFields(reader: WireReader, message: Message, object: Record<string, unknown>, depth: number): void {
  if (depth > maxMessageDepth) throw new ProtobufError('exceeded max depth');
  while (!reader.isAtEnd) {
    reader.tag(message.name);
    const field = message.byNumber.get(reader.fieldNumber);
    if (field === undefined) reader.skip();
    else readField(reader, field, object, depth);
  }
}

function readField(reader: WireReader, field: MessageField, object: Record<string, unknown>, depth: number): void {
  const { name, type } = field;
  switch (field.shape) {
    case 'embedded':
      readNested(reader, field, object, depth);
      return;
    case 'map': {
      const known = object[name];
      const map = isObject(known) ? known : {};
      object[name] = map;
      readEntry(reader, field, map, depth);
      return;
    }
    case 'list': {
      const known = object[name];
      const list: unknown[] = Array.isArray(known) ? known : [];
      object[name] = list;
      if (reader.wireType === wireTypes.length && isNumeric(type)) readPacked(reader, field, list);
      else list.push(readValue(reader, field, undefined, depth));
      return;
    }
    default:
      object[name] = readValue(reader, field, object[name], depth);
  }
}

function readNested(reader: WireReader, field: MessageField, object: Record<string, unknown>, depth: number): void {
  const { type } = field;
  if (type.kind !== 'message') throw new ProtobufError(`proto: wrong type for field ${field.goName}`);
  expectWire(reader, wireTypes.length, field.goName);
  const outer = reader.enter();
  readFields(reader, type.message, object, depth + 1);
  reader.leave(outer);
}

function isNumeric({ kind }: ValueType): boolean {
  return kind === 'bool' || kind === 'int32' || kind === 'int64' || kind === 'double';
}

function readPacked(reader: WireReader, { type }: MessageField, list: unknown[]): void {
  const outer = reader.enter();
  while (!reader.isAtEnd) {
    if (type.kind === 'bool') list.push(reader.bool());
    else if (type.kind === 'double') list.push(reader.double());
    else list.push(type.kind === 'int32' ? reader.int32() : reader.int64());
  }
  reader.leave(outer);
}

function readEntry(reader: WireReader, field: MessageField, map: Record<string, unknown>, depth: number): void {
  expectWire(reader, wireTypes.length, field.goName);
  const outer = reader.enter();
  let key = '';
  let value: unknown;
  while (!reader.isAtEnd) {
    reader.tag(field.goName);
    if (reader.fieldNumber === 1) key = stringOf(reader, field.goName);
    else if (reader.fieldNumber === 2) value = readValue(reader, field, undefined, depth);
    else reader.skip();
  }
  reader.leave(outer);
  setMember(map, key, value === undefined ? zeroOf(field.type) : value);
}

/** An entry without a value holds Go's zero of its type. */
function zeroOf({ kind }: ValueType): unknown {
  switch (kind) {
    case 'string':
    case 'bytes':
      return '';
    case 'message':
      return {};
    case 'quantity':
      return '0';
    case 'bool':
      return false;
    case 'int32':
    case 'int64':
    case 'double':
    case 'int-or-string':
      return 0;
    default:
      return null;
  }
}

function readValue(reader: WireReader, field: MessageField, known: unknown, depth: number): unknown {
  const { type, goName } = field;
  switch (type.kind) {
    case 'bool':
      expectWire(reader, wireTypes.varint, goName);
      return reader.bool();
    case 'int32':
      expectWire(reader, wireTypes.varint, goName);
      return reader.int32();
    case 'int64':
      expectWire(reader, wireTypes.varint, goName);
      return reader.int64();
    case 'double':
      expectWire(reader, wireTypes.fixed64, goName);
      return reader.double();
    case 'string':
      return stringOf(reader, goName);
    case 'bytes':
      expectWire(reader, wireTypes.length, goName);
      return reader.bytes().toString('base64');
    case 'message': {
      const object = isObject(known) ? known : {};
      readNested(reader, field, object, depth);
      return object;
    }
    case 'slice': {
      const slice: Record<string, unknown> = Array.isArray(known) ? { items: known } : {};
      expectWire(reader, wireTypes.length, goName);
      const outer = reader.enter();
      readFields(reader, type.message, slice, depth + 1);
      reader.leave(outer);
      // Nothing in it is Go's nil slice, which JSON shows as null.
      return slice['items'] ?? null;
    }
    case 'schema-or-array':
    case 'schema-or-bool':
    case 'schema-or-strings':
      return readUnion(reader, type.kind, type.message, goName, depth);
    default:
      return readSpecial(reader, type.kind, goName);
  }
}

type SpecialKind = Exclude<ValueType['kind'], 'bool' | 'int32' | 'int64' | 'double' | 'string' | 'bytes'>;

/** Messages of one or two scalars that JSON shows as one value. */
function readSpecial(reader: WireReader, kind: SpecialKind, goName: string): unknown {
  expectWire(reader, wireTypes.length, goName);
  const outer = reader.enter();
  const isEmpty = reader.isAtEnd;
  const numbers = [0, 0, 0, 0];
  const texts = ['', '', '', ''];
  while (!reader.isAtEnd) {
    reader.tag(goName);
    const { fieldNumber } = reader;
    if (fieldNumber > 3) reader.skip();
    else if (reader.wireType === wireTypes.varint) numbers[fieldNumber] = reader.int64();
    else if (reader.wireType === wireTypes.length) texts[fieldNumber] = reader.string();
    else reader.skip();
  }
  reader.leave(outer);
  const [, first = 0, second = 0] = numbers;
  const [, text = ''] = texts;
  switch (kind) {
    case 'time':
      return isEmpty ? null : timeText(first);
    case 'micro-time':
      return isEmpty ? null : timeText(first, second);
    case 'duration':
      return durationText(first);
    case 'quantity':
      return text === '' ? '0' : text;
    case 'int-or-string':
      return first === 0 ? second | 0 : (texts[3] ?? '');
    default:
      return parseRaw(text);
  }
}

function parseRaw(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    throw new ProtobufError(`json: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

function readUnion(reader: WireReader, kind: UnionKind, message: Message, goName: string, depth: number): unknown {
  expectWire(reader, wireTypes.length, goName);
  const outer = reader.enter();
  let schema: Record<string, unknown> | undefined;
  const others: unknown[] = [];
  let allows = false;
  const schemaNumber = kind === 'schema-or-bool' ? 2 : 1;
  while (!reader.isAtEnd) {
    reader.tag(goName);
    if (reader.fieldNumber === schemaNumber) {
      schema ??= {};
      readSchema(reader, message, schema, goName, depth);
    } else if (kind === 'schema-or-bool' && reader.fieldNumber === 1) {
      expectWire(reader, wireTypes.varint, 'Allows');
      allows = reader.bool();
    } else if (kind === 'schema-or-array' && reader.fieldNumber === 2) {
      const element = {};
      readSchema(reader, message, element, 'JSONSchemas', depth);
      others.push(element);
    } else if (kind === 'schema-or-strings' && reader.fieldNumber === 2) others.push(stringOf(reader, 'Property'));
    else reader.skip();
  }
  reader.leave(outer);
  if (kind === 'schema-or-bool') return schema ?? allows;
  if (kind === 'schema-or-strings') return others.length > 0 ? others : (schema ?? null);
  return others.length > 0 ? others : (schema ?? null);
}

function readSchema(
  reader: WireReader,
  message: Message,
  schema: Record<string, unknown>,
  goName: string,
  depth: number,
): void {
  expectWire(reader, wireTypes.length, goName);
  const outer = reader.enter();
  readFields(reader, message, schema, depth + 1);
  reader.leave(outer);
}

function stringOf(reader: WireReader, goName: string): string {
  expectWire(reader, wireTypes.length, goName);
  return reader.string();
}

function expectWire(reader: WireReader, wireType: number, goName: string): void {
  if (reader.wireType === wireType) return;
  throw new ProtobufError(`proto: wrong wireType = ${reader.wireType} for field ${goName}`);
}
