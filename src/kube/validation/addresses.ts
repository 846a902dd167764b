import { SocketAddress } from 'node:net';
import { invalid } from '../field-error.ts';
import { isLinkLocalMulticast, isLinkLocalUnicast, isLoopback, isUnspecified, parseCidr, parseIp } from '../ip.ts';
import type { Errors } from './common.ts';

export function* validateIp(value: string, field: string): Errors {
  if (parseIp(value) === undefined) {
    yield invalid(field, value, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)');
  }
}

export function* validateCidr(value: string, field: string): Errors {
  if (parseCidr(value) === undefined) {
    yield invalid(field, value, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)');
  }
}

/** A prefix of a field that came late enough to demand the canonical form: `fd00::/8`, no bits beyond the prefix. */
export function* validateCanonicalCidr(value: string, field: string): Errors {
  const prefix = parseCidr(value);
  if (prefix === undefined) {
    yield* validateCidr(value, field);
    return;
  }
  const bytes = prefix.address.bytes.map((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefix.length - index * 8));
    return byte & ((0xff << (8 - bits)) & 0xff);
  });
  const canonical = `${addressText(bytes)}/${prefix.length}`;
  if (canonical !== value) yield invalid(field, value, `must be in canonical form ("${canonical}")`);
}

function addressText(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = bytes.flatMap((byte, index) =>
    index % 2 === 0 ? [((byte << 8) | (bytes[index + 1] ?? 0)).toString(16)] : [],
  );
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** An address that other machines can reach: endpoints and external addresses. */
export function* validateNonSpecialIp(value: string, field: string): Errors {
  const address = parseIp(value);
  if (address === undefined) {
    yield invalid(field, value, 'must be a valid IP address');
    return;
  }
  if (isUnspecified(address)) yield invalid(field, value, `may not be unspecified (${value})`);
  if (isLoopback(address)) yield invalid(field, value, 'may not be in the loopback range (127.0.0.0/8, ::1/128)');
  if (isLinkLocalUnicast(address)) {
    yield invalid(field, value, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  }
  if (isLinkLocalMulticast(address)) {
    yield invalid(field, value, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
  }
}
