import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, DEFAULT_CIPHERS, type Server as TlsServer } from 'node:tls';
import { errorCode, WherryError } from '../../core/errors.ts';
import { createServer } from '../../core/node-http.ts';

/** A certificate with its chain and its private key, as PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface DoorOptions {
  readonly address: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** What unencrypted connections get: `serve`, or to be closed. */
  readonly plain: 'serve' | 'close';
  /** Absent: encrypted connections are closed. */
  readonly certificate?: KeyPair;
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** A port that speaks HTTP/1.1, with and without TLS. */
export interface Door extends AsyncDisposable {
  readonly port: number;
  replaceCertificate(pair: KeyPair): void;
}

/** What a door takes at most. */
export const doorLimits = {
  /** Connections at the same time; further ones are closed. */
  connections: 20_000,
  /** The head of a request. */
  headBytes: 32 * 1024,
  headTimeoutMs: 20_000,
  /** From the connection to its first byte, then for the TLS handshake. */
  greetingTimeoutMs: 10_000,
  keepAliveTimeoutMs: 75_000,
};

const tlsHandshakeByte = 0x16;
/** Node's own choice, with the faster of two that are both beyond doubt first. */
const fastCipher = 'TLS_AES_128_GCM_SHA256';
const ciphers = [fastCipher, ...DEFAULT_CIPHERS.split(':').filter((name) => name !== fastCipher)].join(':');

/** Opens a port. Throws WherryError PORT_IN_USE, or TUNNEL_LISTEN for any other reason. */
export async function openDoor(options: DoorOptions): Promise<Door> {
  const { connections, headBytes, headTimeoutMs, greetingTimeoutMs, keepAliveTimeoutMs } = doorLimits;
  const server = createServer({
    maxHeaderSize: headBytes,
    headersTimeout: headTimeoutMs,
    // Uploads take as long as they take; a connection without progress is its reader's to judge.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveTimeoutMs,
    noDelay: true,
    // What asks for HTTP/2 without TLS is answered as HTTP/1.1, as RFC 9113 allows.
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() !== 'h2c',
  });
  server.maxConnections = connections;
  server.on('request', options.onRequest);
  server.on('upgrade', options.onUpgrade);
  const sockets = new Set<Socket>();
  const tls = options.certificate === undefined ? undefined : createTls(options.certificate, greetingTimeoutMs);
  // Node's own listener serves HTTP on a connection; which connections, and encrypted or not, is decided before.
  const [serve] = server.listeners('connection');
  server.removeAllListeners('connection');
  tls?.on('secureConnection', (socket) => serve?.call(server, socket));
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setKeepAlive(true, 15_000);
    if (tls === undefined && options.plain === 'serve') serve?.call(server, socket);
    else
      whenFirstByte(socket, greetingTimeoutMs, (first) => {
        if (first === tlsHandshakeByte && tls !== undefined) tls.emit('connection', socket);
        else if (first !== tlsHandshakeByte && options.plain === 'serve') serve?.call(server, socket);
        else socket.destroy();
      });
  });
  await listen(server, options);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    replaceCertificate: ({ certificate, key }) => tls?.setSecureContext({ cert: certificate, key }),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function createTls({ certificate, key }: KeyPair, handshakeTimeout: number): TlsServer {
  const tls = createTlsServer({
    cert: certificate,
    key,
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
    ciphers,
    honorCipherOrder: true,
    handshakeTimeout,
    allowHalfOpen: true,
    noDelay: true,
  });
  // Scanners and clients that don't trust the certificate; Node has closed the connection.
  tls.on('tlsClientError', () => {});
  return tls;
}

function whenFirstByte(socket: Socket, timeoutMs: number, then: (first: number) => void): void {
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.once('close', () => clearTimeout(timer));
  const look = () => {
    const chunk: Buffer | null = socket.read();
    const first = chunk?.[0];
    if (chunk === null || first === undefined) return;
    clearTimeout(timer);
    socket.off('readable', look);
    socket.unshift(chunk);
    then(first);
  };
  socket.on('readable', look);
  socket.once('end', () => socket.end());
}

function listen(server: Server, { address, port }: DoorOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => reject(listenError(cause, 'tcp', address, port));
    server.once('error', onError);
    server.listen({ host: address, port }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

/** Why a port could not be opened, in plain words. */
export function listenError(cause: unknown, protocol: 'tcp' | 'udp', address: string, port: number): WherryError {
  const code = errorCode(cause);
  if (code === 'EADDRINUSE') {
    return new WherryError('PORT_IN_USE', `${protocol} port ${port} is held by another program`, {
      cause,
      hint: `see who holds it: ss -lntup 'sport = :${port}'`,
    });
  }
  const denied = code === 'EACCES' || code === 'EPERM';
  return new WherryError('TUNNEL_LISTEN', `${protocol} port ${port} of ${address} can't be opened`, {
    cause,
    hint: denied ? 'ports below 1024 need root, or CAP_NET_BIND_SERVICE' : 'choose an address of this machine',
  });
}
