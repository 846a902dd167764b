import { flagBits, headerBytes, labelBytesMax, nameBytesMax, plainUdpBytesMax, types } from './constants.ts';
import { type Labels, skipName } from './name.ts';

/** RFC 6891: what an OPT record says. */
export interface Edns {
  /** The longest answer over UDP that the sender takes; never less than 512. */
  readonly udpBytes: number;
  readonly version: number;
  /** RFC 3225: the sender wants signatures. */
  readonly dnssecOk: boolean;
}

/** A question, as a client asks it. */
export interface Query {
  readonly id: number;
  /** The whole second word of the header. */
  readonly flags: number;
  /** In lower case; the message holds them as they were asked. */
  readonly labels: Labels;
  readonly type: number;
  readonly class: number;
  /** The offset behind the question; it begins behind the header. */
  readonly questionEnd: number;
  readonly edns: Edns | undefined;
}

/**
 * What a message is: a query; something to answer with a bare code (`questionEnd` 0 where its question can't be repeated);
 * or something to be silent about (an answer, or less than a header), for answering it could make two servers talk for ever.
 */
export type Parsed =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'malformed' | 'opcode' }
  | { readonly kind: 'ignore' };

const ignored: Parsed = { kind: 'ignore' };
const malformed: Parsed = { kind: 'malformed' };
const otherOpcode: Parsed = { kind: 'opcode' };

/** Lower case of the name that is being read; used between two lines only. */
const scratch = Buffer.alloc(nameBytesMax);

export function parseQuery(message: Buffer): Parsed {
  if (message.length < headerBytes) return ignored;
  const flags = word(message, 2);
  if ((flags & flagBits.response) !== 0) return ignored;
  if ((flags & flagBits.opcode) !== 0) return otherOpcode;
  if (word(message, 4) !== 1 || (flags & flagBits.truncated) !== 0) return malformed;
  const labels: string[] = [];
  let at: number = headerBytes;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > labelBytesMax) return malformed;
    if (length === 0) break;
    const end = at + 1 + length;
    if (end - headerBytes + 1 > nameBytesMax || end > message.length) return malformed;
    for (let i = at + 1; i < end; i += 1) {
      const byte = message[i] ?? 0;
      scratch[i - at - 1] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    }
    labels.push(scratch.toString('latin1', 0, length));
    at = end;
  }
  const questionEnd = at + 5;
  if (questionEnd > message.length) return malformed;
  const records = word(message, 6) + word(message, 8) + word(message, 10);
  let edns: Edns | undefined;
  if (records > 0) {
    const found = readEdns(message, questionEnd, records);
    if (found === null) return malformed;
    edns = found;
  }
  const query: Query = {
    id: word(message, 0),
    flags,
    labels,
    type: word(message, at + 1),
    class: word(message, at + 3),
    questionEnd,
    edns,
  };
  return { kind: 'query', query };
}

/** The OPT record among the `records` behind `offset`; null when one is cut off, or there are two of OPT. */
function readEdns(message: Buffer, offset: number, records: number): Edns | undefined | null {
  let edns: Edns | undefined;
  let at = offset;
  for (let i = 0; i < records; i += 1) {
    let fields: number;
    try {
      fields = skipName(message, at);
    } catch {
      return null;
    }
    if (fields + 10 > message.length) return null;
    const end = fields + 10 + word(message, fields + 8);
    if (end > message.length) return null;
    if (word(message, fields) === types.OPT) {
      // Its name is the root.
      if (edns !== undefined || fields !== at + 1) return null;
      edns = {
        udpBytes: Math.max(plainUdpBytesMax, word(message, fields + 2)),
        version: message[fields + 5] ?? 0,
        dnssecOk: ((message[fields + 6] ?? 0) & 0x80) !== 0,
      };
    }
    at = end;
  }
  return edns;
}

function word(message: Buffer, offset: number): number {
  return ((message[offset] ?? 0) << 8) | (message[offset + 1] ?? 0);
}
