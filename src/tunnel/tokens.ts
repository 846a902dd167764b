import { parse } from 'yaml';
import { describeError, WherryError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { parseQuantity, quantityValue } from '../kube/quantity.ts';
import type { RouteRequest } from '../wire/tunnel-messages.ts';
import { covers, parseHostPattern } from './host-names.ts';

/** Tokens of one exit. */
const tokensMax = 1000;
/** Shortest token that is not warned of: with fewer characters it could be guessed from a recorded greeting. */
const shortTokenLength = 16;

/** A public port, or a range of them. */
export interface PortRange {
  readonly protocol: 'tcp' | 'udp';
  readonly first: number;
  readonly last: number;
}

/** What a token allows. */
export interface TokenSpec {
  /** For people; unique. */
  readonly name: string;
  readonly token: string;
  /** Patterns of host names. */
  readonly hostNames: readonly string[];
  readonly ports: readonly PortRange[];
  /** Bytes a second, each way; absent: without limit. */
  readonly bandwidth?: number;
  /** Requests, connections and flows at the same time; absent: without limit. */
  readonly connections?: number;
}

export interface TokenList {
  readonly tokens: readonly TokenSpec[];
  /** What was left out and why, one sentence each. */
  readonly problems: readonly string[];
}

const allPorts: readonly PortRange[] = [
  { protocol: 'tcp', first: 1, last: 65_535 },
  { protocol: 'udp', first: 1, last: 65_535 },
];

/** A token that may do everything: what inlets' one token is. */
export function fullToken(name: string, token: string): TokenSpec {
  return { name, token, hostNames: [''], ports: allPorts };
}

/**
 * Reads a tokens file: either the token alone, or YAML with `tokens:`. A malformed entry is left out and told; the others
 * stand. Throws WherryError TUNNEL_TOKENS when there is nothing usable in it.
 */
export function parseTokenFile(text: string): TokenList {
  if (!/^\s*(#.*\n\s*)*tokens\s*:/.test(text)) return parseSingle(text);
  let file: unknown;
  try {
    file = parse(text);
  } catch (cause) {
    const message = describeError(cause).split('\n')[0];
    throw new WherryError('TUNNEL_TOKENS', `the tokens are not YAML: ${message}`, { hint: 'mend that line' });
  }
  const entries = isObject(file) ? file['tokens'] : undefined;
  if (!Array.isArray(entries))
    throw new WherryError('TUNNEL_TOKENS', 'there is no list of tokens', { hint: 'write `tokens:` and a list below' });
  const tokens: TokenSpec[] = [];
  const problems: string[] = [];
  for (const [index, entry] of entries.entries()) {
    const result = index < tokensMax ? parseEntry(entry, tokens) : `there are more than ${tokensMax}`;
    if (typeof result !== 'string') tokens.push(result);
    else problems.push(`token ${nameIn(entry) ?? `number ${index + 1}`} is left out: ${result}`);
  }
  for (const { name, token } of tokens) if (token.length < shortTokenLength) problems.push(tooShort(name));
  return { tokens, problems };
}

function parseSingle(text: string): TokenList {
  const token = text.trim();
  if (token === '')
    throw new WherryError('TUNNEL_TOKENS', 'the token is empty', { hint: 'openssl rand -hex 32 makes a good one' });
  if (/\s/.test(token))
    throw new WherryError('TUNNEL_TOKENS', 'the token has white space in it', {
      hint: 'write one token alone, or YAML that begins with `tokens:`',
    });
  return {
    tokens: [fullToken('default', token)],
    problems: token.length < shortTokenLength ? [tooShort('default')] : [],
  };
}

function tooShort(name: string): string {
  return `token ${name} has fewer than ${shortTokenLength} characters and could be guessed; openssl rand -hex 32 makes a good one`;
}

function nameIn(entry: unknown): string | undefined {
  return isObject(entry) && typeof entry['name'] === 'string' ? JSON.stringify(entry['name']) : undefined;
}

const known = ['name', 'token', 'hostnames', 'ports', 'bandwidth', 'connections'];

function parseEntry(entry: unknown, others: readonly TokenSpec[]): TokenSpec | string {
  if (!isObject(entry)) return 'it is no mapping';
  const unknown = Object.keys(entry).find((key) => !known.includes(key));
  if (unknown !== undefined) return `there is no field ${JSON.stringify(unknown)}`;
  const { name, token } = entry;
  if (typeof name !== 'string' || name === '') return 'it has no name';
  if (typeof token !== 'string' || !/^\S+$/.test(token)) return 'it has no token, which is one word';
  if (others.some((other) => other.name === name)) return 'another one has the same name';
  if (others.some((other) => other.token === token)) return 'another one is the same token';
  const hostNames = listOf(entry['hostnames'], ['*']).map((text) => ({ text, pattern: parseHostPattern(text) }));
  const wrong = hostNames.find(({ pattern }) => pattern === undefined);
  if (wrong !== undefined) return `${JSON.stringify(wrong.text)} is no host name`;
  const ports = entry['ports'] === undefined ? allPorts : listOf(entry['ports'], []).map(parsePorts);
  const bad = ports.find((range) => typeof range === 'string');
  if (typeof bad === 'string') return bad;
  const bandwidth = positive(entry['bandwidth']);
  const connections = positive(entry['connections']);
  if (Number.isNaN(bandwidth)) return 'its bandwidth is no number of bytes a second, such as 10Mi';
  if (Number.isNaN(connections)) return 'its connections are no number';
  return {
    name,
    token,
    hostNames: hostNames.flatMap(({ pattern }) => (pattern === undefined ? [] : [pattern])),
    ports: ports.filter((range) => typeof range !== 'string'),
    ...(bandwidth === undefined ? {} : { bandwidth }),
    ...(connections === undefined ? {} : { connections }),
  };
}

function listOf(value: unknown, absent: readonly string[]): readonly string[] {
  if (value === undefined || value === null) return absent;
  return (Array.isArray(value) ? value : [value]).map(String);
}

/** `8443`, `tcp/2000-2010`, `udp/53`; a sentence for anything else. */
export function parsePorts(text: string): PortRange | string {
  const match = /^(?:(tcp|udp)\/)?(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[2]);
  const last = Number(match?.[3] ?? first);
  const isRange = match !== null && first >= 1 && first <= last && last <= 65_535;
  if (!isRange) return `${JSON.stringify(text)} is no port, such as 8443, tcp/2000-2010 or udp/53`;
  return { protocol: match[1] === 'udp' ? 'udp' : 'tcp', first, last };
}

/** Undefined when absent, NaN when it is not a number above 0. */
function positive(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' && typeof value !== 'number') return Number.NaN;
  try {
    const number = quantityValue(parseQuantity(value));
    return number > 0 ? number : Number.NaN;
  } catch {
    return Number.NaN;
  }
}

/** Why a token may not have a route; undefined when it may. */
export function whyForbidden(spec: TokenSpec, route: RouteRequest): string | undefined {
  if (route.kind === 'http') {
    if (spec.hostNames.some((allowed) => covers(allowed, route.host))) return undefined;
    const names = spec.hostNames.map((name) => name || '*').join(', ') || 'none';
    return `token ${JSON.stringify(spec.name)} may serve the host names ${names}, not ${route.host || '*'}`;
  }
  const fits = ({ protocol, first, last }: PortRange) =>
    protocol === route.kind && first <= route.port && route.port <= last;
  if (spec.ports.some(fits)) return undefined;
  const ranges = spec.ports.map(
    ({ protocol, first, last }) => `${protocol}/${first === last ? first : `${first}-${last}`}`,
  );
  return `token ${JSON.stringify(spec.name)} may open the ports ${ranges.join(', ') || 'none'}, not ${route.kind}/${route.port}`;
}
