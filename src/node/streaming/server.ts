import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../../core/clock.ts';
import { drained } from '../../core/drained.ts';
import { describeError, toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Cri } from '../../engines/containerd/cri.ts';
import type { Pod } from '../../kube/types.gen.ts';
import { joinDuplexes } from '../../wire/join-duplexes.ts';
import {
  type ChannelProtocol,
  channelProtocols,
  chooseProtocol,
  portForwardProtocol,
  tunnelProtocol,
} from '../../wire/websocket-channels.ts';
import type { Stats } from '../stats/stats.ts';
import type { PodDirectory, StreamingServer } from '../streaming-server.ts';
import { runtimeProtocol, type StreamChoice, translateChannels } from './exec-channels.ts';
import { HttpError } from './http-error.ts';
import { findLog, isTrue, parseLogOptions } from './log-request.ts';
import { type MetricsPage, metricsText } from './metrics-text.ts';
import { portForwardStreams, translatePorts } from './port-channels.ts';
import { readLog } from './read-log.ts';
import { connectRuntime, openRuntimeSession, relayUpgrade } from './runtime-stream.ts';

export interface StreamingServerOptions {
  /** All are asked at each request: the agent may start after the server. */
  readonly directory: () => PodDirectory;
  readonly cri: () => Cri;
  readonly stats: () => Stats;
  /** What other rooms of the node tell who asks, as JSON, by the first word of the path. */
  readonly pages?: Readonly<Record<string, (query: URLSearchParams) => Promise<unknown>>>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Bytes of one message from a WebSocket client. */
const messageBytesMax = 4 * 1024 * 1024;
/** Bytes of output that /run answers with. */
const runBytesMax = 10 * 1024 * 1024;

interface RequestTarget {
  /** The decoded segments of the path. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
}

interface Target {
  readonly pod: Pod;
  readonly container: string;
}

/** The kubelet's HTTP API over an agent; see StreamingServer. */
export function createStreamingServer(options: StreamingServerOptions): StreamingServer {
  const { clock, log } = options;
  const abort = new AbortController();
  const ourPaths = new Set([...kubeletPaths, ...Object.keys(options.pages ?? {})]);
  const open = new Set<Duplex>();
  const acceptor = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: messageBytesMax,
    handleProtocols: (offered) => chooseProtocol(offered, [...channelProtocols, tunnelProtocol]) ?? false,
  });

  /** The pod and container that a path names: /<what>/<namespace>/<pod>[/<uid>]/<container>. */
  function targetOf(parts: readonly string[]): Target {
    const [namespace = '', name = '', ...rest] = parts;
    const container = rest.at(-1) ?? '';
    const pod = options.directory().find(namespace, name, rest.length > 1 ? rest[0] : undefined);
    if (pod === undefined || rest.length === 0 || rest.length > 2) throw new HttpError(404, 'pod does not exist');
    return { pod, container };
  }

  /** The running instance of the container. */
  function runningContainer({ pod, container }: Target): string {
    const found = options.directory().container(pod.metadata.uid ?? '', container);
    if (found?.running !== true) throw new HttpError(404, `container not found (${JSON.stringify(container)})`);
    return found.containerId;
  }

  async function streamUrl(what: string, parts: readonly string[], query: URLSearchParams): Promise<string> {
    const cri = options.cri();
    if (what === 'portForward') {
      const pod = options.directory().find(parts[0] ?? '', parts[1] ?? '', parts[2]);
      if (pod === undefined) throw new HttpError(404, 'pod does not exist');
      const podSandboxId = options.directory().sandboxId(pod.metadata.uid ?? '');
      if (podSandboxId === undefined) throw new HttpError(404, 'pod sandbox not found');
      return (await cri.portForward({ podSandboxId, port: [...portsOf(query)] })).url;
    }
    const containerId = runningContainer(targetOf(parts));
    const { stdin, stdout, stderr, tty } = choiceOf(query);
    const streams = { containerId, stdin, stdout, stderr, tty };
    if (what === 'attach') return (await cri.attach(streams)).url;
    return (await cri.exec({ ...streams, cmd: query.getAll('command') })).url;
  }

