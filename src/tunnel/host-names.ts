import { isIP } from 'node:net';

/** Longest host name (RFC 1035). */
const hostNameMax = 253;
const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** A host name as it is compared: lower case, no final dot. Undefined for what is none. */
export function normalizeHost(text: string): string | undefined {
  const host = text.toLowerCase().replace(/\.$/, '');
  if (host.startsWith('[') && host.endsWith(']')) return isIP(host.slice(1, -1)) === 6 ? host : undefined;
  if (host.length === 0 || host.length > hostNameMax) return undefined;
  return host.split('.').every((part) => label.test(part)) ? host : undefined;
}

/** The host of a Host header, without its port; undefined when it is malformed. */
export function hostOfHeader(header: string | undefined): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::\d{0,5})?$/.exec(header?.trim() ?? '');
  return match?.[1] === undefined ? undefined : normalizeHost(match[1]);
}

/** A name to be served: `shop.example.org`, `*.example.org` for any name below, `*` (or nothing) for any at all, which is `''`. */
export function parseHostPattern(text: string): string | undefined {
  const pattern = text.trim();
  if (pattern === '' || pattern === '*') return '';
  if (!pattern.startsWith('*.')) return normalizeHost(pattern);
  const rest = normalizeHost(pattern.slice(2));
  return rest === undefined ? undefined : `*.${rest}`;
}

/** The patterns that may serve a host, the most specific first: itself, each wildcard above it, any. */
export function patternsFor(host: string): readonly string[] {
  const labels = host.split('.');
  return [host, ...labels.slice(1).map((_, i) => `*.${labels.slice(i + 1).join('.')}`), ''];
}

/** True when whoever may have all names of `allowed` may have all of `wanted`. */
export function covers(allowed: string, wanted: string): boolean {
  if (allowed === '' || allowed === wanted) return true;
  if (!allowed.startsWith('*.') || wanted === '') return false;
  return wanted.replace(/^\*\./, 'x.').endsWith(allowed.slice(1)) && wanted !== allowed.slice(2);
}
