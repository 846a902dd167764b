import { flagBits, headerBytes, messageBytesMax, plainUdpBytesMax, types } from '../../wire/dns/constants.ts';
import type { Query } from '../../wire/dns/query.ts';
import { MessageWriter, type ResourceRecord } from '../../wire/dns/writer.ts';
import { type ForwardedAnswer, udpBytesMax } from './forwarder.ts';

/** Length of an OPT record without options. */
const optBytes = 11;

/** What is said to a question from memory. */
interface Content {
  readonly rcode: number;
  readonly answers: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
  readonly authority: ResourceRecord | undefined;
}

/**
 * Writes replies. What does not fit is cut off between two records, with the bit that sends clients to TCP: those that can't
 * go there (musl before 1.2.4) have what fits.
 */
export class ReplyWriter {
  readonly #writer = new MessageWriter(messageBytesMax + 1024);

  /** For what could not be read: the header alone. */
  bare(message: Buffer, rcode: number): Buffer {
    const reply = Buffer.alloc(headerBytes);
    const kept = message.readUInt16BE(2) & (flagBits.opcode | flagBits.recursionDesired);
    reply.writeUInt16BE(message.readUInt16BE(0), 0);
    reply.writeUInt16BE(flagBits.response | kept | flagBits.recursionAvailable | rcode, 2);
    return reply;
  }

  /** A code and nothing else. */
  code(message: Buffer, query: Query, rcode: number): Buffer {
    this.#start(message, query, messageBytesMax);
    this.#end(query, rcode, flagBits.recursionAvailable);
    return Buffer.from(this.#writer.bytes);
  }

  records(message: Buffer, query: Query, protocol: 'udp' | 'tcp', content: Content): Buffer {
    const writer = this.#writer;
    const { answers, additionals, authority, rcode } = content;
    this.#start(message, query, limitOf(query, protocol) - (query.edns === undefined ? 0 : optBytes));
    let flags = flagBits.authoritative | flagBits.recursionAvailable;
    // Clients take the first address: each shall be first in turn.
    const first =
      answers.length > 1 && answers[0]?.type !== types.CNAME ? Math.floor(Math.random() * answers.length) : 0;
    for (let i = 0; i < answers.length; i += 1) {
      const record = answers[(first + i) % answers.length];
      if (record === undefined || writer.record(6, record)) continue;
      flags |= flagBits.truncated;
      break;
    }
    if ((flags & flagBits.truncated) === 0) {
      if (authority !== undefined) writer.record(8, authority);
      // Additional records are a courtesy: that some are missing is not told (RFC 2181 9).
      for (const record of additionals) if (!writer.record(10, record)) break;
    }
    this.#end(query, rcode, flags);
    return Buffer.from(writer.bytes);
  }

  /** Another server's answer, with the client's id, its way to write the name, and TTLs that have become shorter. */
  forwarded(
    message: Buffer,
    query: Query,
    protocol: 'udp' | 'tcp',
    { answer, ageSeconds, staleTtl }: ForwardedAnswer,
    ttlMax: number,
  ): Buffer {
    const { bytes, ttlOffsets, questionEnd } = answer;
    const limit = limitOf(query, protocol) - (query.edns === undefined ? 0 : optBytes);
    const reply = Buffer.allocUnsafe(bytes.length + optBytes);
    bytes.copy(reply);
    message.copy(reply, 0, 0, 2);
    message.copy(reply, headerBytes, headerBytes, query.questionEnd);
    for (const offset of ttlOffsets) {
      const ttl = bytes.readUInt32BE(offset);
      const capped = ttlMax > 0 ? Math.min(ttl, ttlMax) : ttl;
      reply.writeUInt32BE(staleTtl ?? Math.max(0, capped - ageSeconds), offset);
    }
    turn(reply, answer.addressOffsets, answer.addressBytes);
    const wantsProof = query.edns?.dnssecOk === true || (query.flags & flagBits.authenticData) !== 0;
    let flags =
      flagBits.response |
      (query.flags & (flagBits.recursionDesired | flagBits.checkingDisabled)) |
      flagBits.recursionAvailable |
      (wantsProof ? answer.flags & flagBits.authenticData : 0) |
      (answer.rcode & flagBits.rcode);
    let length = bytes.length;
    if (length > limit) {
      const ends = answer.answerEnds.filter((end) => end <= limit);
      flags |= flagBits.truncated;
      length = ends.at(-1) ?? questionEnd;
      reply.writeUInt16BE(ends.length, 6);
      reply.writeUInt32BE(0, 8);
    }
    if (query.edns !== undefined) length = appendOpt(reply, length, answer.rcode >> 4, query.edns.dnssecOk);
    reply.writeUInt16BE(flags, 2);
    return reply.subarray(0, length);
  }

  #start(message: Buffer, query: Query, limit: number): void {
    this.#writer.start(message, query.questionEnd, query.labels, limit);
  }

  #end(query: Query, rcode: number, flags: number): void {
    const kept = query.flags & (flagBits.recursionDesired | flagBits.checkingDisabled);
    this.#writer.header(query.id, flagBits.response | kept | flags | (rcode & flagBits.rcode));
    if (query.edns !== undefined) this.#writer.opt(udpBytesMax, rcode >> 4, query.edns.dnssecOk);
  }
}

function limitOf(query: Query, protocol: 'udp' | 'tcp'): number {
  if (protocol === 'tcp') return messageBytesMax;
  return query.edns === undefined ? plainUdpBytesMax : Math.min(query.edns.udpBytes, udpBytesMax);
}

/** Turns a round of addresses by a random number of places. */
function turn(reply: Buffer, offsets: readonly number[], bytes: number): void {
  const count = offsets.length;
  if (count < 2) return;
  const by = Math.floor(Math.random() * count);
  if (by === 0) return;
  const old = offsets.map((offset) => Buffer.from(reply.subarray(offset, offset + bytes)));
  for (const [i, offset] of offsets.entries()) old[(i + by) % count]?.copy(reply, offset);
}

function appendOpt(reply: Buffer, at: number, extendedRcode: number, dnssecOk: boolean): number {
  reply.fill(0, at, at + optBytes);
  reply.writeUInt16BE(types.OPT, at + 1);
  reply.writeUInt16BE(udpBytesMax, at + 3);
  reply[at + 5] = extendedRcode;
  reply.writeUInt16BE(dnssecOk ? 0x8000 : 0, at + 7);
  reply.writeUInt16BE(reply.readUInt16BE(10) + 1, 10);
  return at + optBytes;
}
