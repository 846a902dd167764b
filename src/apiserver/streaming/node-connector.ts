import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { TransientError } from '../../core/errors.ts';
import type { Node } from '../../kube/types.gen.ts';

/** How the API server reaches the HTTP API of a node. */
export interface NodeConnector {
  /** A connection, ready for an HTTP/1.1 request. Throws TransientError with the words of Go's dialer. */
  connect(node: Node, signal: AbortSignal): Promise<Duplex>;
}

export interface NodeConnectorOptions {
  /** PEM texts: the certificate with which the API server shows itself, and the authority of the nodes' own; asked at each connection. */
  readonly tls: () => { readonly cert: string | Buffer; readonly key: string | Buffer; readonly ca: string | Buffer };
  /** The way to a node that runs in this process; undefined for others. */
  readonly local?: (nodeName: string) => Duplex | undefined;
}

const connectTimeoutMs = 10_000;
const addressTypes = ['InternalIP', 'ExternalIP', 'InternalDNS', 'Hostname', 'ExternalDNS'];

export function createNodeConnector({ tls, local }: NodeConnectorOptions): NodeConnector {
  return {
    async connect(node, signal) {
      const own = local?.(node.metadata.name ?? '');
      if (own !== undefined) return own;
      const { host, port } = endpointOf(node);
      const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
      const serverName = isIP(host) === 0 ? { servername: host } : {};
      const socket = connect({ host, port, ...tls(), ...serverName, timeout: connectTimeoutMs, minVersion: 'TLSv1.2' });
      const abort = () => socket.destroy(new Error('context canceled'));
      signal.addEventListener('abort', abort, { once: true });
      socket.once('timeout', () => socket.destroy(new Error('i/o timeout')));
      socket.once('secureConnect', () => {
        socket.setTimeout(0);
        socket.setNoDelay(true);
        resolve(socket);
      });
      socket.once('error', (cause) =>
        reject(
          new TransientError('NODE_UNREACHABLE', `error dialing backend: dial tcp ${host}:${port}: ${cause.message}`, {
            cause,
          }),
        ),
      );
      return promise.finally(() => signal.removeEventListener('abort', abort));
    },
  };
}

/** Where a node's HTTP API listens, as its status tells. Throws TransientError when it does not. */
export function endpointOf(node: Node): { readonly host: string; readonly port: number } {
  const { addresses = [], daemonEndpoints } = node.status ?? {};
  const port = daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
  for (const type of addressTypes) {
    const found = addresses.find((one) => one.type === type);
    if (found !== undefined && port > 0) return { host: found.address, port };
  }
  throw new TransientError(
    'NODE_UNREACHABLE',
    `no preferred addresses found; known addresses: [${addresses.map(({ address }) => address).join(' ')}]`,
  );
}
