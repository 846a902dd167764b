import { classes, flagBits, headerBytes, rcodes, types } from './constants.ts';
import { type Labels, MalformedMessage, nameBytes, readName, skipName } from './name.ts';
import type { ResourceRecord } from './writer.ts';

/** Where one record stands in a message. */
interface RecordPlace {
  readonly start: number;
  readonly fields: number;
  readonly end: number;
  readonly type: number;
}

/**
 * An answer of another server, kept as it came: its records are handed on byte by byte, so that types which nobody here knows
 * stay whole. The OPT record is cut off: it is for one hop alone (RFC 6891 6.2.6), and its code is in `rcode`.
 */
export interface WholeAnswer {
  /** Header, question and records, without OPT and what stood behind it. */
  readonly bytes: Buffer;
  readonly questionEnd: number;
  readonly rcode: number;
  readonly flags: number;
  readonly answers: number;
  /** Where each record of the answer section ends in `bytes`. */
  readonly answerEnds: readonly number[];
  /** Offsets of addresses of the same name and type, whose order means nothing (RFC 2181 5), and how long each is. */
  readonly addressOffsets: readonly number[];
  readonly addressBytes: number;
  /** Offsets of TTLs in `bytes`. */
  readonly ttlOffsets: readonly number[];
  /** Seconds that it may be kept: RFC 2181 5.2 for answers, RFC 2308 5 for negative ones; 0: not at all. */
  readonly keepSeconds: number;
  /** Nothing of that name, or nothing of that type. */
  readonly isNegative: boolean;
}

/** Checks and indexes an answer. Throws MalformedMessage. */
export function readAnswer(message: Buffer): WholeAnswer {
  if (message.length < headerBytes) throw new MalformedMessage('less than a header');
  const flags = message.readUInt16BE(2);
  if (message.readUInt16BE(4) !== 1) throw new MalformedMessage('not one question');
  const questionEnd = skipName(message, headerBytes) + 4;
  if (questionEnd > message.length) throw new MalformedMessage('the question is cut off');
  const counts = [message.readUInt16BE(6), message.readUInt16BE(8), message.readUInt16BE(10)] as const;
  const ttlOffsets: number[] = [];
  let rcode = flags & flagBits.rcode;
  let at = questionEnd;
  let end = -1;
  let additionals = 0;
  let minimumTtl = Number.POSITIVE_INFINITY;
  let negativeTtl = 0;
  let typesAnswered = 0;
  const answerEnds: number[] = [];
  const addresses: RecordPlace[] = [];
  const asked = message.readUInt16BE(questionEnd - 4);
  for (let i = 0; i < counts[0] + counts[1] + counts[2]; i += 1) {
    const place = placeOf(message, at);
    at = place.end;
    if (place.type === types.OPT) {
      rcode |= (message[place.fields + 4] ?? 0) << 4;
      // Behind it only additional records can stand, which nobody needs.
      if (i < counts[0] + counts[1]) throw new MalformedMessage('OPT is not an additional record');
      if (end < 0) end = place.start;
      continue;
    }
    if (end >= 0) continue;
    const isAnswer = i < counts[0];
    if (i >= counts[0] + counts[1]) additionals += 1;
    const ttl = ttlOf(message, place.fields + 4);
    ttlOffsets.push(place.fields + 4);
    if (isAnswer) {
      minimumTtl = Math.min(minimumTtl, ttl);
      answerEnds.push(place.end);
      if (place.type === asked && (asked === types.A || asked === types.AAAA)) addresses.push(place);
    }
    if (isAnswer && (place.type === asked || asked === types.ANY)) typesAnswered += 1;
    if (!isAnswer && place.type === types.SOA && place.end - place.fields >= 30) {
      negativeTtl = Math.min(ttl, message.readUInt32BE(place.end - 4));
    }
  }
  const bytes = Buffer.from(message.subarray(0, end < 0 ? at : end));
  bytes.writeUInt16BE(additionals, 10);
  const isNegative = rcode === rcodes.NXDOMAIN || (rcode === rcodes.NOERROR && typesAnswered === 0);
  const keepable = rcode === rcodes.NOERROR || rcode === rcodes.NXDOMAIN;
  const seconds = isNegative ? Math.min(negativeTtl, minimumTtl) : minimumTtl;
  const keepSeconds = keepable && (flags & flagBits.truncated) === 0 && Number.isFinite(seconds) ? seconds : 0;
  return {
    bytes,
    questionEnd,
    rcode,
    flags,
    answers: counts[0],
    answerEnds,
    ...sameOwner(message, addresses),
    ttlOffsets,
    keepSeconds,
    isNegative,
  };
}

