import { SocketAddress } from 'node:net';
import { type IpPrefix, parseCidr, parseIp } from './ip.ts';

/**
 * How addresses may be written. Go's older parser, which parseIp follows, takes more than is safe: programs disagree on
 * leading zeros and on IPv4 in IPv6. Nothing new may be written so (KEP-4858).
 */

/** What is wrong with an address, in Kubernetes' own words. */
export function ipProblem(text: string): string | undefined {
  if (parseIp(text) === undefined) return 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
  if (hasLeadingZeros(text)) return 'must not have leading 0s';
  return isMapped(text) ? 'must not be an IPv4-mapped IPv6 address' : undefined;
}

/** The same for a prefix; bits beyond its length are refused too. */
export function cidrProblem(text: string): string | undefined {
  const prefix = parseCidr(text);
  if (prefix === undefined) return 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
  const [address = '', length = ''] = text.split('/');
  if (hasLeadingZeros(address) || /^0\d/.test(length)) return 'must not have leading 0s in IP or prefix length';
  if (isMapped(address)) return 'must not have an IPv4-mapped IPv6 address';
  const masked = networkOf(prefix);
  const isNetwork = prefix.address.bytes.every((byte, index) => byte === masked[index]);
  return isNetwork ? undefined : 'must not have bits set beyond the prefix length';
}

/** Fields that came late demand the canonical form (RFC 5952) besides. */
export function canonicalIpProblem(text: string): string | undefined {
  const address = parseIp(text);
  return ipProblem(text) ?? (address && canonicalProblem(text, ipText(address.bytes)));
}

export function canonicalCidrProblem(text: string): string | undefined {
  const prefix = parseCidr(text);
  return cidrProblem(text) ?? (prefix && canonicalProblem(text, `${ipText(networkOf(prefix))}/${prefix.length}`));
}

/** An address in its canonical form with its family, undefined for text that is none. IPv4 in IPv6 becomes IPv4. */
export function canonicalIp(text: string): { readonly family: 'IPv4' | 'IPv6'; readonly text: string } | undefined {
  const address = parseIp(text);
  return address && { family: `IPv${address.family}`, text: ipText(address.bytes) };
}

/** The same for a prefix; bits beyond its length are cleared. */
export function canonicalCidr(text: string): { readonly family: 'IPv4' | 'IPv6'; readonly text: string } | undefined {
  const prefix = parseCidr(text);
  if (prefix === undefined) return undefined;
  const { address } = prefix;
  const length = address.family === 4 && text.includes(':') ? Math.max(0, prefix.length - 96) : prefix.length;
  return { family: `IPv${address.family}`, text: `${ipText(networkOf({ address, length }))}/${length}` };
}

function canonicalProblem(text: string, canonical: string): string | undefined {
  return text === canonical ? undefined : `must be in canonical form (${JSON.stringify(canonical)})`;
}

/** In the IPv4 part of an address: groups of IPv6 may be padded. */
function hasLeadingZeros(text: string): boolean {
  return text.includes('.') && /(^|[.:])0\d+(\.|$)/.test(text.slice(text.lastIndexOf(':') + 1));
}

function isMapped(text: string): boolean {
  return text.includes(':') && parseIp(text)?.family === 4;
}

function networkOf({ address, length }: IpPrefix): readonly number[] {
  return address.bytes.map((byte, index) => {
    const bits = Math.min(8, Math.max(0, length - index * 8));
    return byte & (0xff << (8 - bits)) & 0xff;
  });
}

function ipText(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = bytes.flatMap((byte, index) =>
    index % 2 === 0 ? [((byte << 8) | (bytes[index + 1] ?? 0)).toString(16)] : [],
  );
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** An address with the length of its network's prefix, bits beyond it included: `10.1.2.3/24`. */
export function canonicalInterfaceProblem(text: string): string | undefined {
  const prefix = parseCidr(text);
  const [address = '', length = ''] = text.split('/');
  if (prefix === undefined) return 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)';
  if (hasLeadingZeros(address) || /^0\d/.test(length)) return 'must not have leading 0s in IP or prefix length';
  if (isMapped(address)) return 'must not have an IPv4-mapped IPv6 address';
  return canonicalProblem(text, `${ipText(prefix.address.bytes)}/${prefix.length}`);
}
