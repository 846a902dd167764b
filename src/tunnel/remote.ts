import { isIP } from 'node:net';
import { WherryError } from '../core/errors.ts';

/** Where an exit's control port is. */
export interface Remote {
  /** A name or an address (without brackets). */
  readonly host: string;
  readonly port: number;
  readonly encrypted: boolean;
}

/** The port of the control connection when a remote without a scheme names none; inlets' own. */
export const defaultControlPort = 8080;

/**
 * Reads --remote or --url: `wss://exit.example.org:8080`, or `exit.example.org:8080`, which is encrypted too. A remote without
 * encryption (`ws://`) needs --insecure, as with inlets. Throws WherryError TUNNEL_REMOTE.
 */
export function parseRemote(text: string, allowInsecure: boolean): Remote {
  const hint = 'write wss://exit.example.org:8080 or exit.example.org:8080';
  const fail = (message: string, hintText = hint) => new WherryError('TUNNEL_REMOTE', message, { hint: hintText });
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text.trim())?.[1]?.toLowerCase();
  const known = scheme === undefined || ['ws', 'wss', 'http', 'https'].includes(scheme);
  if (!known) throw fail(`${JSON.stringify(text)}: a tunnel does not speak ${scheme}`);
  const rest = text.trim().replace(/^[a-z]+:\/\//i, '');
  const url = URL.parse(`http://${rest}`);
  if (url === null || rest === '') throw fail(`${JSON.stringify(text)} is no address of an exit`);
  if (url.username !== '' || (url.pathname !== '/' && url.pathname !== '/tunnel') || url.search !== '')
    throw fail(`${JSON.stringify(text)} has more than a host and a port`);
  const encrypted = scheme !== 'ws' && scheme !== 'http';
  if (!encrypted && !allowInsecure)
    throw fail(`${JSON.stringify(text)} has no encryption`, 'write wss://, or add --insecure if you mean it');
  const given = /:(\d+)\/?(?:tunnel)?$/.exec(rest.replace(/^\[[^\]]*\]/, ''))?.[1];
  const standard = scheme === undefined ? defaultControlPort : encrypted ? 443 : 80;
  const bracketed = /^\[(.*)\]$/.exec(url.hostname)?.[1];
  const host = bracketed !== undefined && isIP(bracketed) === 6 ? bracketed : url.hostname;
  return { host, port: given === undefined ? standard : Number(given), encrypted };
}

/** `host:port`, as a URL has it. */
export function authorityOf(remote: { readonly host: string; readonly port: number }): string {
  return `${isIP(remote.host) === 6 ? `[${remote.host}]` : remote.host}:${remote.port}`;
}
