import ipaddr from 'ipaddr.js';

export type IpFamily = 'IPv4' | 'IPv6';

/** The family of an address or a range. */
export function familyOf(text: string): IpFamily {
  return text.includes(':') ? 'IPv6' : 'IPv4';
}

/** The address `n` places after the first of a range: the 10th of 10.43.0.0/16 is 10.43.0.10. */
export function nthAddress(range: string, n: number): string {
  const [network] = ipaddr.parseCIDR(range);
  const bytes = network.toByteArray();
  let carry = n;
  for (let i = bytes.length - 1; i >= 0 && carry > 0; i--) {
    const sum = (bytes[i] ?? 0) + carry;
    bytes[i] = sum & 255;
    carry = sum >> 8;
  }
  return ipaddr.fromByteArray(bytes).toString();
}

/** The prefix length of a range. */
export function prefixOf(range: string): number {
  return ipaddr.parseCIDR(range)[1];
}

/** How many bits of a range's addresses are free: 16 of 10.42.0.0/16. */
export function hostBitsOf(range: string): number {
  return (familyOf(range) === 'IPv4' ? 32 : 128) - prefixOf(range);
}

export function contains(range: string, ip: string): boolean {
  const [network, bits] = ipaddr.parseCIDR(range);
  const parsed = ipaddr.parse(ip);
  return parsed.kind() === network.kind() && parsed.match(network, bits);
}

export function overlaps(a: string, b: string): boolean {
  const [networkA] = ipaddr.parseCIDR(a);
  const [networkB] = ipaddr.parseCIDR(b);
  return contains(a, networkB.toString()) || contains(b, networkA.toString());
}

/** An address as it stands in a URL: IPv6 in brackets. */
export function urlHost(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** An address as a range of its own: 10.43.0.10/32. */
export function hostRange(address: string): string {
  return `${address}/${familyOf(address) === 'IPv4' ? 32 : 128}`;
}
