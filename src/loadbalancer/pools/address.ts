import ipaddr from 'ipaddr.js';

export type Family = 'IPv4' | 'IPv6';

/** An address as a number. */
export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** Strict: four decimal parts or RFC 4291; IPv4 in IPv6 and zones are none. */
export function parseAddress(text: string): Address | undefined {
  const isIPv4 = ipaddr.IPv4.isValidFourPartDecimal(text);
  if (!isIPv4 && !(text.includes(':') && !text.includes('%') && ipaddr.IPv6.isValid(text))) return undefined;
  if (isIPv4 && /(^|\.)0\d/.test(text)) return undefined;
  const parsed = ipaddr.parse(text);
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress()) return undefined;
  const value = parsed.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: isIPv4 ? 'IPv4' : 'IPv6', value };
}

/** In its canonical form (RFC 5952). */
export function formatAddress(family: Family, value: bigint): string {
  const length = family === 'IPv4' ? 4 : 16;
  const bytes = Array.from({ length }, (_, index) => Number((value >> BigInt(8 * (length - 1 - index))) & 255n));
  const address = ipaddr.fromByteArray(bytes);
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}
