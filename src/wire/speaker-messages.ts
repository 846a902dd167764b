/**
 * What nodes that announce addresses say to each other in UDP packets. All numbers are big-endian.
 *
 *     "WL2" | version 1 | kind | length of the name | name | incarnation (8) | sequence (8) | body | seal (16)
 *
 *     kind 1, heartbeat   version of the sender's claims (4)
 *     kind 2, claims      that version (4) | challenge (8) | part (1) | parts (1) | claims: flags (1), term (4), address (4 or 16)
 *     kind 3, ask         challenge (8): asks for the claims
 *     kind 4, leave       nothing: the sender stops
 *
 * The name is the node's, the incarnation a random number of the sending process, the sequence grows with each packet. The
 * seal is the beginning of HMAC-SHA-256 over all before it, by a key that the nodes share. A recorded packet is of no use:
 * an incarnation counts only after it has answered a challenge of the receiver's own, and then only with growing sequences.
 * Pure, but for the digest.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { addressBytes, addressText } from './ip-bytes.ts';

/** A claim: "I answer for this address". Of two claims the one with the higher term counts. */
export interface Claim {
  /** In canonical form. */
  readonly address: string;
  readonly term: number;
  /** The claimant wants another one to take over, and answers until it does. */
  readonly isYielding: boolean;
}

export type Body =
  | { readonly kind: 'heartbeat'; readonly version: number }
  | {
      readonly kind: 'claims';
      readonly version: number;
      /** Zero: nobody asked. */
      readonly challenge: bigint;
      readonly part: number;
      readonly parts: number;
      readonly claims: readonly Claim[];
    }
  | { readonly kind: 'ask'; readonly challenge: bigint }
  | { readonly kind: 'leave' };

export interface SpeakerMessage {
  readonly name: string;
  readonly incarnation: bigint;
  readonly sequence: bigint;
  readonly body: Body;
}

const magic = Buffer.from('WL2\x01', 'latin1');
const kinds = ['heartbeat', 'claims', 'ask', 'leave'] as const;
const sealLength = 16;
const ipv6Flag = 1;
const yieldingFlag = 2;
/** Fits every link that IPv6 runs on. */
export const packetBytesMax = 1232;
/** A part is numbered by a byte. */
const partsMax = 255;
/** Bytes of a claims packet around its claims, with the longest name. */
const frameBytes = magic.length + 2 + 253 + 16 + 14 + sealLength;
/** Claims of the longer form that one packet holds. */
export const claimsPerPacket = Math.floor((packetBytesMax - frameBytes) / 21);
/** More than a node can tell of are not claimed. */
export const claimsMax = partsMax * claimsPerPacket;

export function encodeSpeakerMessage(message: SpeakerMessage, key: Buffer): Buffer {
  const name = Buffer.from(message.name);
  const counters = Buffer.alloc(16);
  counters.writeBigUInt64BE(message.incarnation, 0);
  counters.writeBigUInt64BE(message.sequence, 8);
  const head = Buffer.from([kinds.indexOf(message.body.kind) + 1, name.length]);
  const sealed = Buffer.concat([magic, head, name, counters, encodeBody(message.body)]);
  return Buffer.concat([sealed, sealOf(sealed, key)]);
}

/** Undefined for what is not sealed by the key, malformed, or of another version. */
export function decodeSpeakerMessage(packet: Buffer, key: Buffer): SpeakerMessage | undefined {
  const end = packet.length - sealLength;
  if (packet.length > packetBytesMax || end < magic.length + 2 + 16) return undefined;
  if (!packet.subarray(0, magic.length).equals(magic)) return undefined;
  const sealed = packet.subarray(0, end);
  if (!timingSafeEqual(sealOf(sealed, key), packet.subarray(end))) return undefined;
  const nameEnd = magic.length + 2 + (sealed[magic.length + 1] ?? 0);
  if (sealed.length < nameEnd + 16) return undefined;
  const body = decodeBody(kinds[(sealed[magic.length] ?? 0) - 1], sealed.subarray(nameEnd + 16));
  if (body === undefined) return undefined;
  return {
    name: sealed.toString('utf8', magic.length + 2, nameEnd),
    incarnation: sealed.readBigUInt64BE(nameEnd),
    sequence: sealed.readBigUInt64BE(nameEnd + 8),
    body,
  };
}

/** The claims of a node as bodies, each of which fits a packet. */
export function claimsBodies(version: number, challenge: bigint, claims: readonly Claim[]): readonly Body[] {
  const parts = Math.max(1, Math.ceil(claims.length / claimsPerPacket));
  return Array.from({ length: parts }, (_, part) => ({
    kind: 'claims',
    ...{ version, challenge, part, parts },
    claims: claims.slice(part * claimsPerPacket, (part + 1) * claimsPerPacket),
  }));
}

function sealOf(sealed: Buffer, key: Buffer): Buffer {
  return createHmac('sha256', key).update(sealed).digest().subarray(0, sealLength);
}

function encodeBody(body: Body): Buffer {
  if (body.kind === 'leave') return Buffer.alloc(0);
  if (body.kind === 'heartbeat') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(body.version);
    return bytes;
  }
  const challenge = Buffer.alloc(8);
  challenge.writeBigUInt64BE(body.challenge);
  if (body.kind === 'ask') return challenge;
  const version = Buffer.alloc(4);
  version.writeUInt32BE(body.version);
  return Buffer.concat([version, challenge, Buffer.from([body.part, body.parts]), ...body.claims.map(encodeClaim)]);
}

function encodeClaim({ address, term, isYielding }: Claim): Buffer {
  const bytes = addressBytes(address);
  const head = Buffer.alloc(5);
  head[0] = (bytes.length === 16 ? ipv6Flag : 0) | (isYielding ? yieldingFlag : 0);
  head.writeUInt32BE(term, 1);
  return Buffer.concat([head, bytes]);
}

function decodeBody(kind: Body['kind'] | undefined, bytes: Buffer): Body | undefined {
  if (kind === 'heartbeat' && bytes.length === 4) return { kind, version: bytes.readUInt32BE(0) };
  if (kind === 'ask' && bytes.length === 8) return { kind, challenge: bytes.readBigUInt64BE(0) };
  if (kind === 'leave' && bytes.length === 0) return { kind };
  if (kind !== 'claims' || bytes.length < 14) return undefined;
  const [part = 0, parts = 0] = bytes.subarray(12, 14);
  const claims = decodeClaims(bytes.subarray(14));
  if (part >= parts || claims === undefined) return undefined;
  return { kind, version: bytes.readUInt32BE(0), challenge: bytes.readBigUInt64BE(4), part, parts, claims };
}

function decodeClaims(bytes: Buffer): readonly Claim[] | undefined {
  const claims: Claim[] = [];
  for (let at = 0; at < bytes.length; ) {
    const flags = bytes[at] ?? 0;
    const end = at + 5 + ((flags & ipv6Flag) === 0 ? 4 : 16);
    if (end > bytes.length) return undefined;
    claims.push({
      address: addressText(bytes.subarray(at + 5, end)),
      term: bytes.readUInt32BE(at + 1),
      isYielding: (flags & yieldingFlag) !== 0,
    });
    at = end;
  }
  return claims;
}
