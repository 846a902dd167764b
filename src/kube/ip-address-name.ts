import { isIPv6, SocketAddress } from 'node:net';
import { parseIp } from './ip.ts';
import type { NameCheck } from './names.ts';

/** IPAddress objects are named after what they stand for, in its canonical form (RFC 5952). */
export const nameIsIpAddress: NameCheck = (name) => {
  if (parseIp(name) === undefined) return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'];
  const canonical = isIPv6(name) ? new SocketAddress({ address: name, family: 'ipv6' }).address : name;
  return canonical === name ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`];
};
