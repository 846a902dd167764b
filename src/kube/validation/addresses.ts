import { invalid } from '../field-error.ts';
import { isLinkLocalMulticast, isLinkLocalUnicast, isLoopback, isUnspecified, parseIp } from '../ip.ts';
import { canonicalCidrProblem, cidrProblem, ipProblem } from '../ip-text.ts';
import type { Errors } from './common.ts';

/** `known` are values that the object had before, which stay as they are. */
export function* validateIp(value: string, field: string, known: readonly string[] = []): Errors {
  const problem = known.includes(value) ? undefined : ipProblem(value);
  if (problem !== undefined) yield invalid(field, value, problem);
}

export function* validateCidr(value: string, field: string, known: readonly string[] = []): Errors {
  const problem = known.includes(value) ? undefined : cidrProblem(value);
  if (problem !== undefined) yield invalid(field, value, problem);
}

/** A prefix of a field that came late enough to demand the canonical form. */
export function* validateCanonicalCidr(value: string, field: string): Errors {
  const problem = canonicalCidrProblem(value);
  if (problem !== undefined) yield invalid(field, value, problem);
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
