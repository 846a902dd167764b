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
