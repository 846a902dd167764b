import { isIPv6 } from 'node:net';
import type { Endpoint } from './tunnel-frames.ts';
import { addressBytes } from './x509.ts';

/** The PROXY protocol, version 2 (haproxy.org, proxy-protocol.txt, 2.2): whose connection it is that a proxy passes on. */

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const versionAndProxy = 0x21;
const families = { ipv4: 0x10, ipv6: 0x20 } as const;
const transports = { tcp: 1, udp: 2 } as const;

/** The header for a connection from `source` to `destination`. When one of them is IPv6, both are written so. */
export function encodeProxyHeader(transport: 'tcp' | 'udp', source: Endpoint, destination: Endpoint): Buffer {
  const wide = isIPv6(source.address) || isIPv6(destination.address);
  const addresses = [source, destination].map(({ address }) =>
    addressBytes(wide && !isIPv6(address) ? `::ffff:${address}` : address),
  );
  const body = Buffer.concat([...addresses, uint16(source.port), uint16(destination.port)]);
  const family = (wide ? families.ipv6 : families.ipv4) | transports[transport];
  return Buffer.concat([signature, Buffer.from([versionAndProxy, family]), uint16(body.length), body]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
