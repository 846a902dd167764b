import { WherryError } from '../core/errors.ts';

/**
 * Frames of SPDY/3.1 (its draft 3, section 2.2), as Kubernetes' streaming uses them. Header blocks stay compressed here;
 * spdy-headers.ts reads them, since that needs what came before.
 */
export type SpdyFrame =
  | {
      readonly type: 'syn-stream';
      readonly streamId: number;
      readonly associatedId: number;
      readonly priority: number;
      readonly fin: boolean;
      readonly unidirectional: boolean;
      readonly block: Buffer;
    }
  | { readonly type: 'syn-reply' | 'headers'; readonly streamId: number; readonly fin: boolean; readonly block: Buffer }
  | { readonly type: 'rst-stream'; readonly streamId: number; readonly status: number }
  | { readonly type: 'settings'; readonly settings: readonly SpdySetting[] }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goaway'; readonly lastStreamId: number; readonly status: number }
  | { readonly type: 'window-update'; readonly streamId: number; readonly delta: number }
  /** A decoder may give one frame's data in several pieces; `fin` is on the last one. */
  | { readonly type: 'data'; readonly streamId: number; readonly fin: boolean; readonly data: Buffer };

export interface SpdySetting {
  readonly flags: number;
  readonly id: number;
  readonly value: number;
}

/** What came is not SPDY/3.1, or more than is accepted: the connection is of no more use. */
export class SpdyError extends WherryError {
  constructor(message: string, cause?: unknown) {
    super('SPDY', message, cause === undefined ? {} : { cause });
  }
}

const version = 3;
const frameHeaderBytes = 8;
const finFlag = 1;
const unidirectionalFlag = 2;
/** Bytes of a control frame that are accepted; Kubernetes' have some hundred. */
const controlBytesMax = 64 * 1024;
/** The longest data that one frame can carry. */
const dataBytesMax = 0xff_ff_ff;

const types = {
  'syn-stream': 1,
  'syn-reply': 2,
  'rst-stream': 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  headers: 8,
  'window-update': 9,
} as const;

/** The bytes of a frame. */
export function encodeSpdyFrame(frame: SpdyFrame): Buffer {
  switch (frame.type) {
    case 'data': {
      if (frame.data.length > dataBytesMax) throw new SpdyError(`${frame.data.length} bytes do not fit a data frame`);
      const header = Buffer.alloc(frameHeaderBytes);
      header.writeUInt32BE(frame.streamId, 0);
      header.writeUInt32BE(((frame.fin ? finFlag : 0) << 24) + frame.data.length, 4);
      return Buffer.concat([header, frame.data]);
    }
    case 'syn-stream': {
      const body = Buffer.alloc(10);
      body.writeUInt32BE(frame.streamId, 0);
      body.writeUInt32BE(frame.associatedId, 4);
      body.writeUInt8(frame.priority << 5, 8);
      const flags = (frame.fin ? finFlag : 0) | (frame.unidirectional ? unidirectionalFlag : 0);
      return control(types[frame.type], flags, body, frame.block);
    }
    case 'syn-reply':
    case 'headers':
      return control(types[frame.type], frame.fin ? finFlag : 0, words(frame.streamId), frame.block);
    case 'rst-stream':
      return control(types[frame.type], 0, words(frame.streamId, frame.status));
    case 'ping':
      return control(types.ping, 0, words(frame.id));
    case 'goaway':
      return control(types.goaway, 0, words(frame.lastStreamId, frame.status));
    case 'window-update':
      return control(types[frame.type], 0, words(frame.streamId, frame.delta));
    case 'settings': {
      const entries = frame.settings.flatMap(({ flags, id, value }) => [flags * 0x1_00_00_00 + id, value]);
      return control(types.settings, 0, words(frame.settings.length, ...entries));
    }
  }
}

function control(type: number, flags: number, ...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > dataBytesMax) throw new SpdyError(`${length} bytes do not fit a control frame`);
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUInt16BE(0x8000 | version, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE(flags * 0x1_00_00_00 + length, 4);
  return Buffer.concat([header, ...parts]);
}

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) buffer.writeUInt32BE(value, index * 4);
  return buffer;
}

/** Takes a connection's bytes in any pieces and gives frames; keeps at most one control frame of them. */
export class SpdyDecoder {
  #rest: Buffer = Buffer.alloc(0);
  /** The data frame in the middle of which the bytes ended. */
  #open: { readonly streamId: number; readonly fin: boolean; left: number } | undefined;

