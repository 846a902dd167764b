import { connect, type Socket } from 'node:net';
import { errorCode, TransientError } from '../../core/errors.ts';
import { decodePackets, encodeRegistration, encodeRequest, type ViciMessage, type ViciPacket } from './vici.ts';

/** Milliseconds that charon gets for an answer. */
const answerTimeoutMs = 10_000;

export interface ViciSession extends AsyncDisposable {
  /** Carries out a command. Throws TransientError VICI_REFUSED with what strongSwan says. */
  ask(command: string, message?: ViciMessage): Promise<ViciMessage>;
  /** A command that answers in events of the name `event`: all of them, in order. */
  list(command: string, event: string): Promise<readonly ViciMessage[]>;
  /** Calls `onEvent` for each event of that name from now on. */
  follow(event: string, onEvent: (message: ViciMessage) => void): Promise<void>;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;
}

/** Opens the control socket of a charon. Throws TransientError VICI_UNREACHABLE. */
export async function openSession(path: string): Promise<ViciSession> {
  const socket = connect({ path });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) =>
      reject(
        new TransientError('VICI_UNREACHABLE', `charon does not listen on ${path}: ${errorCode(cause)}`, { cause }),
      ),
    );
  });
  return new Session(socket);
}

class Session implements ViciSession {
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #followers = new Map<string, (message: ViciMessage) => void>();
  readonly #waiting: { resolve(packet: ViciPacket): void; reject(error: Error): void }[] = [];
  #received: Buffer = Buffer.alloc(0);
  #failure: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new TransientError('VICI_UNREACHABLE', 'charon has closed the connection')));
  }

  async ask(command: string, message: ViciMessage = {}): Promise<ViciMessage> {
    const packet = await this.#send(command, encodeRequest(command, message));
    if (packet.kind !== 'response')
      throw new TransientError('VICI_REFUSED', `strongSwan does not know the command ${command}`);
    const { success, errmsg } = packet.message;
    if (success === 'no') throw new TransientError('VICI_REFUSED', `strongSwan: ${command}: ${String(errmsg)}`);
    return packet.message;
  }

  async list(command: string, event: string): Promise<readonly ViciMessage[]> {
    const messages: ViciMessage[] = [];
    if (this.#followers.has(event)) this.#followers.set(event, (message) => messages.push(message));
    else await this.follow(event, (message) => messages.push(message));
    await this.ask(command);
    return messages;
  }

  async follow(event: string, onEvent: (message: ViciMessage) => void): Promise<void> {
    this.#followers.set(event, onEvent);
    const { kind } = await this.#send(event, encodeRegistration(event));
    if (kind !== 'event-confirmed')
      throw new TransientError('VICI_REFUSED', `strongSwan does not know the event ${event}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.ended;
  }

  async #send(what: string, bytes: Buffer): Promise<ViciPacket> {
    if (this.#failure !== undefined) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<ViciPacket>();
    this.#waiting.push({ resolve, reject });
    const timer = setTimeout(() => {
      this.#fail(new TransientError('VICI_TIMEOUT', `charon does not answer ${what} in ${answerTimeoutMs / 1000} s`));
      this.#socket.destroy();
    }, answerTimeoutMs);
    this.#socket.write(bytes);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #receive(chunk: Buffer): void {
    try {
      const { packets, rest } = decodePackets(Buffer.concat([this.#received, chunk]));
      this.#received = rest;
      for (const packet of packets) {
        if (packet.kind === 'event') this.#followers.get(packet.name)?.(packet.message);
        else this.#waiting.shift()?.resolve(packet);
      }
    } catch (thrown) {
      this.#fail(thrown instanceof Error ? thrown : new Error(String(thrown)));
      this.#socket.destroy();
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
