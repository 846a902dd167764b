import { isIPv6 } from 'node:net';
import { addressBytes } from '../../wire/ip-bytes.ts';
import {
  bindSocket,
  closeDescriptor,
  family,
  int16,
  int32,
  openSocket,
  receivePacket,
  sendPacket,
  setSocketOption,
  type,
} from './libc.ts';

/** Larger packets are cut, and so are none. */
const datagramBytesMax = 2048;
const ipprotoIpv6 = 41;
const v6Only = 26;

/** A UDP socket for a thread that waits for input itself, and has no event loop that could. */
export class DatagramSocket implements Disposable {
  readonly descriptor: number;
  readonly #buffer = Buffer.alloc(datagramBytesMax);

  /** Throws WherryError EADDRINUSE when somebody has the port, EADDRNOTAVAIL when the machine has no such address. */
  constructor(address: string, port: number) {
    const is6 = isIPv6(address);
    this.descriptor = openSocket(is6 ? family.inet6 : family.inet, type.datagram, 0);
    try {
      if (is6) setSocketOption(this.descriptor, ipprotoIpv6, v6Only, int32(1));
      bindSocket(this.descriptor, socketAddress(address, port));
    } catch (error) {
      closeDescriptor(this.descriptor);
      throw error;
    }
  }

  /** Sends a packet; false when the kernel would not take it, as when no route leads there. */
  send(packet: Buffer, address: string, port: number): boolean {
    return sendPacket(this.descriptor, packet, socketAddress(address, port));
  }

  /** A packet that waits; undefined when none does. Valid until the next call. */
  receive(): Buffer | undefined {
    return receivePacket(this.descriptor, this.#buffer)?.packet;
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.descriptor);
  }
}

/** struct sockaddr_in or sockaddr_in6. */
function socketAddress(address: string, port: number): Buffer {
  const bytes = addressBytes(address);
  const is6 = bytes.length === 16;
  const result = Buffer.alloc(is6 ? 28 : 16);
  int16(is6 ? family.inet6 : family.inet).copy(result);
  result.writeUInt16BE(port, 2);
  bytes.copy(result, is6 ? 8 : 4);
  return result;
}
