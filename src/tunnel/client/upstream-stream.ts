import { createSocket } from 'node:dgram';
import { connect as connectTcp, isIP, isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { describeError, errorCode, WherryError } from '../../core/errors.ts';
import { encodeProxyHeader } from '../../wire/proxy-protocol.ts';
import {
  encodeFailed,
  encodeFrame,
  frameType,
  type OpenNotice,
  parseOpen,
  TunnelProtocolError,
} from '../../wire/tunnel-frames.ts';
import { readDatagrams } from '../datagrams.ts';
import { readFrame } from '../frame-io.ts';
import { joinFramed } from '../framed-join.ts';
import { joinConnections } from '../join.ts';
import { authorityOf } from '../remote.ts';
import type { Upstream, UpstreamTarget } from '../upstream.ts';

/** An upstream that does not answer; less than the exit waits. */
const upstreamTimeoutMs = 10_000;
/** Bytes that may wait for the exit; datagrams beyond are dropped, as a full queue in a network does. */
const queuedBytesMax = 512 * 1024;

/**
 * Serves one data connection: waits for its stream, reaches the upstream, and carries bytes until both ends are done. Never
 * rejects; a failure is told to the exit and given to `onFailure`.
 */
export async function serveStream(
  connection: Duplex,
  upstreams: () => ReadonlyMap<string, Upstream>,
  onFailure: (error: Error) => void,
): Promise<void> {
  connection.on('error', () => connection.destroy());
  try {
    const { type, payload } = await readFrame(connection);
    if (type !== frameType.open) throw new TunnelProtocolError('a stream begins with Open');
    const notice = parseOpen(payload);
    const target = targetOf(upstreams().get(notice.route), notice);
    if (target.protocol === 'udp') await carryDatagrams(connection, target);
    else await carryBytes(connection, target, notice);
  } catch (thrown) {
    const code = errorCode(thrown) ?? 'UPSTREAM';
    // A data connection that was closed without having been used is no failure.
    if (code === 'TUNNEL_CLOSED') {
      connection.destroy();
      return;
    }
    const error = thrown instanceof WherryError ? thrown : new WherryError(code, describeError(thrown));
    onFailure(error);
    connection.end(encodeFailed({ code, message: describeError(error) }));
    connection.resume();
  }
}

/** Where a stream leads: nowhere but to what this client declared, unless it declared that any host will do. */
function targetOf(upstream: Upstream | undefined, { route, kind, host = '' }: OpenNotice): UpstreamTarget {
  if (upstream === undefined || upstream.route.kind !== kind)
    throw new WherryError('NOT_DECLARED', `this client does not serve ${route}`);
  if (upstream.target !== null) return upstream.target;
  const url = URL.parse(`http://${host}`);
  if (url === null || url.hostname === '') throw new WherryError('BAD_HOST', `${JSON.stringify(host)} is no host`);
  const name = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { protocol: 'http', host: name, port: Number(url.port || 80), proxyProtocol: false, insecure: false };
}

async function carryBytes(connection: Duplex, target: UpstreamTarget, notice: OpenNotice): Promise<void> {
  const upstream = await reach(target, notice);
  if (connection.destroyed) {
    upstream.destroy();
    return;
  }
  connection.write(encodeFrame(frameType.opened));
  if (target.proxyProtocol) upstream.write(encodeProxyHeader('tcp', notice.source, notice.destination));
  // HTTP tells its own end; what is only bytes is told it.
  if (notice.kind === 'tcp') await joinFramed(upstream, connection);
  else await joinConnections(connection, upstream);
}

function reach(target: UpstreamTarget, { host = '' }: OpenNotice): Promise<Socket> {
  const { protocol, port, insecure } = target;
  const name = host.replace(/:\d*$/, '');
  const servername = isIP(target.host) === 0 ? target.host : isIP(name.replace(/[[\]]/g, '')) === 0 ? name : '';
  const options = { host: target.host, port, noDelay: true, allowHalfOpen: true };
  const socket =
    protocol === 'https'
      ? connectTls({ ...options, servername, rejectUnauthorized: !insecure, ALPNProtocols: ['http/1.1'] })
      : connectTcp({ ...options, autoSelectFamily: true });
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      clearTimeout(timer);
      socket.on('error', () => {});
      socket.destroy();
      const place = `${protocol}://${authorityOf(target)}`;
      reject(
        new WherryError('UPSTREAM_UNREACHABLE', `the upstream ${place} can't be reached: ${describeError(cause)}`),
      );
    };
    const timer = setTimeout(() => fail(new Error(`no answer within ${upstreamTimeoutMs} ms`)), upstreamTimeoutMs);
    socket.once('error', fail);
    socket.once(protocol === 'https' ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      socket.setKeepAlive(true, 15_000);
      resolve(socket);
    });
  });
}

async function carryDatagrams(connection: Duplex, { host, port }: UpstreamTarget): Promise<void> {
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4' });
  const closed = new Promise<void>((resolve) => connection.once('close', resolve));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(port, host, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    // Nobody there: the next datagram may find somebody.
    socket.on('error', () => {});
    socket.on('message', (datagram) => {
      if (connection.writableLength <= queuedBytesMax) connection.write(encodeFrame(frameType.datagram, datagram));
    });
    connection.write(encodeFrame(frameType.opened));
    readDatagrams(connection, (datagram) => {
      socket.send(datagram, () => {
        // A datagram that the network refuses is lost, as any may be.
      });
    });
    await closed;
  } finally {
    socket.close();
  }
}
