import { randomInt } from 'node:crypto';
import ipaddr from 'ipaddr.js';

export type IpFamily = 'IPv4' | 'IPv6';

/** Addresses of one CIDR that Services may have: all but the network's own and, for IPv4, the broadcast address. */
export class AddressRange {
  readonly cidr: string;
  readonly family: IpFamily;
  readonly #first: bigint;
  readonly #size: bigint;

  /** Throws for text that is no CIDR. */
  constructor(cidr: string) {
    const [address, bits] = ipaddr.parseCIDR(cidr);
    this.family = address.kind() === 'ipv4' ? 'IPv4' : 'IPv6';
    const width = this.family === 'IPv4' ? 32 : 128;
    const total = 1n << BigInt(width - bits);
    const network = numberOf(address) & ~(total - 1n);
    this.cidr = `${textOf(network, this.family)}/${bits}`;
    this.#first = network + 1n;
    const usable = total - (this.family === 'IPv4' ? 2n : 1n);
    this.#size = usable > 0n ? usable : 0n;
  }

  /** The network's own address, which no Service has. */
  get network(): string {
    return textOf(this.#first - 1n, this.family);
  }

  /** The address of the `kubernetes` Service. */
  get firstAddress(): string {
    return textOf(this.#first, this.family);
  }

  /** True when `text` is an address in the range that a Service may have. */
  has(text: string): boolean {
    const parsed = parseAddress(text);
    if (parsed === null || parsed.family !== this.family) return false;
    return parsed.number >= this.#first && parsed.number < this.#first + this.#size;
  }

  /**
   * Addresses to try, in upstream's order (KEP-3070): from a random start through the upper part of the range, then
   * through the lower one, which is left to those who choose addresses by hand.
   */
  *candidates(): Generator<string> {
    const reserved = lowerBand(this.#size);
    yield* this.#from(reserved, this.#size - reserved);
    yield* this.#from(0n, reserved);
  }

  *#from(start: bigint, length: bigint): Generator<string> {
    if (length <= 0n) return;
    const offset = BigInt(randomInt(Number(length < 2n ** 40n ? length : 2n ** 40n)));
    const limit = length < candidatesMax ? length : candidatesMax;
    for (let step = 0n; step < limit; step += 1n) {
      yield textOf(this.#first + start + ((offset + step) % length), this.family);
    }
  }
}

// A scan of a range of IPv6 must end.
const candidatesMax = 1n << 20n;

function lowerBand(size: bigint): bigint {
  if (size <= 16n) return 0n;
  const sixteenth = size / 16n;
  return sixteenth < 16n ? 16n : sixteenth > 256n ? 256n : sixteenth;
}

/** An address as a number, null for text that is none. */
export function parseAddress(text: string): { readonly family: IpFamily; readonly number: bigint } | null {
  if (!ipaddr.isValid(text)) return null;
  const address = ipaddr.parse(text);
  return { family: address.kind() === 'ipv4' ? 'IPv4' : 'IPv6', number: numberOf(address) };
}

function numberOf(address: ipaddr.IPv4 | ipaddr.IPv6): bigint {
  return address.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function textOf(number: bigint, family: IpFamily): string {
  const length = family === 'IPv4' ? 4 : 16;
  const bytes = Array.from({ length }, (_, index) => Number((number >> BigInt(8 * (length - 1 - index))) & 0xffn));
  return ipaddr.fromByteArray(bytes).toString();
}
