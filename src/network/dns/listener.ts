import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { errorCode, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Asker, QuestionHandler } from './handler.ts';
import { ServerMetrics } from './metrics.ts';

const connectionsMax = 1_000;
const connectionsOfClientMax = 100;
/** A connection on which nothing comes is closed (RFC 7766 6.2.3). */
const idleMs = 10_000;
/** Questions of one connection that wait for their answers; more are not read meanwhile. */
const pipelinedMax = 100;
/** What a client has not taken yet; beyond it no more questions of it are read. */
const unsentBytesMax = 256 * 1024;
/** Bursts wait in the kernel. */
const receiveBufferBytes = 1024 * 1024;

/** Answers at one address, over UDP and TCP; replies come from that address. */
export class DnsListener implements AsyncDisposable {
  readonly metrics: ServerMetrics;
  readonly #address: string;
  readonly #port: number;
  readonly #handler: QuestionHandler;
  readonly #log: Log;
  readonly #connections = new Map<string, Set<TcpSocket>>();
  #connectionCount = 0;
  #udp: Socket | undefined;
  #tcp: Server | undefined;

  constructor(options: {
    readonly address: string;
    readonly port: number;
    readonly handler: QuestionHandler;
    readonly log: Log;
  }) {
    this.#address = options.address;
    this.#port = options.port;
    this.#handler = options.handler;
    this.#log = options.log;
    this.metrics = new ServerMetrics(options.address, options.port);
  }

  /** The port that is answered on. */
  get port(): number {
    return this.#udp?.address().port ?? this.#port;
  }

  /** Opens UDP and TCP. Throws WherryError DNS_LISTEN when the address or the port can't be had. */
  async listen(): Promise<void> {
    const family = this.#address.includes(':') ? 6 : 4;
    const udp = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      // Clients are addresses already; Node would look each up as a name.
      lookup: (host, _, done) => done(null, host, family),
      recvBufferSize: receiveBufferBytes,
    });
    try {
      await new Promise<void>((done, fail) => {
        udp.once('error', fail);
        udp.bind(this.#port, this.#address, done);
      });
      udp.removeAllListeners('error');
      this.#udp = udp;
      this.#serveUdp(udp);
      this.#tcp = await this.#listenTcp(udp.address().port);
    } catch (cause) {
      udp.close();
      this.#udp = undefined;
      throw this.#listenError(cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sockets of this.#connections.values()) for (const socket of sockets) socket.destroy();
    const [udp, tcp] = [this.#udp, this.#tcp];
    // Answers that are still under way have nowhere to go.
    this.#udp = undefined;
    await new Promise<void>((done) => (tcp === undefined ? done() : tcp.close(() => done())));
    await new Promise<void>((done) => (udp === undefined ? done() : udp.close(done)));
  }

  async #listenTcp(port: number): Promise<Server> {
    const tcp = createServer({ noDelay: true }, (socket) => this.#serveConnection(socket));
    await new Promise<void>((done, fail) => {
      tcp.once('error', fail);
      tcp.listen(port, this.#address, done);
    });
    tcp.removeAllListeners('error');
    tcp.on('error', (error) => this.#log.error('a DNS connection could not be taken', { error }));
    return tcp;
  }

  #listenError(cause: unknown): WherryError {
    const [address, port] = [this.#address, this.#port];
    const hint =
      errorCode(cause) === 'EADDRINUSE'
        ? `find the program that holds port ${port} on all addresses (ss -lnup 'sport = :${port}') and bind it to its own address`
        : `see that ${address} is on an interface of this machine`;
    return new WherryError('DNS_LISTEN', `the cluster DNS can't listen on ${address} port ${port}`, { cause, hint });
  }

  #serveUdp(udp: Socket): void {
    udp.on('error', (error) => this.#log.error('the DNS socket failed', { error }));
    udp.on('message', (message, from) => {
      if (typeof message === 'string') return;
      const send = (reply: Buffer | null) => {
        // A client that is gone is none of our business.
        if (reply !== null && this.#udp === udp) udp.send(reply, from.port, from.address, () => {});
      };
      const asker: Asker = { client: from.address, protocol: 'udp', metrics: this.metrics };
      const reply = this.#handler.answer(message, asker);
      if (reply instanceof Promise) void reply.then(send);
      else send(reply);
    });
  }

  /** RFC 7766: each message behind its length; several may be under way, and answers come as they are ready. */
  #serveConnection(socket: TcpSocket): void {
    const client = socket.remoteAddress ?? '';
    const ofClient = this.#connections.get(client) ?? new Set<TcpSocket>();
    if (this.#connectionCount >= connectionsMax || ofClient.size >= connectionsOfClientMax) {
      socket.destroy();
      return;
    }
    this.#connectionCount += 1;
    this.#connections.set(client, ofClient.add(socket));
    socket.on('close', () => {
      this.#connectionCount -= 1;
      ofClient.delete(socket);
      if (ofClient.size === 0) this.#connections.delete(client);
    });
    socket.on('error', () => socket.destroy());
    const asker: Asker = { client, protocol: 'tcp', metrics: this.metrics };
    new Conversation(socket, (message) => this.#handler.answer(message, asker));
  }
}

/** One TCP connection. It rests while too much is under way, and ends when it rests for too long. */
class Conversation {
  readonly #socket: TcpSocket;
  readonly #answer: (message: Buffer) => Buffer | null | Promise<Buffer | null>;
  #rest = Buffer.alloc(0);
  #open = 0;

  constructor(socket: TcpSocket, answer: (message: Buffer) => Buffer | null | Promise<Buffer | null>) {
    this.#socket = socket;
    this.#answer = answer;
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.on('drain', () => this.#work());
    socket.on('data', (chunk: Buffer) => {
      this.#rest = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
      this.#work();
    });
  }

  get #isFull(): boolean {
    return this.#open >= pipelinedMax || this.#socket.writableLength > unsentBytesMax;
  }

  #work(): void {
    while (!this.#isFull && this.#rest.length >= 2 && this.#rest.length >= 2 + this.#rest.readUInt16BE(0)) {
      const end = 2 + this.#rest.readUInt16BE(0);
      const message = this.#rest.subarray(2, end);
      this.#rest = this.#rest.subarray(end);
      this.#open += 1;
      const reply = this.#answer(message);
      if (reply instanceof Promise) void reply.then((later) => this.#done(later, true));
      else this.#done(reply, false);
    }
    if (this.#isFull) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  #done(reply: Buffer | null, isLate: boolean): void {
    this.#open -= 1;
    if (reply !== null && !this.#socket.destroyed) {
      const framed = Buffer.allocUnsafe(2 + reply.length);
      framed.writeUInt16BE(reply.length);
      reply.copy(framed, 2);
      this.#socket.write(framed);
    }
    if (isLate) this.#work();
  }
}
