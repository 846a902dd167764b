/**
 * The frames by which machines of a link learn which network card answers for an address: ARP (RFC 826, RFC 5227) and
 * the neighbour discovery of IPv6 (RFC 4861). Whole Ethernet frames, without VLAN tags. Pure.
 */
export const etherTypeArp = 0x0806;
export const etherTypeIpv6 = 0x86dd;

const macLength = 6;
const ethernetLength = 14;
const arpLength = 28;
const ipv6Length = 40;
const icmpv6 = 58;
const neighbourSolicitation = 135;
const neighbourAdvertisement = 136;
const sourceLinkAddress = 1;
const targetLinkAddress = 2;
const solicitedFlag = 0x40;
const overrideFlag = 0x20;
const broadcast = Buffer.alloc(macLength, 0xff);
const noMac = Buffer.alloc(macLength);
/** ff02::1, all machines of the link. */
const allNodes = Buffer.from('ff020000000000000000000000000001', 'hex');

/** A machine asks who has an address: 4 or 16 bytes. */
export interface Question {
  readonly target: Buffer;
  readonly askerMac: Buffer;
  /** Undefined when it has none yet, and asks whether `target` is taken (RFC 4862). */
  readonly asker: Buffer | undefined;
}

/** Reads the question of a frame; undefined for everything else, also for what is malformed. */
export function parseQuestion(frame: Buffer): Question | undefined {
  if (frame.length < ethernetLength) return undefined;
  const type = frame.readUInt16BE(12);
  if (type === etherTypeArp) return parseArp(frame.subarray(ethernetLength));
  if (type === etherTypeIpv6) return parseSolicitation(frame.subarray(6, 12), frame.subarray(ethernetLength));
  return undefined;
}

function parseArp(packet: Buffer): Question | undefined {
  if (packet.length < arpLength || packet.readUInt32BE(0) !== 0x0001_0800 || packet.readUInt16BE(4) !== 0x0604) {
    return undefined;
  }
  if (packet.readUInt16BE(6) !== 1) return undefined;
  const asker = packet.subarray(14, 18);
  const target = packet.subarray(24, 28);
  // Who asks for its own address announces it.
  if (asker.equals(target)) return undefined;
  return { target, asker, askerMac: packet.subarray(8, 14) };
}

function parseSolicitation(frameSource: Buffer, packet: Buffer): Question | undefined {
  if (packet.length < ipv6Length + 24 || packet[6] !== icmpv6) return undefined;
  const message = packet.subarray(ipv6Length, ipv6Length + packet.readUInt16BE(4));
  // A hop limit of less than 255 shows that it came through a router (RFC 4861, 7.1.1).
  if (packet[7] !== 255 || message.length < 24 || message[0] !== neighbourSolicitation || message[1] !== 0) {
    return undefined;
  }
  if (checksum(packet.subarray(8, 24), packet.subarray(24, 40), message) !== 0) return undefined;
  const asker = packet.subarray(8, 24);
  const isNew = asker.every((byte) => byte === 0);
  const target = message.subarray(8, 24);
  for (let at = 24; at + 8 <= message.length; ) {
    const length = (message[at + 1] ?? 0) * 8;
    if (length === 0) return undefined;
    if (message[at] === sourceLinkAddress) {
      return { target, asker: isNew ? undefined : asker, askerMac: message.subarray(at + 2, at + 8) };
    }
    at += length;
  }
  return { target, asker: isNew ? undefined : asker, askerMac: frameSource };
}

/** The frame that says to the asker that `mac` has the address it asked for. */
export function answerTo(question: Question, mac: Buffer): Buffer {
  const { target, asker, askerMac } = question;
  if (target.length === 4) return arp(askerMac, 2, mac, target, askerMac, asker ?? target);
  if (asker === undefined) return advertisement(macOfMulticast(allNodes), allNodes, overrideFlag, mac, target);
  return advertisement(askerMac, asker, solicitedFlag | overrideFlag, mac, target);
}

/** Frames that tell the whole link that `mac` has an address: of ARP in both forms, since some listen to one only. */
export function announcements(address: Buffer, mac: Buffer): readonly Buffer[] {
  if (address.length === 16) return [advertisement(macOfMulticast(allNodes), allNodes, overrideFlag, mac, address)];
  return [arp(broadcast, 1, mac, address, noMac, address), arp(broadcast, 2, mac, address, mac, address)];
}

function arp(to: Buffer, operation: 1 | 2, mac: Buffer, address: Buffer, toMac: Buffer, toAddress: Buffer): Buffer {
  const head = Buffer.from([0x08, 0x06, 0, 1, 0x08, 0, macLength, 4, 0, operation]);
  return Buffer.concat([to, mac, head, mac, address, toMac, toAddress]);
}

function advertisement(toMac: Buffer, to: Buffer, flags: number, mac: Buffer, target: Buffer): Buffer {
  const message = Buffer.concat([
    Buffer.from([neighbourAdvertisement, 0, 0, 0, flags, 0, 0, 0]),
    target,
    Buffer.from([targetLinkAddress, 1]),
    mac,
  ]);
  message.writeUInt16BE(checksum(target, to, message), 2);
  const head = Buffer.from([0x86, 0xdd, 0x60, 0, 0, 0, 0, message.length, icmpv6, 255]);
  return Buffer.concat([toMac, mac, head, target, to, message]);
}

/** The group by which an IPv6 address is asked for (RFC 4291, 2.7.1). */
export function solicitedGroup(address: Buffer): Buffer {
  return Buffer.concat([Buffer.from('ff0200000000000000000001ff', 'hex'), address.subarray(13)]);
}

function macOfMulticast(group: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x33, 0x33]), group.subarray(12)]);
}

/** Of a message with its pseudo header (RFC 8200, 8.1); 0 when the message carries the right one. */
function checksum(source: Buffer, destination: Buffer, message: Buffer): number {
  let sum = message.length + icmpv6;
  for (const part of [source, destination, message]) {
    for (let at = 0; at < part.length; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The frame that asks the link who has an IPv6 address. `to` is its group, or itself to ask whether it is still there. */
export function solicitation(target: Buffer, to: Buffer, asker: Buffer, askerMac: Buffer): Buffer {
  const message = Buffer.concat([
    Buffer.from([neighbourSolicitation, 0, 0, 0, 0, 0, 0, 0]),
    target,
    Buffer.from([sourceLinkAddress, 1]),
    askerMac,
  ]);
  message.writeUInt16BE(checksum(asker, to, message), 2);
  const head = Buffer.from([0x86, 0xdd, 0x60, 0, 0, 0, 0, message.length, icmpv6, 255]);
  return Buffer.concat([macOfMulticast(to), askerMac, head, asker, to, message]);
}