function sameOwner(
  message: Buffer,
  places: readonly RecordPlace[],
): Pick<WholeAnswer, 'addressOffsets' | 'addressBytes'> {
  const [first] = places;
  if (first === undefined) return { addressOffsets: [], addressBytes: 0 };
  const addressBytes = first.type === types.A ? 4 : 16;
  const owner = message.subarray(first.start, first.fields);
  const alike = places.every(
    ({ start, fields, end }) => end - fields - 10 === addressBytes && owner.equals(message.subarray(start, fields)),
  );
  return { addressOffsets: alike ? places.map(({ fields }) => fields + 10) : [], addressBytes };
}

/** Whether `answer` answers what `question` asks (both whole messages): an answer, same id, name in any case, type and class. */
export function answersQuestion(answer: Buffer, question: Buffer, questionEnd: number): boolean {
  if (answer.length < questionEnd || answer.readUInt16BE(0) !== question.readUInt16BE(0)) return false;
  const flags = answer.readUInt16BE(2);
  if ((flags & flagBits.response) === 0 || (flags & flagBits.opcode) !== 0 || answer.readUInt16BE(4) !== 1)
    return false;
  for (let i = headerBytes; i < questionEnd; i += 1) {
    const a = answer[i] ?? 0;
    const b = question[i] ?? 0;
    if (a === b) continue;
    const isName = i < questionEnd - 4;
    if (!isName || (a ^ b) !== 0x20 || (a | 0x20) < 0x61 || (a | 0x20) > 0x7a) return false;
  }
  return true;
}

/**
 * The records of the answer section, to be written into another message: names in the data of types that may be compressed
 * (RFC 3597 4) are spelled out; classes other than IN are left out. Throws MalformedMessage.
 */
export function answerRecords({ bytes, questionEnd, answers }: WholeAnswer): readonly ResourceRecord[] {
  const records: ResourceRecord[] = [];
  let at = questionEnd;
  for (let i = 0; i < answers; i += 1) {
    const { start, fields, end, type } = placeOf(bytes, at);
    at = end;
    if (bytes.readUInt16BE(fields + 2) !== classes.IN) continue;
    records.push({
      name: readName(bytes, start).labels,
      type,
      ttl: ttlOf(bytes, fields + 4),
      data: { kind: 'bytes', bytes: spelledOut(bytes, type, fields + 10, end) },
    });
  }
  return records;
}

/** Bytes of the data before its first name, and how many names follow. */
const nameLayouts: ReadonlyMap<number, readonly [number, number]> = new Map([
  [types.NS, [0, 1]],
  [types.CNAME, [0, 1]],
  [types.PTR, [0, 1]],
  [types.DNAME, [0, 1]],
  [types.MX, [2, 1]],
  [types.SRV, [6, 1]],
  [types.SOA, [0, 2]],
]);

function spelledOut(message: Buffer, type: number, start: number, end: number): Buffer {
  const layout = nameLayouts.get(type);
  if (layout === undefined) return message.subarray(start, end);
  const [before, names] = layout;
  const parts: Buffer[] = [message.subarray(start, start + before)];
  let at = start + before;
  for (let i = 0; i < names; i += 1) {
    const name = readName(message, at);
    parts.push(nameBytes(name.labels));
    at = name.end;
  }
  if (at > end) throw new MalformedMessage('a name ends behind its record');
  return Buffer.concat([...parts, message.subarray(at, end)]);
}

/** The target of an alias in `record`. */
export function aliasTarget(record: ResourceRecord): Labels | undefined {
  if (record.type !== types.CNAME || record.data.kind !== 'bytes') return undefined;
  return readName(Buffer.from(record.data.bytes), 0).labels;
}

function placeOf(message: Buffer, start: number): RecordPlace {
  const fields = skipName(message, start);
  if (fields + 10 > message.length) throw new MalformedMessage('a record is cut off');
  const end = fields + 10 + message.readUInt16BE(fields + 8);
  if (end > message.length) throw new MalformedMessage('a record is cut off');
  return { start, fields, end, type: message.readUInt16BE(fields) };
}

/** RFC 2181 8: with the topmost bit set it counts as 0. */
function ttlOf(message: Buffer, offset: number): number {
  const ttl = message.readUInt32BE(offset);
  return ttl > 0x7fffffff ? 0 : ttl;
}
