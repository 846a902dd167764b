import { etherTypeArp, etherTypeIpv6, solicitedGroup } from '../../wire/neighbour.ts';
import {
  bindSocket,
  closeDescriptor,
  family,
  filterProgram,
  int16,
  int32,
  openSocket,
  receivePacket,
  sendPacket,
  setSocketOption,
  type,
} from './libc.ts';

/** An Ethernet interface of this machine. */
export interface EthernetLink {
  readonly name: string;
  readonly index: number;
  /** Six bytes, `02:00:00:00:00:01`. */
  readonly mac: string;
}

const solSocket = 1;
const attachFilter = 26;
const ipprotoIpv6 = 41;
const joinGroup = 20;
const leaveGroup = 21;
const outgoing = 4;
const frameBytesMax = 2048;
const allLinks = 0;

/** A frame that came in, and the interface it came in by. */
export interface Frame {
  readonly bytes: Buffer;
  readonly link: number;
}

/**
 * Sockets that see who asks for addresses on every link, and send frames (packet(7)). What this process answers, it answers
 * as long as it lives and no longer: that is the point. Not async: for a thread that waits for input itself.
 */
export class LinkSockets implements Disposable {
  readonly #arp: number;
  readonly #ndp: number;
  readonly #groups: number | undefined;
  readonly #buffer = Buffer.alloc(frameBytesMax);

  /** Throws WherryError, with code EPERM when the process may not open such sockets. */
  constructor() {
    this.#arp = openLinkSocket(etherTypeArp, arpRequests);
    try {
      this.#ndp = openLinkSocket(etherTypeIpv6, solicitations);
    } catch (error) {
      closeDescriptor(this.#arp);
      throw error;
    }
    this.#groups = openGroupSocket();
  }

  /** What to wait for. */
  get descriptors(): readonly number[] {
    return [this.#arp, this.#ndp];
  }

  /** A frame that waits on one of the descriptors; undefined when none does. */
  receive(descriptor: number): Frame | undefined {
    for (;;) {
      const received = receivePacket(descriptor, this.#buffer);
      if (received === undefined) return undefined;
      // struct sockaddr_ll: family (2), protocol (2), interface (4), hardware type (2), packet type (1).
      const { packet, from } = received;
      if (from[10] !== outgoing) return { bytes: packet, link: from.readInt32LE(4) };
    }
  }

  /** Sends a frame; false when the kernel would not take it. */
  send(frame: Buffer, link: number): boolean {
    return sendPacket(this.#arp, frame, linkAddress(frame.readUInt16BE(12), link));
  }

  /**
   * Joins the group by which an IPv6 address is asked for, so that the card and the switches let such questions through. A
   * group that can't be joined (IPv6 is off on the link) is no one's loss: false.
   */
  listenFor(address: Buffer, link: number): boolean {
    return this.#setGroup(joinGroup, address, link);
  }

  stopListeningFor(address: Buffer, link: number): boolean {
    return this.#setGroup(leaveGroup, address, link);
  }

  #setGroup(option: number, address: Buffer, link: number): boolean {
    if (this.#groups === undefined) return false;
    try {
      setSocketOption(this.#groups, ipprotoIpv6, option, Buffer.concat([solicitedGroup(address), int32(link)]));
      return true;
    } catch {
      return false;
    }
  }

  [Symbol.dispose](): void {
    for (const descriptor of [this.#arp, this.#ndp, this.#groups]) {
      if (descriptor !== undefined) closeDescriptor(descriptor);
    }
  }
}

function openLinkSocket(etherType: number, filter: Buffer): number {
  // Without a protocol it sees nothing until it is bound: so nothing is queued that the filter would have left out.
  const descriptor = openSocket(family.packet, type.raw, 0);
  try {
    setSocketOption(descriptor, solSocket, attachFilter, filterProgram(filter));
    bindSocket(descriptor, linkAddress(etherType, allLinks));
    return descriptor;
  } catch (error) {
    closeDescriptor(descriptor);
    throw error;
  }
}

// A machine without IPv6 has no such sockets, and nobody asks it by IPv6 either.
function openGroupSocket(): number | undefined {
  try {
    return openSocket(family.inet6, type.datagram, 0);
  } catch {
    return undefined;
  }
}

/** struct sockaddr_ll. */
function linkAddress(etherType: number, link: number): Buffer {
  const address = Buffer.alloc(20);
  int16(family.packet).copy(address);
  address.writeUInt16BE(etherType, 2);
  int32(link).copy(address, 4);
  return address;
}

/** Instructions of the classic packet filter: `operation, if true, if false, value`. */
function instructions(...lines: readonly (readonly [number, number, number, number])[]): Buffer {
  return Buffer.concat(
    lines.map(([code, yes, no, value]) => Buffer.concat([int16(code), Buffer.from([yes, no]), int32(value)])),
  );
}

const loadByte = 0x30;
const loadHalf = 0x28;
const jumpIfEqual = 0x15;
const give = 0x06;

const arpRequests = instructions(
  [loadHalf, 0, 0, 20],
  [jumpIfEqual, 0, 1, 1],
  [give, 0, 0, frameBytesMax],
  [give, 0, 0, 0],
);
/** ICMPv6 directly behind the IPv6 header, of type neighbour solicitation. */
const solicitations = instructions(
  [loadByte, 0, 0, 20],
  [jumpIfEqual, 0, 3, 58],
  [loadByte, 0, 0, 54],
  [jumpIfEqual, 0, 1, 135],
  [give, 0, 0, frameBytesMax],
  [give, 0, 0, 0],
);
