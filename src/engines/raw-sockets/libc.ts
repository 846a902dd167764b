/**
 * The calls of the C library that Node.js has no words for, through node:ffi: sockets that see whole frames, and waiting for
 * several descriptors. Everything that depends on the machine's binary interface stands in this file: numbers are those of
 * Linux on x86_64 and arm64, which agree.
 */
import { dlopen, getInt32, getRawPointer } from 'node:ffi';
import { endianness } from 'node:os';
import { WherryError } from '../../core/errors.ts';

const { functions: libc } = dlopen('libc.so.6', {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  bind: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'], return: 'i32' },
  sendto: { arguments: ['i32', 'buffer', 'u64', 'i32', 'buffer', 'u32'], return: 'i64' },
  recvfrom: { arguments: ['i32', 'buffer', 'u64', 'i32', 'buffer', 'buffer'], return: 'i64' },
  poll: { arguments: ['buffer', 'u64', 'i32'], return: 'i32' },
  eventfd: { arguments: ['u32', 'i32'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
  gettid: { arguments: [], return: 'i32' },
  __errno_location: { arguments: [], return: 'pointer' },
});

export const family = { inet: 2, inet6: 10, packet: 17 } as const;
export const type = { datagram: 2, raw: 3 } as const;
const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const pollIn = 1;
const pollFdBytes = 8;
/** A sockaddr of any of the families used here is shorter. */
const addressBytes = 28;

/** Error numbers that are no fault: nothing to read, interrupted, or a link that has just gone (ENODEV, ENXIO, ENETDOWN). */
const nothing = new Set([4, 11]);

/** The last call's error. Reading it is the first thing after the call. */
function errno(): number {
  return getInt32(libc.__errno_location());
}

function must(result: number, what: string): number {
  if (result >= 0) return result;
  const number = errno();
  throw new WherryError(
    names[number] ?? `ERRNO_${number}`,
    `${what}: ${texts[number] ?? `error ${number} (errno(3))`}`,
  );
}

const names: Readonly<Record<number, string>> = {
  1: 'EPERM',
  13: 'EACCES',
  19: 'ENODEV',
  98: 'EADDRINUSE',
  99: 'EADDRNOTAVAIL',
};
const texts: Readonly<Record<number, string>> = {
  1: 'not permitted',
  13: 'not permitted',
  19: 'there is no such network interface',
  97: 'the kernel does not know this kind of socket',
  98: 'the port is taken',
  99: 'the address is not on this machine',
};

/** Opens a socket; throws WherryError with the error's name as code. */
export function openSocket(domain: number, kind: number, protocol: number): number {
  return must(libc.socket(domain, kind | closeOnExec | nonBlocking, protocol), 'opening a socket');
}

export function bindSocket(descriptor: number, address: Buffer): void {
  must(libc.bind(descriptor, address, address.length), 'binding a socket');
}

export function setSocketOption(descriptor: number, level: number, option: number, value: Buffer): void {
  must(libc.setsockopt(descriptor, level, option, value, value.length), `setting option ${option} of a socket`);
}

/** A number as C lays it out. */
export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  if (endianness() === 'LE') bytes.writeInt32LE(value);
  else bytes.writeInt32BE(value);
  return bytes;
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  if (endianness() === 'LE') bytes.writeUInt16LE(value);
  else bytes.writeUInt16BE(value);
  return bytes;
}

/** A filter's program (struct sock_fprog): it points into `instructions`, which must live until it is handed over. */
export function filterProgram(instructions: Buffer): Buffer {
  const program = Buffer.alloc(16);
  int16(instructions.length / 8).copy(program);
  program.writeBigUInt64LE(getRawPointer(instructions), 8);
  return program;
}

/** Sends one packet; false when the kernel would not take it now. What is lost on a link is lost silently too. */
export function sendPacket(descriptor: number, packet: Buffer, to: Buffer): boolean {
  return libc.sendto(descriptor, packet, BigInt(packet.length), 0, to, to.length) >= 0n;
}

/** A packet that waits, with its sender's address as the kernel lays it out; undefined when none waits. */
export function receivePacket(
  descriptor: number,
  into: Buffer,
): { readonly packet: Buffer; readonly from: Buffer } | undefined {
  const from = Buffer.alloc(addressBytes);
  const fromLength = int32(addressBytes);
  const length = Number(libc.recvfrom(descriptor, into, BigInt(into.length), 0, from, fromLength));
  if (length < 0) {
    // An error of an earlier packet (a port that nobody listens on, a link that went) is told here, once.
    if (!nothing.has(errno())) return { packet: into.subarray(0, 0), from };
    return undefined;
  }
  return { packet: into.subarray(0, length), from };
}

/** Blocks this thread until one of the descriptors can be read, or for `timeoutMs`. True for each that can. */
export function waitForInput(descriptors: readonly number[], timeoutMs: number): readonly boolean[] {
  const table = Buffer.alloc(descriptors.length * pollFdBytes);
  for (const [index, descriptor] of descriptors.entries()) {
    int32(descriptor).copy(table, index * pollFdBytes);
    int16(pollIn).copy(table, index * pollFdBytes + 4);
  }
  const count = libc.poll(table, BigInt(descriptors.length), Math.ceil(timeoutMs));
  return descriptors.map((_, index) => count > 0 && (table[index * pollFdBytes + 6] ?? 0) !== 0);
}

/** A descriptor that can be read after 8 bytes were written to it: it wakes a thread that waits for input. */
export function openEvent(): number {
  return must(libc.eventfd(0, closeOnExec | nonBlocking), 'opening an event');
}

export function closeDescriptor(descriptor: number): void {
  libc.close(descriptor);
}

/** The kernel's number of this thread, which os.setPriority takes. */
export function threadId(): number {
  return libc.gettid();
}
