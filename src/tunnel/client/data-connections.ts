import type { Socket } from 'node:net';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { dataPath, dataUpgrade } from '../../wire/tunnel-messages.ts';
import { dataProofOf } from '../proof.ts';
import { authorityOf, type Remote } from '../remote.ts';
import type { Upstream } from '../upstream.ts';
import { dial, type Trust } from './dial.ts';
import { serveStream } from './upstream-stream.ts';

/** Data connections that are being opened at the same time. */
const dialingMax = 32;
/** Data connections altogether. */
const connectionsMax = 20_000;
/** Longest answer of the exit to a data connection's request. */
const headBytesMax = 8 * 1024;
/** The exit's time for that answer. */
const headTimeoutMs = 8_000;

export interface DataConnectionsOptions {
  readonly remote: Remote;
  /** The key that the exit has shown and proved. */
  readonly trust: Trust;
  readonly session: string;
  readonly dataKey: Buffer;
  readonly log: Log;
  upstreams(): ReadonlyMap<string, Upstream>;
}

/** Opens data connections as the exit asks for them, and serves their streams. Disposing ends all. */
export class DataConnections implements Disposable {
  readonly #options: DataConnectionsOptions;
  readonly #ending = new AbortController();
  readonly #sockets = new Set<Socket>();
  #sequence = 0;
  #wanted = 0;
  #dialing = 0;

  constructor(options: DataConnectionsOptions) {
    this.#options = options;
  }

  open(count: number): void {
    this.#wanted += count;
    this.#dialMore();
  }

  #dialMore(): void {
    while (this.#wanted > 0 && this.#dialing < dialingMax && this.#sockets.size + this.#dialing < connectionsMax) {
      this.#wanted--;
      this.#dialing++;
      void this.#dialOne();
    }
  }

  async #dialOne(): Promise<void> {
    const { remote, trust, log } = this.#options;
    let socket: Socket;
    try {
      ({ socket } = await dial(remote, trust, this.#ending.signal));
      socket.on('error', () => socket.destroy());
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      await this.#introduce(socket);
    } catch (error) {
      // The exit asks again; if it can't, the control connection is about to end too.
      if (!this.#ending.signal.aborted) log.debug('a data connection failed', { error: describeError(error) });
      return;
    } finally {
      this.#dialing--;
      this.#dialMore();
    }
    await serveStream(socket, this.#options.upstreams, (error) =>
      log.info('a stream failed', { error: describeError(error) }),
    );
  }

  async #introduce(socket: Socket): Promise<void> {
    const { remote, session, dataKey } = this.#options;
    const sequence = this.#sequence++;
    socket.write(
      `GET ${dataPath} HTTP/1.1\r\nHost: ${authorityOf(remote)}\r\nConnection: Upgrade\r\nUpgrade: ${dataUpgrade}\r\n` +
        `Wherry-Session: ${session}\r\nWherry-Sequence: ${sequence}\r\n` +
        `Wherry-Proof: ${dataProofOf(dataKey, session, sequence)}\r\n\r\n`,
    );
    const status = await readHead(socket);
    if (status === 101) return;
    socket.destroy();
    throw new Error(`the exit answered with status ${status}`);
  }

  [Symbol.dispose](): void {
    this.#ending.abort(new Error('the connection to the exit has ended'));
    this.#wanted = 0;
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Reads the head of an HTTP answer and leaves what follows in the connection. Resolves with its status. */
function readHead(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const finish = (result: number | Error) => {
      clearTimeout(timer);
      socket.off('readable', onReadable);
      socket.off('close', onClose);
      socket.off('end', onClose);
      if (typeof result === 'number') resolve(result);
      else {
        socket.destroy();
        reject(result);
      }
    };
    const onReadable = () => {
      for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0 && head.length > headBytesMax) {
          finish(new Error('the exit answers without end'));
          return;
        }
        if (end < 0) continue;
        const rest = head.subarray(end + 4);
        if (rest.length > 0) socket.unshift(rest);
        finish(Number(/^HTTP\/1\.1 (\d{3})/.exec(head.toString('latin1'))?.[1] ?? 0));
        return;
      }
    };
    const onClose = () => finish(new Error('the exit closed the connection'));
    const timer = setTimeout(() => finish(new Error(`no answer within ${headTimeoutMs} ms`)), headTimeoutMs);
    socket.on('readable', onReadable);
    socket.once('end', onClose);
    socket.once('close', onClose);
  });
}
