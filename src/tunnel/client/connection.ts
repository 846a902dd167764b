import { WebSocket } from 'ws';
import type { Clock } from '../../core/clock.ts';
import { describeError, TerminalError, TransientError, toError, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { TunnelProtocolError } from '../../wire/tunnel-frames.ts';
import {
  type ClientMessage,
  controlPath,
  messageBytesMax,
  parseServerMessage,
  type RouteVerdict,
  type ServerMessage,
  tunnelSubprotocol,
  tunnelVersion,
} from '../../wire/tunnel-messages.ts';
import { startHeartbeat } from '../heartbeat.ts';
import { dataKeyOf, newNonce, proofOf, sameProof, type Transcript } from '../proof.ts';
import { authorityOf, type Remote } from '../remote.ts';
import type { Upstream } from '../upstream.ts';
import { DataConnections } from './data-connections.ts';
import { type Dialed, dial, type Trust } from './dial.ts';

/** The exit's time for each step of the greeting. */
const greetingTimeoutMs = 10_000;

export interface ConnectionOptions {
  readonly remote: Remote;
  readonly trust: Trust;
  readonly token: string;
  /** The same for all connections of one process. */
  readonly instance: string;
  /** For people: this machine's name. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  upstreams(): ReadonlyMap<string, Upstream>;
  onConnected(facts: ConnectedFacts): void;
  onRoutes(routes: readonly RouteVerdict[]): void;
}

export interface ConnectedFacts {
  /** Where users reach the exit: what it says, or else the address that it was reached at. */
  readonly addresses: readonly string[];
  /** The digest of the exit's key; undefined without encryption. */
  readonly pin: string | undefined;
  /** Tells the exit what this client serves now. */
  declare(): void;
}

/** The exit said no; it is not to be asked again before `retryAfterMs`. */
export class RefusedError extends TerminalError {
  readonly retryAfterMs: number;

  constructor(code: string, message: string, retryAfterMs: number, hint?: string) {
    super(code, message, hint === undefined ? {} : { hint });
    this.retryAfterMs = retryAfterMs;
  }
}

/** One connection to the exit, from its greeting to its end. Rejects with why it ended; resolves when `signal` aborted it. */
export async function runConnection(options: ConnectionOptions, signal: AbortSignal): Promise<void> {
  const { remote, trust, clock, log } = options;
  const dialed = await dial(remote, trust, signal);
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {});
  const socket = openWebSocket(dialed, remote, ended.reject);
  using inbox = new Inbox(socket, clock);
  const onAbort = () => ended.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const stack = new DisposableStack();
  try {
    const { session, dataKey, addresses } = await Promise.race([greet(options, dialed, socket, inbox), ended.promise]);
    // From now on the exit's key is known, whatever was known of it before.
    const known = dialed.pin === undefined ? {} : { pin: dialed.pin };
    const connections = stack.use(
      new DataConnections({ remote, trust: known, session, dataKey, upstreams: options.upstreams, log }),
    );
    const silent = new TransientError('TUNNEL_SILENT', 'the exit is silent', {
      hint: 'the network to the exit is cut, or its machine is down',
    });
    stack.use(startHeartbeat(socket, clock, () => ended.reject(silent)));
    inbox.handle((message) => {
      if (message.type === 'need') connections.open(message.count);
      else if (message.type === 'routes') options.onRoutes(message.routes);
      else ended.reject(new TunnelProtocolError(`the exit sent ${message.type} out of turn`));
    }, ended.reject);
    const declare = () => {
      const routes = [...options.upstreams().values()].map(({ route }) => route);
      send(socket, { type: 'declare', routes });
    };
    const own = dialed.socket.remoteAddress?.replace(/^::ffff:/i, '');
    options.onConnected({
      addresses: addresses.length > 0 || own === undefined ? addresses : [own],
      pin: dialed.pin,
      declare,
    });
    declare();
    await ended.promise;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    stack.dispose();
    socket.terminate();
    dialed.socket.destroy();
  }
}

function openWebSocket(dialed: Dialed, remote: Remote, onEnd: (error: Error) => void): WebSocket {
  // The connection stands already, so the scheme only says how requests are written.
  const socket = new WebSocket(`ws://${authorityOf(remote)}${controlPath}`, tunnelSubprotocol, {
    createConnection: () => dialed.socket,
    perMessageDeflate: false,
    maxPayload: messageBytesMax,
    handshakeTimeout: greetingTimeoutMs,
    followRedirects: false,
  });
  socket.on('error', (cause) =>
    onEnd(new TransientError('TUNNEL_LOST', 'the connection to the exit broke', { cause })),
  );
  socket.on('close', () => onEnd(new TransientError('TUNNEL_LOST', 'the exit closed the connection')));
  socket.on('unexpected-response', (_, response) => {
    const { statusCode, headers } = response;
    const retryAfterMs = Number(headers['retry-after'] ?? 0) * 1000;
    response.destroy();
    if (statusCode === 429)
      onEnd(
        new RefusedError(
          'TUNNEL_TOKEN',
          'the exit does not listen to this address, after wrong tokens',
          retryAfterMs,
          wrongTokenHint,
        ),
      );
    else
      onEnd(
        new TransientError(
          'TUNNEL_NO_EXIT',
          `${authorityOf(remote)} answers with status ${statusCode}, as no exit does`,
          {
            hint: 'give the control port of `wherry tunnel server`',
          },
        ),
      );
  });
  return socket;
}

