/** A control plane in this process, a node's ingress with the real HAProxy on ports of its own, and upstreams that say who they are. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { systemClock } from '../../../src/core/clock.ts';
import { createLog } from '../../../src/core/log.ts';
import { NodeIngress } from '../../../src/ingress/node-ingress.ts';
import { endpointslices, ingresses, nodes, services } from '../../../src/kube/resources.gen.ts';
import type { Ingress, Service } from '../../../src/kube/types.gen.ts';
import { startIngress } from '../../../src/server/ingress.ts';
import { eventually } from '../../testbed/kubectl.ts';
import { type ControlPlane, startControlPlane } from '../control-plane.ts';

/** An address of this machine that an EndpointSlice may hold. */
export const address =
  Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Upstream extends Disposable {
  readonly port: number;
}

export interface World extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly ports: { readonly http: number; readonly https: number };
  readonly folder: string;
  /** How often HAProxy was reloaded: a configuration has a folder of its own. */
  generation(): string;
  status(): { readonly isWell: boolean; readonly message: string } | undefined;
  /** Asks for a URL path at a host name, through HAProxy. */
  get(host: string, path: string, more?: Asked): Promise<Answer>;
  /** Ends the ingress as kill -9 would, and starts it anew; HAProxy runs on. */
  restart(): Promise<void>;
  ingress(
    namespace: string,
    name: string,
    spec: Ingress['spec'],
    annotations?: Readonly<Record<string, string>>,
  ): Promise<void>;
  /** A Service with endpoints at these ports of this machine. */
  service(
    namespace: string,
    name: string,
    ports: readonly number[],
    more?: Partial<NonNullable<Service['spec']>>,
  ): Promise<void>;
  setEndpoints(namespace: string, name: string, ports: readonly number[]): Promise<void>;
}

export interface Asked {
  readonly secure?: boolean;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export async function startWorld(): Promise<World> {
  await using started = new AsyncDisposableStack();
  const plane = started.use(await startControlPlane());
  await startIngress({ client: plane.client, manager: plane.manager, clock: systemClock });
  const folder = mkdtempSync(join(tmpdir(), 'wherry-ingress-'));
  started.defer(() => rmSync(folder, { recursive: true, force: true }));
  const [http = 0, https = 0] = await freePorts(2);
  const ports = { http, https };
  let status: { readonly isWell: boolean; readonly message: string } | undefined;
  const make = () =>
    new NodeIngress({
      informers: plane.manager,
      clock: systemClock,
      log: createLog('silent'),
      folder: join(folder, 'haproxy'),
      runFolder: join(folder, 'run'),
      ports,
      nameServers: [],
      onStatus: (now) => {
        status = now;
      },
    });
  let node = make();
  started.defer(() => node.stopServing());
  node.start();
  await eventually('the ingress serves', 15_000, async () => {
    if (status?.isWell) return true;
    throw new Error(status?.message ?? 'no word');
  });
  const stack = started.move();
  const setEndpoints = async (namespace: string, name: string, endpointPorts: readonly number[]) => {
    const { items } = await plane.client.list(endpointslices, { namespace });
    const standing = new Set(items.map(({ metadata }) => metadata.name));
    for (const [index, port] of endpointPorts.entries()) {
      if (standing.has(`${name}-${index}-${port}`)) continue;
      await plane.client.create(endpointslices, {
        ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
        metadata: {
          ...{ name: `${name}-${index}-${port}`, namespace },
          labels: { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': 'test' },
        },
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
        ports: [{ name: 'http', port, protocol: 'TCP' }],
      });
    }
    const kept = new Set(endpointPorts.map((port, index) => `${name}-${index}-${port}`));
    for (const { metadata } of items) {
      if (metadata.labels?.['kubernetes.io/service-name'] !== name || kept.has(metadata.name ?? '')) continue;
      await plane.client.delete(endpointslices, { namespace, name: metadata.name ?? '' });
    }
  };
  return {
    ...{ plane, ports, folder, setEndpoints },
    generation: () => generationOf(folder),
    status: () => status,
    get: (host, path, { secure = false, method = 'GET', headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const options = { host: '127.0.0.1', path, method, agent: false, headers: { ...headers, host } };
        const done = (response: IncomingMessage) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks).toString(),
            }),
          );
        };
        const asked = secure
          ? httpsRequest({ ...options, port: ports.https, servername: host, rejectUnauthorized: false }, done)
          : httpRequest({ ...options, port: ports.http }, done);
        asked.on('error', reject);
        asked.end(body);
      }),
    async restart() {
      await node[Symbol.asyncDispose]();
      status = undefined;
      node = make();
      node.start();
      await eventually('the ingress serves again', 15_000, async () => status?.isWell || undefined);
    },
    async ingress(namespace, name, spec, annotations = {}) {
      await plane.client.create(ingresses, {
        ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
        metadata: { name, namespace, annotations },
        spec: { ingressClassName: 'wherry', ...spec },
      });
    },
    async service(namespace, name, endpointPorts, more = {}) {
      await plane.client.create(services, {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace } },
        spec: { ports: [{ name: 'http', port: 80 }], ...more },
      });
      await setEndpoints(namespace, name, endpointPorts);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Asks again until the answer is the wanted one: changes come in some milliseconds later. */
export async function until(
  what: string,
  ask: () => Promise<Answer>,
  isRight: (answer: Answer) => boolean,
): Promise<Answer> {
  return await eventually(what, 15_000, async () => {
    const answer = await ask();
    if (isRight(answer)) return answer;
    throw new Error(`${answer.status} ${JSON.stringify(answer.headers)} ${answer.body.slice(0, 500)}`);
  });
}

/** A node that is Ready, for the addresses that Ingresses show. */
export async function addNode({ client }: ControlPlane, name: string, ip: string): Promise<void> {
  await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
  const status = {
    addresses: [{ type: 'InternalIP', address: ip }],
    conditions: [{ type: 'Ready', status: 'True', reason: 'Test', message: '' }],
  };
  await client.patch(nodes, { name }, { type: 'merge', body: { status } }, { subresource: 'status' });
}

/** Says as JSON who it is and what it was asked; speaks WebSocket's handshake and echoes what follows. */
export async function upstream(name: string): Promise<Upstream> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end(JSON.stringify({ name, url: request.url, headers: request.headers })));
  });
  server.on('upgrade', (request, socket) => {
    socket.on('error', () => socket.destroy());
    // RFC 6455, 1.3.
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    const upgrade = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\n\r\n`);
    socket.pipe(socket);
  });
  return await listening(server);
}

/** An upstream of HTTP/2 in clear text, as gRPC has it: what comes goes back, with trailers. */
export async function upstreamH2c(): Promise<Upstream> {
  const server = createHttp2();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => stream.destroy());
    stream.respond({ ':status': 200, 'content-type': String(headers['content-type']) }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.pipe(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.dispose]() {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

async function listening(server: Server): Promise<Upstream> {
  const sockets = new Set<Duplex>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createTcp();
      await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** The folder of the configuration that HAProxy was told to read last. */
function generationOf(folder: string): string {
  return readlinkSync(join(folder, 'haproxy', 'haproxy.cfg'));
}
