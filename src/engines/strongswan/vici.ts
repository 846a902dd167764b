/** The messages of strongSwan's control socket (src/libcharon/plugins/vici/README.md of strongSwan). Pure. */
import { TransientError } from '../../core/errors.ts';

/** A message: texts, lists of texts, and sections by name. */
export interface ViciMessage {
  readonly [name: string]: ViciValue;
}
export type ViciValue = string | readonly string[] | ViciMessage;

export type ViciPacket =
  | {
      readonly kind: 'response' | 'unknown-command' | 'event-confirmed' | 'unknown-event';
      readonly message: ViciMessage;
    }
  | { readonly kind: 'event'; readonly name: string; readonly message: ViciMessage };

const packetTypes = {
  request: 0,
  response: 1,
  unknownCommand: 2,
  register: 3,
  confirmed: 5,
  unknownEvent: 6,
  event: 7,
};
const elements = { sectionStart: 1, sectionEnd: 2, keyValue: 3, listStart: 4, listItem: 5, listEnd: 6 };

/** Bytes that strongSwan takes in one packet. */
export const packetBytesMax = 512 * 1024;
const sectionsDeepMax = 16;

/** A command with its message, as it goes over the socket. */
export function encodeRequest(command: string, message: ViciMessage): Buffer {
  return framed([Buffer.from([packetTypes.request]), named(command), ...encodeMembers(message)]);
}

/** Asks for events of a name from now on. */
export function encodeRegistration(event: string): Buffer {
  return framed([Buffer.from([packetTypes.register]), named(event)]);
}

function framed(parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

function named(name: string): Buffer {
  const bytes = Buffer.from(name);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function valued(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function encodeMembers(message: ViciMessage): readonly Buffer[] {
  return Object.entries(message).flatMap(([name, value]) => {
    const element = (type: number) => Buffer.concat([Buffer.from([type]), named(name)]);
    if (typeof value === 'string') return [element(elements.keyValue), valued(value)];
    if (isList(value)) {
      const items = value.flatMap((item) => [Buffer.from([elements.listItem]), valued(item)]);
      return [element(elements.listStart), ...items, Buffer.from([elements.listEnd])];
    }
    return [element(elements.sectionStart), ...encodeMembers(value), Buffer.from([elements.sectionEnd])];
  });
}

function isList(value: ViciValue): value is readonly string[] {
  return Array.isArray(value);
}

/** What the bytes hold that have arrived: whole packets, and the rest. Throws TransientError VICI_MALFORMED. */
export function decodePackets(bytes: Buffer): { readonly packets: readonly ViciPacket[]; readonly rest: Buffer } {
  const packets: ViciPacket[] = [];
  let at = 0;
  while (bytes.length - at >= 4) {
    const length = bytes.readUInt32BE(at);
    if (length === 0 || length > packetBytesMax) throw malformed(`a packet of ${length} bytes`);
    if (bytes.length - at - 4 < length) break;
    packets.push(decodePacket(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return { packets, rest: bytes.subarray(at) };
}

function decodePacket(bytes: Buffer): ViciPacket {
  const reader = new Reader(bytes);
  const type = reader.byte();
  switch (type) {
    case packetTypes.response:
      return { kind: 'response', message: decodeMembers(reader, 0) };
    case packetTypes.event: {
      const name = reader.name();
      return { kind: 'event', name, message: decodeMembers(reader, 0) };
    }
    case packetTypes.confirmed:
      return { kind: 'event-confirmed', message: {} };
    case packetTypes.unknownCommand:
      return { kind: 'unknown-command', message: {} };
    case packetTypes.unknownEvent:
      return { kind: 'unknown-event', message: {} };
    default:
      throw malformed(`a packet of type ${type}`);
  }
}

function decodeMembers(reader: Reader, depth: number): ViciMessage {
  if (depth > sectionsDeepMax) throw malformed('sections too deep');
  const members: [string, ViciValue][] = [];
  while (!reader.isAtEnd) {
    const type = reader.byte();
    if (type === elements.sectionEnd && depth > 0) return Object.fromEntries(members);
    const name = reader.name();
    if (type === elements.keyValue) members.push([name, reader.value()]);
    else if (type === elements.sectionStart) members.push([name, decodeMembers(reader, depth + 1)]);
    else if (type === elements.listStart) members.push([name, decodeItems(reader)]);
    else throw malformed(`an element of type ${type}`);
  }
  if (depth > 0) throw malformed('a section without an end');
  return Object.fromEntries(members);
}

function decodeItems(reader: Reader): readonly string[] {
  const items: string[] = [];
  for (;;) {
    const type = reader.byte();
    if (type === elements.listEnd) return items;
    if (type !== elements.listItem) throw malformed(`an element of type ${type} in a list`);
    items.push(reader.value());
  }
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    return this.#take(1)[0] ?? 0;
  }

  name(): string {
    return this.#take(this.byte()).toString();
  }

  value(): string {
    return this.#take(this.#take(2).readUInt16BE()).toString();
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed('a packet that ends early');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

function malformed(what: string): TransientError {
  return new TransientError('VICI_MALFORMED', `strongSwan has sent ${what}`);
}
