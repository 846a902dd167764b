import { isIP } from 'node:net';
import { WherryError } from '../core/errors.ts';
import type { RouteRequest } from '../wire/tunnel-messages.ts';
import { parseHostPattern } from './host-names.ts';

/** Where a client takes what comes through the tunnel. */
export interface UpstreamTarget {
  readonly protocol: 'http' | 'https' | 'tcp' | 'udp';
  /** A name or an address (without brackets). */
  readonly host: string;
  readonly port: number;
  /** Begin each connection with a PROXY header, version 2. */
  readonly proxyProtocol: boolean;
  /** Take any certificate of an https upstream. */
  readonly insecure: boolean;
}

/** A route and where it leads. `target` is null for what leads to whichever host was asked for. */
export interface Upstream {
  readonly route: RouteRequest;
  readonly target: UpstreamTarget | null;
}

const defaultPorts: Readonly<Record<string, number>> = { http: 80, https: 443 };
const schemes = ['http', 'https', 'tcp', 'udp'] as const;

/** The name of a route, which says what it is. */
export function routeId(
  route: { readonly kind: 'http'; readonly host: string } | { readonly kind: 'tcp' | 'udp'; readonly port: number },
): string {
  return route.kind === 'http' ? `http/${route.host || '*'}` : `${route.kind}/${route.port}`;
}

export function httpRoute(host: string): RouteRequest {
  return { id: routeId({ kind: 'http', host }), kind: 'http', host };
}

export function portRoute(kind: 'tcp' | 'udp', port: number): RouteRequest {
  return { id: routeId({ kind, port }), kind, port };
}

/**
 * Reads --upstream as inlets has it: `URL`, or `HOST=URL` with commas between; and for ports `PORT=tcp://HOST:PORT`. A URL
 * without a scheme is http. `?proxy-protocol=v2` and `?insecure=true` behind a URL are for that one. Throws WherryError TUNNEL_UPSTREAM.
 */
export function parseUpstreams(texts: readonly string[], strictForwarding = true): readonly Upstream[] {
  const upstreams = texts
    .flatMap((text) => text.split(','))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map(parseUpstream);
  const ids = new Set<string>();
  for (const { route } of upstreams) {
    if (ids.has(route.id)) throw bad(`${route.id} leads to two places`, 'name each host and port once');
    ids.add(route.id);
  }
  const any = httpRoute('');
  // inlets without strict forwarding asks whichever host the user named.
  return strictForwarding || ids.has(any.id) ? upstreams : [...upstreams, { route: any, target: null }];
}

function parseUpstream(entry: string): Upstream {
  const match = /^(?:([^=/?]*)=)?(.*)$/.exec(entry);
  const left = match?.[1]?.trim() ?? '';
  const target = parseTarget(match?.[2]?.trim() ?? '', entry);
  if (target.protocol === 'tcp' || target.protocol === 'udp') {
    const port = left === '' ? target.port : Number(left.replace(/^:/, ''));
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw bad(`${JSON.stringify(left)} is no public port`, `write ${entry.replace(/^[^=]*=/, '8443=')}`);
    return { route: portRoute(target.protocol, port), target };
  }
  const host = parseHostPattern(left);
  if (host === undefined)
    throw bad(`${JSON.stringify(left)} is no host name`, 'write shop.example.org=http://10.0.0.1:80');
  return { route: httpRoute(host), target };
}

function parseTarget(text: string, entry: string): UpstreamTarget {
  const hint = 'write http://10.0.0.1:80, host=http://10.0.0.1:80 or 2222=tcp://10.0.0.1:22';
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  const protocol = schemes.find((known) => known === (scheme ?? 'http'));
  if (protocol === undefined) throw bad(`${JSON.stringify(entry)}: there is no way to ${scheme}`, hint);
  // URL knows the syntax of hosts and ports for http only.
  const url = URL.parse(`http://${text.replace(/^[a-z]+:\/\//i, '')}`);
  if (url === null || url.hostname === '') throw bad(`${JSON.stringify(entry)} is no URL`, hint);
  if ((url.pathname !== '/' && url.pathname !== '') || url.username !== '' || url.hash !== '')
    throw bad(`${JSON.stringify(entry)} has more than a host and a port`, hint);
  const given = /:(\d+)(?:[/?]|$)/.exec(text.replace(/^[a-z]+:\/\//i, '').replace(/^\[[^\]]*\]/, ''))?.[1];
  const port = given === undefined ? defaultPorts[protocol] : Number(given);
  if (port === undefined || port < 1 || port > 65_535) throw bad(`${JSON.stringify(entry)} names no port`, hint);
  const options = url.searchParams;
  const proxy = options.get('proxy-protocol');
  if (proxy !== null && proxy !== 'v2') throw bad(`there is no PROXY protocol ${JSON.stringify(proxy)}`, 'write v2');
  if (proxy !== null && protocol !== 'tcp')
    throw bad(`${JSON.stringify(entry)}: only TCP begins with a PROXY header`, 'HTTP upstreams get X-Forwarded-For');
  const bracketed = /^\[(.*)\]$/.exec(url.hostname)?.[1];
  const host = bracketed !== undefined && isIP(bracketed) === 6 ? bracketed : url.hostname;
  return { protocol, host, port, proxyProtocol: proxy !== null, insecure: options.get('insecure') === 'true' };
}

function bad(message: string, hint: string): WherryError {
  return new WherryError('TUNNEL_UPSTREAM', message, { hint });
}
