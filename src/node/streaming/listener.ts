import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { errorCode, toError, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { createServer } from '../../core/node-http.ts';
import type { StreamingServer } from '../streaming-server.ts';
import type { NodeAccess } from './access.ts';
import { HttpError } from './http-error.ts';

/** PEM texts. `clientCa` signs the certificates of those who may ask. */
export interface NodeTls {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly clientCa: string | Buffer;
}

export interface NodeListenerOptions {
  readonly streaming: StreamingServer;
  readonly access: NodeAccess;
  readonly tls: NodeTls;
  readonly log: Log;
}

/** The door of the node's HTTP API: HTTPS for other machines, and a way in for the same process. */
export interface NodeListener extends AsyncDisposable {
  /** Begins to accept connections; resolves with the port. Throws PORT_IN_USE. */
  listen(host: string, port: number): Promise<number>;
  /** A connection from inside this process, ready for an HTTP/1.1 request. It needs no credentials. */
  connect(): Duplex;
  replaceTls(tls: NodeTls): void;
}

const headersTimeoutMs = 30_000;
const connectionsMax = 1000;

export function createNodeListener({ streaming, access, tls, log }: NodeListenerOptions): NodeListener {
  const sockets = new Set<Duplex>();
  const outer = createTlsServer({
    ...contextOf(tls),
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  });
  const inner = createServer();
  attach(outer, (request) => access.check(request));
  attach(inner, async () => {});
  outer.maxConnections = connectionsMax;
  outer.on('connection', (socket: Socket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    track(socket);
  });
  outer.on('tlsClientError', (error) => log.debug('a TLS handshake with the node failed', { error }));

  function track(socket: Duplex): void {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  }

  function attach(server: Server | TlsServer, check: (request: IncomingMessage) => Promise<void>): void {
    server.headersTimeout = headersTimeoutMs;
    // A log that is followed takes as long as it takes.
    server.requestTimeout = 0;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      check(request).then(
        () => {
          if (!streaming.handleRequest(request, response)) refuse(response, 404, '404 page not found');
        },
        (thrown: unknown) => refuse(response, ...explain(thrown)),
      );
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy());
      check(request).then(
        () => {
          if (!streaming.handleUpgrade(request, socket, head)) refuseUpgrade(socket, 404, '404 page not found');
        },
        (thrown: unknown) => refuseUpgrade(socket, ...explain(thrown)),
      );
    });
    server.on('clientError', (_error: Error, socket: Duplex) => socket.destroy());
  }

  function explain(thrown: unknown): [number, string] {
    if (thrown instanceof HttpError) return [thrown.status, thrown.message];
    log.warn('a request to the node could not be authorized', { error: toError(thrown) });
    return [500, 'Internal Error'];
  }

  return {
    async listen(host, port) {
      await new Promise<void>((resolve, reject) => {
        const failed = (error: Error) => reject(listenError(error, host, port));
        outer.once('error', failed);
        outer.listen({ host, port }, () => {
          outer.off('error', failed);
          outer.on('error', (error) => log.error('the node listener failed', { error }));
          resolve();
        });
      });
      return (outer.address() as AddressInfo).port;
    },
    connect() {
      const [near, far] = duplexPair();
      track(far);
      inner.emit('connection', far);
      return near;
    },
    replaceTls: (next) => outer.setSecureContext(contextOf(next)),
    async [Symbol.asyncDispose]() {
      const closed = outer.listening ? new Promise<void>((resolve) => outer.close(() => resolve())) : undefined;
      for (const socket of [...sockets]) socket.destroy();
      await streaming[Symbol.asyncDispose]();
      await closed;
    },
  };
}

function contextOf({ cert, key, clientCa }: NodeTls) {
  return { cert, key, ca: clientCa };
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(message);
}

function refuseUpgrade(socket: Duplex, status: number, message: string): void {
  socket.end(
    `HTTP/1.1 ${status} \r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
  );
}

function listenError(error: Error, host: string, port: number): WherryError {
  if (errorCode(error) === 'EADDRINUSE')
    return new WherryError('PORT_IN_USE', `port ${port} on ${host} is in use by another program`, {
      cause: error,
      hint: 'stop the other program (another kubelet?), or choose another port',
    });
  return new WherryError('CANNOT_LISTEN', `the node can not listen on ${host}:${port}`, { cause: error });
}
