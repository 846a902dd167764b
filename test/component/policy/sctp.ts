/**
 * SCTP as far as a firewall sees it begin: an INIT chunk, and an INIT ACK in return (RFC 9260). Raw sockets, because not
 * every kernel has SCTP's own, while connection tracking always knows it. For processes started with --experimental-ffi.
 */
import process from 'node:process';

const sctp = 132;
const rawSocket = 3;
const families = { 4: 2, 6: 10 } as const;
const dontWait = 0x40;
const portOfServer = 80;

type Family = keyof typeof families;

interface Calls {
  socket(domain: number, type: number, protocol: number): number;
  sendto(fd: number, data: Buffer, size: bigint, flags: number, address: Buffer, length: number): bigint;
  recvfrom(fd: number, data: Buffer, size: bigint, flags: number, address: Buffer, length: Buffer): bigint;
}

interface ForeignFunctions {
  dlopen(library: string, signatures: object): { readonly functions: Calls };
}

const ffi = process.getBuiltinModule('node:ffi') as unknown as ForeignFunctions;
const calls = ffi.dlopen('libc.so.6', {
  socket: { arguments: ['int32', 'int32', 'int32'], return: 'int32' },
  sendto: { arguments: ['int32', 'buffer', 'uint64', 'int32', 'buffer', 'uint32'], return: 'int64' },
  recvfrom: { arguments: ['int32', 'buffer', 'uint64', 'int32', 'buffer', 'buffer'], return: 'int64' },
}).functions;

const init = 1;
const initAck = 2;

/** Answers INIT chunks on the server's port and sends them from others. */
export class SctpEnd {
  readonly #sockets: readonly (readonly [Family, number])[];
  readonly #waiting = new Map<number, (isThere: boolean) => void>();
  #nextPort = 20_000 + Math.floor(Math.random() * 20_000);

  constructor() {
    this.#sockets = ([4, 6] as const).map((family) => {
      const fd = calls.socket(families[family], rawSocket, sctp);
      if (fd < 0) throw new Error('no raw socket');
      return [family, fd];
    });
    setInterval(() => this.#receive(), 2).unref();
  }

  /** Whether an INIT ACK comes back within the time. */
  probe(address: string, timeoutMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const port = this.#nextPort++;
    const timer = setTimeout(() => done(false), timeoutMs);
    const done = (isThere: boolean) => {
      clearTimeout(timer);
      this.#waiting.delete(port);
      resolve(isThere);
    };
    this.#waiting.set(port, done);
    this.#send(address.includes(':') ? 6 : 4, socketAddress(address), chunk(port, portOfServer, 0, init));
    return promise;
  }

  #send(family: Family, address: Buffer, packet: Buffer): void {
    const fd = this.#sockets.find(([one]) => one === family)?.[1] ?? -1;
    calls.sendto(fd, packet, BigInt(packet.length), dontWait, address, address.length);
  }

  #receive(): void {
    const data = Buffer.alloc(2048);
    for (const [family, fd] of this.#sockets) {
      for (;;) {
        const from = Buffer.alloc(28);
        const length = Buffer.alloc(4);
        length.writeUInt32LE(from.length);
        const size = Number(calls.recvfrom(fd, data, BigInt(data.length), dontWait, from, length));
        if (size <= 0) break;
        // IPv4's raw sockets show the IP header too.
        const start = family === 4 ? ((data[0] ?? 0) & 15) * 4 : 0;
        this.#take(family, from.subarray(0, length.readUInt32LE()), Buffer.from(data.subarray(start, size)));
      }
    }
  }

  #take(family: Family, from: Buffer, packet: Buffer): void {
    if (packet.length < 20) return;
    const [sender, receiver] = [packet.readUInt16BE(0), packet.readUInt16BE(2)];
    const kind = packet[12];
    if (kind === init && receiver === portOfServer) {
      from.writeUInt16BE(0, 2);
      this.#send(family, from, chunk(portOfServer, sender, packet.readUInt32BE(16), initAck));
    } else if (kind === initAck) this.#waiting.get(receiver)?.(true);
  }
}

/** A packet of one INIT or INIT ACK chunk; an INIT's own tag is its port's number. */
function chunk(from: number, to: number, verificationTag: number, kind: number): Buffer {
  const packet = Buffer.alloc(12 + 20);
  packet.writeUInt16BE(from, 0);
  packet.writeUInt16BE(to, 2);
  packet.writeUInt32BE(verificationTag, 4);
  packet.writeUInt8(kind, 12);
  packet.writeUInt16BE(20, 14);
  packet.writeUInt32BE(from, 16);
  packet.writeUInt32BE(65_536, 20);
  packet.writeUInt16BE(1, 24);
  packet.writeUInt16BE(1, 26);
  packet.writeUInt32BE(1, 28);
  packet.writeUInt32LE(crc32c(packet), 8);
  return packet;
}

function socketAddress(address: string): Buffer {
  const isV6 = address.includes(':');
  const result = Buffer.alloc(isV6 ? 28 : 16);
  result.writeUInt16LE(families[isV6 ? 6 : 4], 0);
  if (!isV6) {
    for (const [index, part] of address.split('.').entries()) result[4 + index] = Number(part);
    return result;
  }
  const [head = '', tail = ''] = address.split('::');
  const before = head.split(':').filter((group) => group !== '');
  const after = tail.split(':').filter((group) => group !== '');
  for (const [index, group] of before.entries()) result.writeUInt16BE(Number.parseInt(group, 16), 8 + index * 2);
  for (const [index, group] of after.entries())
    result.writeUInt16BE(Number.parseInt(group, 16), 24 - (after.length - index) * 2);
  return result;
}

/** CRC-32C, as SCTP's checksum (RFC 9260, appendix A). */
function crc32c(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
