import { isIP } from 'node:net';
import { WherryError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';

/**
 * What opens a data connection of a tunnel. The exit sends Open; the client answers Opened or Failed. After Opened the
 * connection belongs to one stream: bytes without any framing for HTTP and TCP, a Datagram frame each for UDP.
 *
 *     frame := type (1 byte)  length (2 bytes, big endian)  payload
 */
export const frameType = { open: 1, opened: 2, failed: 3, datagram: 4 } as const;
export type FrameType = (typeof frameType)[keyof typeof frameType];

export interface Frame {
  readonly type: FrameType;
  readonly payload: Buffer;
}

/** Bytes of a frame's head. */
const headBytes = 3;
/** Largest payload of Open and Failed. */
const noticeBytesMax = 4096;
/** Largest datagram: what a UDP header over IPv4 can announce. */
const datagramBytesMax = 65_507;

/** Somebody does not speak this protocol; the connection is closed. */
export class TunnelProtocolError extends WherryError {
  constructor(message: string) {
    super('TUNNEL_PROTOCOL', message, { hint: 'run the same version of wherry at both ends of the tunnel' });
  }
}

/** Renders one frame; throws TunnelProtocolError when the payload is too long for its type. */
export function encodeFrame(type: FrameType, payload: Uint8Array = new Uint8Array()): Buffer {
  if (payload.length > largest(type)) throw new TunnelProtocolError(`${payload.length} bytes don't fit into a frame`);
  const frame = Buffer.allocUnsafe(headBytes + payload.length);
  frame[0] = type;
  frame.writeUInt16BE(payload.length, 1);
  frame.set(payload, headBytes);
  return frame;
}

function largest(type: number): number {
  if (type === frameType.datagram) return datagramBytesMax;
  return type === frameType.opened ? 0 : noticeBytesMax;
}

/** Cuts received bytes into frames. It never holds more than one frame and what came with it. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
  }

  /** The next whole frame; throws TunnelProtocolError as soon as a head can't be one. */
  next(): Frame | undefined {
    const pending = this.#pending;
    const type = pending[0];
    if (type === undefined) return undefined;
    if (!isFrameType(type)) throw new TunnelProtocolError(`there is no frame of type ${type}`);
    if (pending.length < headBytes) return undefined;
    const length = pending.readUInt16BE(1);
    if (length > largest(type)) throw new TunnelProtocolError(`a frame of type ${type} announces ${length} bytes`);
    if (pending.length < headBytes + length) return undefined;
    this.#pending = pending.subarray(headBytes + length);
    return { type, payload: pending.subarray(headBytes, headBytes + length) };
  }

  /** What came behind the last frame; the reader is empty afterwards. */
  rest(): Buffer {
    const rest = this.#pending;
    this.#pending = Buffer.alloc(0);
    return rest;
  }
}

function isFrameType(type: number): type is FrameType {
  return type >= frameType.open && type <= frameType.datagram;
}

export type StreamKind = 'http' | 'tcp' | 'udp';

export interface Endpoint {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}

/** What a stream is for. */
export interface OpenNotice {
  /** The route's name, as its client declared it. */
  readonly route: string;
  readonly kind: StreamKind;
  /** Who came, and where to. */
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** The host that an HTTP client asked for; only for routes of any host. */
  readonly host?: string;
}

/** Why a client could not serve a stream. */
export interface FailedNotice {
  readonly code: string;
  readonly message: string;
}

export function encodeOpen(notice: OpenNotice): Buffer {
  return encodeFrame(frameType.open, Buffer.from(JSON.stringify(notice)));
}

export function encodeFailed({ code, message }: FailedNotice): Buffer {
  return encodeFrame(frameType.failed, Buffer.from(JSON.stringify({ code, message: message.slice(0, 1000) })));
}

export function parseOpen(payload: Buffer): OpenNotice {
  const value = parseJson(payload);
  const { route, kind, host } = value;
  const source = endpointOf(value['source']);
  const destination = endpointOf(value['destination']);
  const isKind = kind === 'http' || kind === 'tcp' || kind === 'udp';
  if (typeof route !== 'string' || !isKind || source === undefined || destination === undefined)
    throw new TunnelProtocolError('Open names no route, kind, source or destination');
  return { route, kind, source, destination, ...(typeof host === 'string' ? { host } : {}) };
}

export function parseFailed(payload: Buffer): FailedNotice {
  const { code, message } = parseJson(payload);
  if (typeof code !== 'string' || typeof message !== 'string')
    throw new TunnelProtocolError('Failed says neither code nor message');
  return { code, message };
}

function parseJson(payload: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString('utf8'));
  } catch {
    throw new TunnelProtocolError('a notice is not JSON');
  }
  if (!isObject(value)) throw new TunnelProtocolError('a notice is not a JSON object');
  return value;
}

function endpointOf(value: unknown): Endpoint | undefined {
  if (!isObject(value)) return undefined;
  const { address, port } = value;
  if (typeof address !== 'string' || isIP(address) === 0) return undefined;
  return isPort(port) ? { address, port } : undefined;
}

/** True for 0 to 65535. */
function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535;
}