const wrongTokenHint = 'give the token that stands in the tokens file of the exit';

function send(socket: WebSocket, message: ClientMessage): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
}

interface Greeting {
  readonly session: string;
  readonly dataKey: Buffer;
  readonly addresses: readonly string[];
}

async function greet(
  { token, instance, name, remote }: ConnectionOptions,
  { shared, isKnown }: Dialed,
  socket: WebSocket,
  inbox: Inbox,
): Promise<Greeting> {
  const hello = await inbox.next();
  if (hello.type !== 'hello') throw new TunnelProtocolError('an exit begins with hello');
  if (hello.version !== tunnelVersion) {
    const message = `the exit speaks version ${hello.version} of the tunnel's protocol, this client version ${tunnelVersion}`;
    throw new RefusedError('TUNNEL_VERSION', message, 0, 'run the same version of wherry at both ends');
  }
  // A proxy that ends the encryption has a certificate that somebody vouches for; an exit of ours shares the connection.
  if (remote.encrypted && hello.binding === 'none' && !isKnown) {
    throw new RefusedError(
      'TUNNEL_UNBOUND',
      'somebody between this client and the exit ends the encryption',
      0,
      wrongProxyHint,
    );
  }
  const binding = remote.encrypted ? hello.binding : 'none';
  const clientNonce = newNonce();
  const transcript: Transcript = {
    exitNonce: hello.nonce,
    clientNonce,
    binding,
    shared: binding === 'none' ? Buffer.alloc(0) : shared,
  };
  const proof = proofOf('client', token, transcript);
  send(socket, { type: 'auth', version: tunnelVersion, nonce: clientNonce, proof, instance, name });
  const answer = await inbox.next();
  if (answer.type === 'refused')
    throw new RefusedError(
      answer.code,
      answer.message,
      answer.retryAfterMs,
      answer.code === 'TUNNEL_TOKEN' ? wrongTokenHint : undefined,
    );
  if (answer.type !== 'welcome') throw new TunnelProtocolError('auth was answered by neither welcome nor refused');
  if (!sameProof(answer.proof, proofOf('exit', token, transcript))) {
    throw new RefusedError('TUNNEL_IMPOSTOR', 'who answers does not know the token', 0, 'look for who is in between');
  }
  return { session: answer.session, dataKey: dataKeyOf(token, transcript), addresses: answer.addresses };
}

const wrongProxyHint = 'if that is your own proxy, give its authority with --ca-file or its key with --pin';

/** The exit's messages, one by one during the greeting and then as they come. */
class Inbox implements Disposable {
  readonly #clock: Clock;
  readonly #messages: ServerMessage[] = [];
  #failure: Error | undefined;
  #wake: () => void = () => {};
  #take: ((message: ServerMessage) => void) | undefined;
  #fail: (error: Error) => void = () => {};

  constructor(socket: WebSocket, clock: Clock) {
    this.#clock = clock;
    socket.on('message', (data, isBinary) => {
      try {
        if (isBinary) throw new TunnelProtocolError('a control message is text');
        const message = parseServerMessage(String(data));
        if (this.#take !== undefined) this.#take(message);
        else if (this.#messages.push(message) > 16)
          throw new TunnelProtocolError('the exit does not wait for its turn');
      } catch (error) {
        this.#failure = toError(error);
        this.#fail(this.#failure);
      }
      this.#wake();
    });
  }

  async next(): Promise<ServerMessage> {
    using limit = new LimitedWait(this.#clock, greetingTimeoutMs);
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#failure !== undefined) throw this.#failure;
      if (limit.isOver)
        throw new TransientError('TUNNEL_TIMEOUT', 'the exit does not answer', {
          hint: 'is that the port of an exit?',
        });
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        limit.onOver = resolve;
      });
    }
  }

  /** Hands over all further messages. */
  handle(take: (message: ServerMessage) => void, fail: (error: Error) => void): void {
    this.#take = take;
    this.#fail = fail;
    for (const message of this.#messages.splice(0)) take(message);
    if (this.#failure !== undefined) fail(this.#failure);
  }

  [Symbol.dispose](): void {
    this.#take = () => {};
  }
}

class LimitedWait implements Disposable {
  isOver = false;
  onOver: () => void = () => {};
  readonly #timer: Disposable;

  constructor(clock: Clock, ms: number) {
    this.#timer = clock.after(ms, () => {
      this.isOver = true;
      this.onOver();
    });
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}

/** For a log: what a failure was and what to do. */
export function tellFailure(error: unknown): { readonly error: string; readonly hint?: string } {
  const hint = error instanceof WherryError ? error.hint : undefined;
  return { error: describeError(error), ...(hint === undefined ? {} : { hint }) };
}
