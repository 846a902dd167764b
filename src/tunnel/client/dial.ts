import { createHash, X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { TerminalError, TransientError, toError, WherryError } from '../../core/errors.ts';
import { exporterBytes, exporterLabel } from '../proof.ts';
import { authorityOf, type Remote } from '../remote.ts';

/** An exit that does not answer. */
const dialTimeoutMs = 4_000;
/** A connection without traffic is tried by the kernel after this time, milliseconds. */
const keepAliveMs = 15_000;

/** What the exit's certificate must be. Without either, the token alone proves who the exit is. */
export interface Trust {
  /** Certificates of authorities, PEM; the exit's name must be in its certificate then. */
  readonly authorities?: string;
  /** `sha256//BASE64`, the digest of the public key (RFC 7469), as curl's --pinnedpubkey has it. */
  readonly pin?: string;
}

export interface Dialed {
  readonly socket: Socket;
  /** Shared with the other end of the TLS connection alone; empty without encryption. */
  readonly shared: Buffer;
  /** True when the certificate itself was enough to know the exit. */
  readonly isKnown: boolean;
  /** The digest of the exit's public key, in the form of a pin; undefined without encryption. */
  readonly pin: string | undefined;
}

/** The pin of a certificate (PEM or DER). */
export function pinOf(certificate: string | Buffer): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256//${createHash('sha256').update(key).digest('base64')}`;
}

let lastKnown: { readonly raw: Buffer; readonly pin: string } | undefined;

/** The pin of what a peer shows; data connections see the same certificate over and over. */
function pinOfPeer(raw: Buffer): string {
  if (lastKnown?.raw.equals(raw) !== true) lastKnown = { raw, pin: pinOf(raw) };
  return lastKnown.pin;
}

/** What needs no authorities of its own shares one context: making one costs more than a handshake. */
let sharedContext: SecureContext | undefined;

/** Checks the form of a pin. Throws WherryError TUNNEL_PIN. */
export function parsePin(text: string): string {
  if (/^sha256\/\/[A-Za-z0-9+/]{43}=$/.test(text)) return text;
  throw new WherryError('TUNNEL_PIN', `${JSON.stringify(text)} is no pin`, {
    hint: 'copy the one that wherry tunnel server prints at its start: sha256//...',
  });
}

/**
 * Connects to an exit. Throws TransientError TUNNEL_UNREACHABLE, or TerminalError TUNNEL_PIN_MISMATCH or TUNNEL_CERTIFICATE when
 * somebody answers who is not the exit that is trusted.
 */
export async function dial(remote: Remote, trust: Trust, signal: AbortSignal): Promise<Dialed> {
  const place = authorityOf(remote);
  const tcp = await connected(remote, place, signal);
  tcp.setKeepAlive(true, keepAliveMs);
  if (!remote.encrypted) return { socket: tcp, shared: Buffer.alloc(0), isKnown: false, pin: undefined };
  const tls = await secured(tcp, remote, trust, place, signal);
  const pin = pinOfPeer(tls.getPeerCertificate().raw);
  if (trust.pin !== undefined && pin !== trust.pin) {
    tls.destroy();
    throw new TerminalError('TUNNEL_PIN_MISMATCH', `${place} has the key ${pin}, not the pinned ${trust.pin}`, {
      hint: 'compare with the pin that the exit prints; if the exit has been made anew, give its new pin',
    });
  }
  if (trust.authorities !== undefined && !tls.authorized) {
    const reason = tls.authorizationError;
    tls.destroy();
    throw new TerminalError('TUNNEL_CERTIFICATE', `the certificate of ${place} does not stand: ${reason}`, {
      hint: "give the authority of the exit's certificate, or pin its key",
    });
  }
  return {
    socket: tls,
    shared: tls.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0)),
    isKnown: trust.pin !== undefined || tls.authorized,
    pin,
  };
}

function unreachable(place: string, cause: unknown): TransientError {
  return new TransientError('TUNNEL_UNREACHABLE', `the exit ${place} can't be reached`, {
    cause: toError(cause),
    hint: 'is `wherry tunnel server` running there, and its control port open in the firewall?',
  });
}

function connected(remote: Remote, place: string, signal: AbortSignal): Promise<Socket> {
  const { host, port } = remote;
  const socket = connectTcp({ host, port, noDelay: true, allowHalfOpen: true, autoSelectFamily: true });
  return settled(socket, 'connect', place, signal);
}

function secured(
  socket: Socket,
  { host }: Remote,
  { authorities }: Trust,
  place: string,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const tls = connectTls({
    socket,
    ...(isIP(host) === 0 ? { servername: host } : { host }),
    ...(authorities === undefined ? { secureContext: contextOfAll() } : { ca: authorities, minVersion: 'TLSv1.3' }),
    // Whoever answers is judged by the caller; its proof of the token is bound to this connection.
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
  });
  return settled(tls, 'secureConnect', place, signal);
}

function contextOfAll(): SecureContext {
  sharedContext ??= createSecureContext({ minVersion: 'TLSv1.3' });
  return sharedContext;
}

function settled<S extends Socket>(socket: S, event: string, place: string, signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const finish = (error?: unknown) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('error', finish);
      socket.off('close', onClose);
      socket.off(event, onReady);
      if (error === undefined) {
        resolve(socket);
        return;
      }
      socket.on('error', () => {});
      socket.destroy();
      reject(unreachable(place, error));
    };
    const onReady = () => finish();
    const onClose = () => finish(new Error('it closed the connection'));
    const onAbort = () => finish(signal.reason);
    const timer = setTimeout(() => finish(new Error(`no answer within ${dialTimeoutMs} ms`)), dialTimeoutMs);
    socket.once(event, onReady);
    socket.once('error', finish);
    socket.once('close', onClose);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
