import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { WherryError } from '../../core/errors.ts';

/** Headers that speak of one connection and are not passed on (RFC 9110, 7.6.1). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
const forwarding = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
]);

/** An IPv4 address that came to an IPv6 socket, as IPv4. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}

/** Addresses and ranges whose word about where a request came from is taken. Throws WherryError TUNNEL_PROXIES. */
export function parseTrustedProxies(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', prefix] = text.split('/');
    const family = isIP(address);
    const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix);
    if (family === 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 4 ? 32 : 128))
      throw new WherryError('TUNNEL_PROXIES', `${JSON.stringify(text)} is neither an address nor a range`, {
        hint: 'write 192.0.2.0/24',
      });
    list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

/** Header lines, names and values in turn, as Node has them: those that are for the other end. */
export function endToEnd(rawHeaders: readonly string[]): string[] {
  const pairs = pairsOf(rawHeaders);
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((word) => word.trim().toLowerCase()));
  const dropped = new Set([...hopByHop, ...named]);
  return pairs.filter(([name]) => !dropped.has(name.toLowerCase())).flat();
}

function pairsOf(rawHeaders: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) pairs.push([rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '']);
  return pairs;
}

/**
 * The headers of a request for its upstream: without those of this connection, the host that was routed by, and where the request
 * came from. What the request says about that itself is believed of trusted proxies alone.
 */
export function forwardHeaders(request: IncomingMessage, authority: string, trusted: BlockList): string[] {
  const { socket } = request;
  const source = plainAddress(socket.remoteAddress);
  const isTrusted = source !== '' && trusted.check(source, isIP(source) === 6 ? 'ipv6' : 'ipv4');
  const headers: string[] = ['Host', authority];
  for (const [name, value] of pairsOf(endToEnd(request.rawHeaders))) {
    const lower = name.toLowerCase();
    if (
      lower === 'host' ||
      lower === 'expect' ||
      (forwarding.has(lower) && !(isTrusted && lower !== 'x-forwarded-for'))
    )
      continue;
    headers.push(name, value);
  }
  const told = isTrusted ? request.headers['x-forwarded-for'] : undefined;
  headers.push(
    'X-Forwarded-For',
    [told, source]
      .flat()
      .filter((text) => text !== undefined)
      .join(', '),
  );
  const isTold = (name: string) => isTrusted && request.headers[name] !== undefined;
  if (!isTold('x-forwarded-proto')) headers.push('X-Forwarded-Proto', 'encrypted' in socket ? 'https' : 'http');
  if (!isTold('x-forwarded-host')) headers.push('X-Forwarded-Host', authority);
  if (!isTold('x-forwarded-port')) headers.push('X-Forwarded-Port', String(socket.localPort ?? 0));
  // A body of unknown length stays one, also with methods that have none by default.
  if (request.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked');
  return headers;
}
