import { isObject } from '../core/json.ts';
import { TunnelProtocolError } from './tunnel-frames.ts';

/**
 * The control connection of a tunnel: JSON texts over a WebSocket with the subprotocol below.
 *
 *     exit    hello                        what it speaks, and its random number
 *     client  auth                         that it knows a token, without showing it
 *     exit    welcome | refused            that it knows the token too; or why not
 *     client  declare                      all routes that it serves, whenever they change
 *     exit    routes                       what became of each, whenever that changes
 *     exit    need                         how many data connections the client is to open
 */
export const tunnelSubprotocol = 'wherry.tunnel.v1';
/** The protocol's version; both ends must have the same. */
export const tunnelVersion = 1;
/** Where the exit takes control connections, and the requests that become data connections. */
export const controlPath = '/tunnel';
export const dataPath = '/tunnel/data';
/** The value of Upgrade of a data connection. */
export const dataUpgrade = 'wherry-tunnel-data';

/** Longest message. */
export const messageBytesMax = 1024 * 1024;
/** Routes of one client. */
export const routesMax = 2000;
/** Longest name, host, proof or number in a message. */
const textMax = 512;
/** Data connections that one message may ask for. */
export const needMax = 256;

/** What the two ends of an encrypted connection can prove to share. */
export type Binding = 'tls-exporter' | 'none';

export type RouteRequest =
  /** `host` is empty for any host, may begin with `*.`. */
  | { readonly id: string; readonly kind: 'http'; readonly host: string }
  | { readonly id: string; readonly kind: 'tcp' | 'udp'; readonly port: number };

/** What became of a declared route. */
export type RouteVerdict =
  | { readonly id: string; readonly state: 'open' }
  | { readonly id: string; readonly state: 'refused'; readonly code: string; readonly message: string };

export type ServerMessage =
  | { readonly type: 'hello'; readonly version: number; readonly nonce: string; readonly binding: Binding }
  | {
      readonly type: 'welcome';
      readonly session: string;
      readonly proof: string;
      /** Where users reach the exit, as far as it was told. */
      readonly addresses: readonly string[];
    }
  | { readonly type: 'refused'; readonly code: string; readonly message: string; readonly retryAfterMs: number }
  | { readonly type: 'routes'; readonly routes: readonly RouteVerdict[] }
  | { readonly type: 'need'; readonly count: number };

export type ClientMessage =
  | {
      readonly type: 'auth';
      readonly version: number;
      readonly nonce: string;
      readonly proof: string;
      /** The same for all connections of one process. */
      readonly instance: string;
      /** For people: the client's host name. */
      readonly name: string;
    }
  | { readonly type: 'declare'; readonly routes: readonly RouteRequest[] };

/** Reads what an exit sent; throws TunnelProtocolError. */
export function parseServerMessage(text: string): ServerMessage {
  const fields = parse(text);
  switch (fields['type']) {
    case 'hello': {
      const binding = fields['binding'];
      if (binding !== 'tls-exporter' && binding !== 'none') throw new TunnelProtocolError('hello names no binding');
      return { type: 'hello', version: numberOf(fields, 'version'), nonce: textOf(fields, 'nonce'), binding };
    }
    case 'welcome': {
      const addresses = listOf(fields, 'addresses', 16).filter((item) => typeof item === 'string');
      return { type: 'welcome', session: textOf(fields, 'session'), proof: textOf(fields, 'proof'), addresses };
    }
    case 'refused': {
      const { code, message } = { code: textOf(fields, 'code'), message: textOf(fields, 'message') };
      return { type: 'refused', code, message, retryAfterMs: numberOf(fields, 'retryAfterMs') };
    }
    case 'routes':
      return { type: 'routes', routes: listOf(fields, 'routes', routesMax).map(verdictOf) };
    case 'need':
      return { type: 'need', count: Math.min(needMax, numberOf(fields, 'count')) };
    default:
      throw new TunnelProtocolError(`there is no message ${JSON.stringify(fields['type'])}`);
  }
}

/** Reads what a client sent; throws TunnelProtocolError. */
export function parseClientMessage(text: string): ClientMessage {
  const fields = parse(text);
  switch (fields['type']) {
    case 'auth':
      return {
        type: 'auth',
        version: numberOf(fields, 'version'),
        nonce: textOf(fields, 'nonce'),
        proof: textOf(fields, 'proof'),
        instance: textOf(fields, 'instance'),
        name: textOf(fields, 'name'),
      };
    case 'declare': {
      const routes = listOf(fields, 'routes', routesMax).map(requestOf);
      if (new Set(routes.map(({ id }) => id)).size < routes.length)
        throw new TunnelProtocolError('two routes have one name');
      return { type: 'declare', routes };
    }
    default:
      throw new TunnelProtocolError(`there is no message ${JSON.stringify(fields['type'])}`);
  }
}

type Fields = Readonly<Record<string, unknown>>;

function parse(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new TunnelProtocolError('a message is not JSON');
  }
  if (!isObject(value)) throw new TunnelProtocolError('a message is not a JSON object');
  return value;
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string' || value.length > textMax) throw new TunnelProtocolError(`a message has no ${name}`);
  return value;
}

function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new TunnelProtocolError(`a message has no ${name}`);
  return value;
}

function listOf(fields: Fields, name: string, max: number): readonly unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw new TunnelProtocolError(`a message has no ${name}`);
  if (value.length > max) throw new TunnelProtocolError(`more than ${max} ${name}`);
  return value;
}

function verdictOf(value: unknown): RouteVerdict {
  if (!isObject(value)) throw new TunnelProtocolError('a route is not a JSON object');
  const id = textOf(value, 'id');
  if (value['state'] === 'open') return { id, state: 'open' };
  return { id, state: 'refused', code: textOf(value, 'code'), message: textOf(value, 'message') };
}

function requestOf(value: unknown): RouteRequest {
  if (!isObject(value)) throw new TunnelProtocolError('a route is not a JSON object');
  const id = textOf(value, 'id');
  const { kind } = value;
  if (kind === 'http') return { id, kind, host: textOf(value, 'host') };
  if (kind !== 'tcp' && kind !== 'udp') throw new TunnelProtocolError(`route ${id} is of no known kind`);
  const port = numberOf(value, 'port');
  if (port < 1 || port > 65_535) throw new TunnelProtocolError(`route ${id}: there is no port ${port}`);
  return { id, kind, port };
}
