import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { describeError } from '../../core/errors.ts';
import { encodeFrame, frameType } from '../../wire/tunnel-frames.ts';
import { readDatagrams } from '../datagrams.ts';
import type { Account } from './accounts.ts';
import { listenError } from './door.ts';
import { plainAddress } from './forwarded.ts';
import type { PublicPortOptions } from './tcp-port.ts';

/** A flow without a datagram for this long is over, milliseconds. */
const flowIdleMs = 60_000;
/** Flows of one port; datagrams of further ones are dropped. */
const flowsMax = 4_096;
/** Datagrams that wait while a flow is opened. */
const waitingMax = 64;
/** Bytes that may wait for one client; datagrams beyond are dropped, as a full queue in a network does. */
const queuedBytesMax = 512 * 1024;

interface Flow {
  readonly user: RemoteInfo;
  readonly place: Disposable;
  readonly account: Account;
  waiting: Buffer[];
  stream: Duplex | undefined;
  timer: NodeJS.Timeout;
}

/** A public UDP port: a stream for each user's address. */
export async function openUdpPort(options: PublicPortOptions): Promise<AsyncDisposable> {
  const { address, port } = options;
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  await new Promise<void>((resolve, reject) => {
    const onError = (cause: Error) => {
      socket.close();
      reject(listenError(cause, 'udp', address, port));
    };
    socket.once('error', onError);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', onError);
      resolve();
    });
  });
  return new UdpPort(socket, options);
}

class UdpPort implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #options: PublicPortOptions;
  readonly #flows = new Map<string, Flow>();

  constructor(socket: Socket, options: PublicPortOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('message', (datagram, user) => this.#take(datagram, user));
    socket.on('error', (error) =>
      options.log.warn('a public port failed', { port: options.port, error: describeError(error) }),
    );
  }

  #take(datagram: Buffer, user: RemoteInfo): void {
    const key = `${user.address} ${user.port}`;
    const flow = this.#flows.get(key) ?? this.#begin(key, user);
    if (flow === undefined) return;
    flow.timer.refresh();
    if (flow.account.rates?.forth.allows(datagram.length) === false) return;
    if (flow.stream === undefined) {
      if (flow.waiting.length < waitingMax) flow.waiting.push(datagram);
      return;
    }
    if (flow.stream.writableLength <= queuedBytesMax) flow.stream.write(encodeFrame(frameType.datagram, datagram));
  }

  #begin(key: string, user: RemoteInfo): Flow | undefined {
    const [holder] = this.#options.holders();
    if (holder === undefined || this.#flows.size >= flowsMax) return undefined;
    const { account } = holder.session.facts;
    const place = account.admit();
    if (place === undefined) return undefined;
    const timer = setTimeout(() => this.#end(key), flowIdleMs);
    const flow: Flow = { user, place, account, waiting: [], stream: undefined, timer };
    this.#flows.set(key, flow);
    const notice = {
      kind: 'udp' as const,
      route: holder.route,
      source: { address: plainAddress(user.address), port: user.port },
      destination: { address: plainAddress(this.#socket.address().address), port: this.#options.port },
    };
    holder.session.open(notice).then(
      (stream) => this.#carry(key, flow, stream),
      (error: unknown) => {
        this.#options.log.debug('a flow failed', { port: this.#options.port, error: describeError(error) });
        this.#end(key);
      },
    );
    return flow;
  }

  #carry(key: string, flow: Flow, stream: Duplex): void {
    if (this.#flows.get(key) !== flow) {
      stream.destroy();
      return;
    }
    flow.stream = stream;
    for (const datagram of flow.waiting) stream.write(encodeFrame(frameType.datagram, datagram));
    flow.waiting = [];
    readDatagrams(stream, (datagram) => {
      flow.timer.refresh();
      if (flow.account.rates?.back.allows(datagram.length) === false) return;
      this.#socket.send(datagram, flow.user.port, flow.user.address, () => {
        // A datagram that the network refuses is lost, as any may be.
      });
    });
    stream.once('close', () => this.#end(key));
  }

  #end(key: string): void {
    const flow = this.#flows.get(key);
    if (flow === undefined) return;
    this.#flows.delete(key);
    clearTimeout(flow.timer);
    flow.place[Symbol.dispose]();
    flow.stream?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const key of [...this.#flows.keys()]) this.#end(key);
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }
}
