import ipaddr from 'ipaddr.js';
import type { NetworkBlock } from './policy.ts';

/** Addresses from the first to the last one, as numbers. */
export interface AddressRange {
  readonly family: 4 | 6;
  readonly from: bigint;
  readonly to: bigint;
}

/** A prefix as a range; bits beyond its length don't count. Undefined when the text is no prefix. */
export function rangeOf(cidr: string): AddressRange | undefined {
  if (!ipaddr.isValidCIDR(cidr)) return undefined;
  const [address, length] = ipaddr.parseCIDR(cidr);
  const family = address.kind() === 'ipv4' ? 4 : 6;
  const span = (1n << BigInt((family === 4 ? 32 : 128) - length)) - 1n;
  const from = numberOf(address.toByteArray()) & ~span;
  return { family, from, to: from | span };
}

/** What prefixes cover without their exceptions: ranges in ascending order that neither overlap nor touch. */
export function rangesOf(blocks: readonly NetworkBlock[]): readonly AddressRange[] {
  return joined(
    blocks.flatMap(({ cidr, except }) => {
      const whole = rangeOf(cidr);
      if (whole === undefined) return [];
      return except.reduce<readonly AddressRange[]>(
        (rest, text) => {
          const hole = rangeOf(text);
          return hole === undefined ? rest : rest.flatMap((range) => without(range, hole));
        },
        [whole],
      );
    }),
  );
}

/** `10.0.0.0-10.0.0.255`, or one address. */
export function rangeText({ family, from, to }: AddressRange): string {
  const first = addressText(family, from);
  return from === to ? first : `${first}-${addressText(family, to)}`;
}

export function contains({ family, from, to }: AddressRange, address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if ((parsed.kind() === 'ipv4' ? 4 : 6) !== family) return false;
  const number = numberOf(parsed.toByteArray());
  return number >= from && number <= to;
}

/** The n-th address of a range. */
export function addressAt({ family, from }: AddressRange, n: number): string {
  return addressText(family, from + BigInt(n));
}

/** An address as it stands in sets, whatever way it was written; undefined when it is none. */
export function canonicalAddress(address: string): string | undefined {
  if (/^[1-9]\d{0,2}(\.(0|[1-9]\d{0,2})){3}$/.test(address)) return address;
  return ipaddr.isValid(address) ? ipaddr.parse(address).toString() : undefined;
}

function without(range: AddressRange, hole: AddressRange): readonly AddressRange[] {
  const { family, from, to } = range;
  if (hole.family !== family || hole.to < from || hole.from > to) return [range];
  return [
    ...(hole.from > from ? [{ family, from, to: hole.from - 1n }] : []),
    ...(hole.to < to ? [{ family, from: hole.to + 1n, to }] : []),
  ];
}

function joined(ranges: readonly AddressRange[]): readonly AddressRange[] {
  const sorted = [...ranges].sort((a, b) => a.family - b.family || (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const result: AddressRange[] = [];
  for (const range of sorted) {
    const last = result.at(-1);
    if (last === undefined || last.family !== range.family || range.from > last.to + 1n) result.push(range);
    else if (range.to > last.to) result[result.length - 1] = { ...last, to: range.to };
  }
  return result;
}

function numberOf(bytes: readonly number[]): bigint {
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

function addressText(family: 4 | 6, number: bigint): string {
  const bytes: number[] = [];
  for (let left = family === 4 ? 4 : 16, rest = number; left > 0; left--, rest >>= 8n)
    bytes.unshift(Number(rest & 255n));
  return ipaddr.fromByteArray(bytes).toString();
}