  /** Throws SpdyError; the decoder must not be used after that. Frame types that are not known are left out, as the draft says. */
  push(chunk: Buffer): readonly SpdyFrame[] {
    const frames: SpdyFrame[] = [];
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      if (this.#open !== undefined) {
        const { streamId, fin } = this.#open;
        if (bytes.length === 0 && this.#open.left > 0) break;
        const data = bytes.subarray(0, this.#open.left);
        bytes = bytes.subarray(data.length);
        this.#open.left -= data.length;
        const isLast = this.#open.left === 0;
        if (isLast) this.#open = undefined;
        frames.push({ type: 'data', streamId, fin: fin && isLast, data });
        continue;
      }
      if (bytes.length < frameHeaderBytes) break;
      const first = bytes.readUInt32BE(0);
      const flags = bytes.readUInt8(4);
      const length = bytes.readUIntBE(5, 3);
      if (first < 0x80_00_00_00) {
        if (first === 0) throw new SpdyError('data for stream 0');
        this.#open = { streamId: first, fin: (flags & finFlag) !== 0, left: length };
        bytes = bytes.subarray(frameHeaderBytes);
        continue;
      }
      if (((first >>> 16) & 0x7fff) !== version)
        throw new SpdyError(`version ${(first >>> 16) & 0x7fff} is not spoken here`);
      if (length > controlBytesMax) throw new SpdyError(`a control frame of ${length} bytes is too long`);
      if (bytes.length < frameHeaderBytes + length) break;
      const frame = readControl(first & 0xffff, flags, bytes.subarray(frameHeaderBytes, frameHeaderBytes + length));
      if (frame !== undefined) frames.push(frame);
      bytes = bytes.subarray(frameHeaderBytes + length);
    }
    // A copy, so that a short rest does not keep a long chunk in memory.
    this.#rest = Buffer.from(bytes);
    return frames;
  }
}

const minimumBytes: Readonly<Record<number, number>> = { 1: 10, 2: 4, 3: 8, 4: 4, 6: 4, 7: 8, 8: 4, 9: 8 };

function readControl(type: number, flags: number, body: Buffer): SpdyFrame | undefined {
  const minimum = minimumBytes[type];
  if (minimum === undefined) return undefined;
  if (body.length < minimum)
    throw new SpdyError(`a control frame of type ${type} with ${body.length} bytes is too short`);
  const fin = (flags & finFlag) !== 0;
  // The uppermost bit of stream ids is reserved.
  const streamId = body.readUInt32BE(0) & 0x7f_ff_ff_ff;
  switch (type) {
    case types['syn-stream']:
      return {
        type: 'syn-stream',
        streamId,
        associatedId: body.readUInt32BE(4) & 0x7f_ff_ff_ff,
        priority: body.readUInt8(8) >> 5,
        fin,
        unidirectional: (flags & unidirectionalFlag) !== 0,
        block: Buffer.from(body.subarray(10)),
      };
    case types['syn-reply']:
      return { type: 'syn-reply', streamId, fin, block: Buffer.from(body.subarray(4)) };
    case types.headers:
      return { type: 'headers', streamId, fin, block: Buffer.from(body.subarray(4)) };
    case types['rst-stream']:
      return { type: 'rst-stream', streamId, status: body.readUInt32BE(4) };
    case types.settings:
      return { type: 'settings', settings: readSettings(body) };
    case types.ping:
      return { type: 'ping', id: body.readUInt32BE(0) };
    case types.goaway:
      return { type: 'goaway', lastStreamId: streamId, status: body.readUInt32BE(4) };
    default:
      return { type: 'window-update', streamId, delta: body.readUInt32BE(4) & 0x7f_ff_ff_ff };
  }
}

function readSettings(body: Buffer): readonly SpdySetting[] {
  const count = body.readUInt32BE(0);
  if (body.length !== 4 + count * 8) throw new SpdyError(`${count} settings do not fit ${body.length} bytes`);
  return Array.from({ length: count }, (_, index) => {
    const at = 4 + index * 8;
    return { flags: body.readUInt8(at), id: body.readUIntBE(at + 1, 3), value: body.readUInt32BE(at + 4) };
  });
}
