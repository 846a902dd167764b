import { type Family, formatAddress, parseAddress } from './address.ts';

/** Addresses one after the other, ends included. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
  /** As the user wrote it. */
  readonly text: string;
}

/**
 * Reads `192.168.10.0/24`, `192.168.9.1-192.168.9.5`, or one address. A string says what is wrong with it.
 */
export function parseAddressRange(text: string): AddressRange | string {
  const trimmed = text.trim();
  const dash = trimmed.indexOf('-');
  if (dash >= 0) return betweenOf(trimmed, trimmed.slice(0, dash).trim(), trimmed.slice(dash + 1).trim());
  const slash = trimmed.indexOf('/');
  if (slash >= 0) return prefixOf(trimmed, trimmed.slice(0, slash), trimmed.slice(slash + 1));
  const address = parseAddress(trimmed);
  if (address === undefined) return `${JSON.stringify(text)} is not an address, a prefix or a range of addresses`;
  return { family: address.family, first: address.value, last: address.value, text: trimmed };
}

function betweenOf(text: string, from: string, to: string): AddressRange | string {
  const first = parseAddress(from);
  const last = parseAddress(to);
  const wrong = first === undefined ? from : last === undefined ? to : undefined;
  if (first === undefined || last === undefined)
    return `in the range ${text}, ${JSON.stringify(wrong)} is not an address`;
  if (first.family !== last.family) return `the range ${text} begins with ${first.family} and ends with ${last.family}`;
  if (first.value > last.value) return `the range ${text} ends before it begins`;
  return { family: first.family, first: first.value, last: last.value, text };
}

function prefixOf(text: string, address: string, length: string): AddressRange | string {
  const base = parseAddress(address);
  const bits = base?.family === 'IPv6' ? 128 : 32;
  if (base === undefined || !/^\d{1,3}$/.test(length) || Number(length) > bits) {
    return `${JSON.stringify(text)} is not a prefix such as 192.168.10.0/24`;
  }
  const hostBits = BigInt(bits - Number(length));
  const first = (base.value >> hostBits) << hostBits;
  return { family: base.family, first, last: first + (1n << hostBits) - 1n, text };
}

export function rangesOverlap(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

export function isInRange(range: AddressRange, family: Family, value: bigint): boolean {
  return range.family === family && range.first <= value && value <= range.last;
}

/** How many addresses the range has. */
export function sizeOf(range: AddressRange): bigint {
  return range.last - range.first + 1n;
}

/** The range in its shortest form. */
export function formatRange(range: AddressRange): string {
  const first = formatAddress(range.family, range.first);
  return range.first === range.last ? first : `${first}-${formatAddress(range.family, range.last)}`;
}