  async function upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    { parts: all, query }: RequestTarget,
  ): Promise<void> {
    const [what = '', ...parts] = all;
    if (what !== 'portForward') choiceOf(query);
    const target = await streamUrl(what, parts, query);
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      await relayUpgrade(target, request, socket, head);
      return;
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
    if (what === 'portForward') await forwardPorts(request, socket, head, target, offered, query);
    else await execute(request, socket, head, target, offered, query);
  }

  async function execute(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    target: string,
    offered: readonly string[],
    query: URLSearchParams,
  ): Promise<void> {
    const protocol = chooseProtocol(offered, channelProtocols);
    if (protocol === undefined)
      throw new HttpError(400, `unable to upgrade: none of ${channelProtocols.join(', ')} was asked for`);
    const session = await openRuntimeSession(target, [runtimeProtocol]);
    const webSocket = await accept(request, socket, head, session);
    await translateChannels(webSocket, protocol satisfies ChannelProtocol, session, choiceOf(query), log);
  }

  async function forwardPorts(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    target: string,
    offered: readonly string[],
    query: URLSearchParams,
  ): Promise<void> {
    if (offered.includes(tunnelProtocol)) {
      const runtime = await connectRuntime(target, [portForwardStreams]);
      const webSocket = await accept(request, socket, head, { [Symbol.dispose]: () => void runtime.socket.destroy() });
      const tunnel = createWebSocketStream(webSocket);
      if (runtime.head.length > 0) runtime.socket.unshift(runtime.head);
      joinDuplexes(tunnel, runtime.socket);
      return;
    }
    if (!offered.includes(portForwardProtocol))
      throw new HttpError(400, `unable to upgrade: ${tunnelProtocol} was not asked for`);
    const ports = portsOf(query);
    if (ports.length === 0) throw new HttpError(400, 'query parameter "port" is required');
    const session = await openRuntimeSession(target, [portForwardStreams]);
    await translatePorts(await accept(request, socket, head, session), session, ports, log);
  }

  /** `behind` is what stands open for the client; it is closed when nothing comes of it. */
  function accept(request: IncomingMessage, socket: Duplex, head: Buffer, behind: Disposable): Promise<WebSocket> {
    const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
    const left = () => {
      behind[Symbol.dispose]();
      reject(new Error('the client is gone'));
    };
    if (socket.destroyed) left();
    socket.once('close', left);
    acceptor.handleUpgrade(request, socket, head, (webSocket) => {
      // Nobody listens to it before the next turn.
      webSocket.pause();
      socket.off('close', left);
      resolve(webSocket);
    });
    return promise;
  }

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    { parts: all, query }: RequestTarget,
  ): Promise<void> {
    const [what = '', ...parts] = all;
    switch (what) {
      case 'healthz':
        send(response, 200, 'ok');
        return;
      case 'containerLogs':
        await sendLog(request, response, parts, query);
        return;
      case 'pods':
      case 'runningpods':
        send(response, 200, podList(options.directory().pods()), 'application/json');
        return;
      case 'stats':
        if (parts[0] !== 'summary') throw new HttpError(404, '404 page not found');
        send(response, 200, JSON.stringify(await options.stats().summary()), 'application/json');
        return;
      case 'metrics': {
        const page = (parts[0] ?? '') as MetricsPage;
        const text = metricsText(page, await options.stats().summary());
        if (text === undefined) throw new HttpError(404, '404 page not found');
        send(response, 200, text, 'text/plain; version=0.0.4; charset=utf-8');
        return;
      }
      case 'run':
        await runCommand(response, parts, query);
        return;
      default: {
        const page = options.pages?.[what];
        if (page !== undefined) {
          send(response, 200, JSON.stringify(await page(query)), 'application/json');
          return;
        }
        // exec, attach and portForward without an upgrade.
        throw new HttpError(400, 'unable to upgrade: Upgrade request required');
      }
    }
  }

  async function sendLog(
    request: IncomingMessage,
    response: ServerResponse,
    parts: readonly string[],
    query: URLSearchParams,
  ): Promise<void> {
    const target = targetOf(parts);
    const { previous, ...logOptions } = parseLogOptions(query, clock);
    const found = findLog(options.directory(), target.pod, target.container, previous);
    const uid = target.pod.metadata.uid ?? '';
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    request.resume();
    const source = {
      path: found.logPath,
      isRunning: () => {
        const now = options.directory().container(uid, target.container);
        return now?.containerId === found.containerId && now.running;
      },
      clock,
      signal: AbortSignal.any([gone.signal, abort.signal]),
    };
    response.writeHead(200, { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' });
    response.flushHeaders();
    try {
      for await (const chunk of readLog(source, logOptions)) if (!response.write(chunk)) await drained(response);
      response.end();
    } catch (thrown) {
      // The reader has left, or the server ends: nobody is there to be told.
      if (!source.signal.aborted) throw thrown;
      response.end();
    }
  }

  async function runCommand(response: ServerResponse, parts: readonly string[], query: URLSearchParams): Promise<void> {
    const containerId = runningContainer(targetOf(parts));
    const command = query.getAll('cmd').flatMap((text) => text.split(' '));
    const { stdout, stderr } = await options.cri().execSync({ containerId, cmd: command, timeout: 0 });
    send(response, 200, Buffer.concat([stdout, stderr]).subarray(0, runBytesMax), 'text/plain');
  }

  return {
    handleRequest(request, response) {
      const target = targetPath(request, ourPaths);
      if (target === undefined) return false;
      answer(request, response, target).catch((thrown: unknown) => {
        if (response.headersSent) {
          log.warn('an answer of the node was cut short', { path: request.url, error: toError(thrown) });
          response.destroy();
          return;
        }
        const { status, message } = explain(thrown);
        send(response, status, message);
      });
      return true;
    },
    handleUpgrade(request, socket, head) {
      const target = targetPath(request, ourPaths);
      if (target === undefined || !['exec', 'attach', 'portForward'].includes(target.parts[0] ?? '')) return false;
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      socket.on('error', (error) => log.debug('a streaming client broke off', { error }));
      upgrade(request, socket, head, target).catch((thrown: unknown) => {
        const { status, message } = explain(thrown);
        refuseUpgrade(socket, status, message);
      });
      return true;
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      for (const socket of [...open]) socket.destroy();
      acceptor.close();
    },
  };
}

const kubeletPaths = [
  ...['healthz', 'containerLogs', 'pods', 'runningpods', 'stats', 'metrics', 'run'],
  ...['exec', 'attach', 'portForward'],
];

/** A request's path and query; undefined when they can't be read or are not for this API. */
function targetPath(request: IncomingMessage, ourPaths: ReadonlySet<string>): RequestTarget | undefined {
  const path = request.url ?? '/';
  const question = path.indexOf('?');
  const [plain, query] = question < 0 ? [path, ''] : [path.slice(0, question), path.slice(question + 1)];
  try {
    const parts = plain
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
    return ourPaths.has(parts[0] ?? '') ? { parts, query: new URLSearchParams(query) } : undefined;
  } catch {
    // A bad escape; such a path names nothing.
    return undefined;
  }
}

/** The streams that a request asks for. Throws HttpError 400 when it asks for none. */
function choiceOf(query: URLSearchParams): StreamChoice {
  const [stdin, stdout, stderr, tty] = ['input', 'output', 'error', 'tty'].map((name) => isTrue(query.get(name)));
  const choice = {
    stdin: stdin === true,
    stdout: stdout === true,
    // A terminal has one output.
    stderr: stderr === true && tty !== true,
    tty: tty === true,
  };
  if (!choice.stdin && !choice.stdout && !choice.stderr)
    throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  return choice;
}

function portsOf(query: URLSearchParams): readonly number[] {
  const texts = query.getAll('port').flatMap((text) => text.split(','));
  return texts.map((text) => {
    const port = Number(text);
    if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
    throw new HttpError(400, `invalid port ${JSON.stringify(text)}`);
  });
}

function podList(pods: readonly Pod[]): string {
  return JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: pods });
}

function explain(thrown: unknown): { readonly status: number; readonly message: string } {
  if (thrown instanceof HttpError) return { status: thrown.status, message: thrown.message };
  return { status: 500, message: describeError(thrown) };
}

function send(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function refuseUpgrade(socket: Duplex, status: number, message: string): void {
  if (!socket.writable) return;
  const body = Buffer.from(message);
  const head = ['content-type: text/plain; charset=utf-8', `content-length: ${body.length}`, 'connection: close'];
  socket.write(`HTTP/1.1 ${status} \r\n${head.join('\r\n')}\r\n\r\n`);
  socket.end(body);
}
