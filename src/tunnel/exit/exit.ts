import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../../core/clock.ts';
import { describeError, errorCode, type WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import {
  controlPath,
  dataPath,
  dataUpgrade,
  messageBytesMax,
  parseClientMessage,
  type RouteRequest,
  type RouteVerdict,
  tunnelSubprotocol,
} from '../../wire/tunnel-messages.ts';
import { Attempts } from '../attempts.ts';
import { startHeartbeat } from '../heartbeat.ts';
import { type TokenList, whyForbidden } from '../tokens.ts';
import { routeId } from '../upstream.ts';
import { Accounts } from './accounts.ts';
import { type Door, type KeyPair, openDoor } from './door.ts';
import { parseTrustedProxies, plainAddress } from './forwarded.ts';
import { greet, WrongTokenError } from './greeting.ts';
import { HttpProxy } from './http-proxy.ts';
import { PublicPorts } from './ports.ts';
import { RouteTable } from './route-table.ts';
import { ExitSession } from './session.ts';

/** Clients at the same time. */
const sessionsMax = 1_000;
/** Clients that have not proved anything yet. */
const greetingsMax = 200;
/** Ports that could not be opened, and routes that another token held, are tried again after this time. */
const retryMs = 3_000;

export interface ExitOptions {
  /** Where users come to. */
  readonly dataAddress: string;
  /** HTTP by host name; 0 for any that is free. */
  readonly port: number;
  /** The same, for HTTPS alone; absent when `port` is enough (it takes both if it is the control port too). */
  readonly httpsPort?: number | undefined;
  readonly controlAddress: string;
  /** Where clients come to; may be the same as `port`. */
  readonly controlPort: number;
  /** Absent: nothing is encrypted. */
  readonly certificate?: KeyPair | undefined;
  readonly tokens: TokenList;
  /** What clients are told about where users reach this exit. */
  readonly publicAddresses: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

interface Claims {
  readonly session: ExitSession;
  readonly declared: readonly RouteRequest[];
  readonly verdicts: readonly RouteVerdict[];
}

/** Figures of an exit since its start. */
export interface ExitCounts {
  wrongTokens: number;
  blockedAttempts: number;
  sessions: number;
  deadSessions: number;
}

/** The public end of tunnels. */
export interface Exit extends AsyncDisposable {
  readonly ports: { readonly data: number; readonly https: number | undefined; readonly control: number };
  readonly accounts: Accounts;
  readonly counts: ExitCounts;
  readonly httpCounts: Readonly<Record<string, number>>;
  sessions(): readonly ExitSession[];
  routes(): readonly { readonly route: string; readonly token: string; readonly clients: number }[];
  /** Puts other tokens into force; clients whose token is gone are ended. */
  setTokens(tokens: TokenList): void;
  /** Serves another certificate to new connections. */
  setCertificate(pair: KeyPair): void;
}

/** Starts an exit; resolves when it listens. Throws WherryError. */
export async function startExit(options: ExitOptions): Promise<Exit> {
  const exit = new RunningExit(options);
  try {
    await exit.listen();
    return exit;
  } catch (error) {
    await exit[Symbol.asyncDispose]();
    throw error;
  }
}

class RunningExit implements Exit {
  readonly accounts: Accounts;
  readonly counts: ExitCounts = { wrongTokens: 0, blockedAttempts: 0, sessions: 0, deadSessions: 0 };
  readonly #options: ExitOptions;
  readonly #log: Log;
  readonly #attempts: Attempts;
  readonly #routes = new RouteTable<ExitSession>();
  readonly #ports: PublicPorts;
  readonly #http: HttpProxy;
  readonly #sessions = new Map<string, ExitSession>();
  readonly #acceptor = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: messageBytesMax,
    handleProtocols: (offered) => (offered.has(tunnelSubprotocol) ? tunnelSubprotocol : false),
  });
  readonly #greeting = new Set<WebSocket>();
  #doors: Door[] = [];
  #settling: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ExitOptions) {
    const { tokens, dataAddress, trustedProxies, clock, log } = options;
    this.#options = options;
    this.#log = log;
    this.accounts = new Accounts(tokens.tokens, clock);
    this.#attempts = new Attempts(clock);
    this.#ports = new PublicPorts(this.#routes, dataAddress, log);
    this.#http = new HttpProxy({ routes: this.#routes, trustedProxies: parseTrustedProxies(trustedProxies), log });
  }

  get ports(): Exit['ports'] {
    const [data, https, control] = this.#doors;
    const isShared = this.#options.controlPort === this.#options.port;
    const hasHttps = this.#options.httpsPort !== undefined;
    return {
      data: data?.port ?? 0,
      https: hasHttps ? https?.port : undefined,
      control: (isShared ? data : hasHttps ? control : https)?.port ?? 0,
    };
  }

  get httpCounts(): Readonly<Record<string, number>> {
    return this.#http.counts;
  }

  async listen(): Promise<void> {
    const { dataAddress, controlAddress, port, httpsPort, controlPort, certificate } = this.#options;
    const isShared = controlPort === port;
    const onRequest = this.#http.handle.bind(this.#http);
    const encrypted = certificate === undefined ? {} : { certificate };
    const data = {
      onRequest,
      onUpgrade: isShared ? this.#either.bind(this) : this.#http.upgrade.bind(this.#http),
      address: dataAddress,
    };
    // Of a shared port both protocols are expected; what encryption a client needs, it sees to itself.
    this.#doors.push(await openDoor({ ...data, port, plain: 'serve', ...(isShared ? encrypted : {}) }));
    if (httpsPort !== undefined)
      this.#doors.push(await openDoor({ ...data, port: httpsPort, plain: 'close', ...encrypted }));
    if (isShared) return;
    this.#doors.push(
      await openDoor({
        address: controlAddress,
        port: controlPort,
        plain: certificate === undefined ? 'serve' : 'close',
        ...encrypted,
        onRequest: (_, response) => response.writeHead(404).end('wherry tunnel: clients connect here\n'),
        onUpgrade: this.#control.bind(this),
      }),
    );
  }

  sessions(): readonly ExitSession[] {
    return [...this.#sessions.values()];
  }

  routes(): ReturnType<Exit['routes']> {
    return this.#routes.list();
  }

  setTokens({ tokens }: TokenList): void {
    const gone = new Set(this.accounts.update(tokens));
    for (const session of this.sessions()) {
      if (gone.has(session.facts.account)) this.#end(session, 'its token is gone');
    }
    // What a token may has changed perhaps.
    void this.#settle();
  }

  setCertificate(pair: KeyPair): void {
    for (const door of this.#doors) door.replaceCertificate(pair);
  }

  #either(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const isTunnel =
      request.headers.upgrade === dataUpgrade || request.headers['sec-websocket-protocol'] === tunnelSubprotocol;
    if (isTunnel) this.#control(request, socket, head);
    else this.#http.upgrade(request, socket, head);
  }

  #control(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    if (request.url === dataPath && request.headers.upgrade === dataUpgrade) {
      this.#takeData(request, socket, head);
      return;
    }
    const blockedMs = this.#attempts.blockedMs(plainAddress(request.socket.remoteAddress));
    const isFull = this.#sessions.size >= sessionsMax || this.#greeting.size >= greetingsMax;
    if (request.url !== controlPath || request.headers['sec-websocket-protocol'] !== tunnelSubprotocol)
      refuse(socket, '404 Not Found');
    else if (blockedMs > 0) {
      this.counts.blockedAttempts++;
      refuse(socket, '429 Too Many Requests', `Retry-After: ${Math.ceil(blockedMs / 1000)}\r\n`);
    } else if (isFull) refuse(socket, '503 Service Unavailable');
    else this.#acceptor.handleUpgrade(request, socket, head, (peer) => void this.#welcome(peer, request));
  }

  #takeData({ headers }: IncomingMessage, socket: Duplex, head: Buffer): void {
    const session = this.#sessions.get(String(headers['wherry-session']));
    const sequence = Number(headers['wherry-sequence']);
    const isAdmitted =
      head.length === 0 && Number.isSafeInteger(sequence) && session?.admits(sequence, String(headers['wherry-proof']));
    if (session === undefined || !isAdmitted) {
      refuse(socket, '403 Forbidden');
      return;
    }
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${dataUpgrade}\r\n\r\n`);
    session.addConnection(socket);
  }

  async #welcome(peer: WebSocket, request: IncomingMessage): Promise<void> {
    const { clock, publicAddresses } = this.#options;
    this.#greeting.add(peer);
    peer.once('close', () => this.#greeting.delete(peer));
    peer.on('error', (error) => this.#log.debug('a control connection failed', { error: describeError(error) }));
    try {
      const { facts, proof } = await greet(peer, request, this.accounts, this.#attempts, clock);
      const session = new ExitSession(peer, facts, clock);
      for (const old of this.sessions()) {
        if (old.facts.instance === facts.instance && old.facts.account === facts.account)
          this.#end(old, 'its client has come back');
      }
      this.#sessions.set(session.id, session);
      this.counts.sessions++;
      this.#log.info('a client has come', { client: facts.name, address: facts.address, token: session.token.name });
      const heartbeat = startHeartbeat(peer, clock, () => {
        this.counts.deadSessions++;
        this.#end(session, 'it is silent');
      });
      peer.on('message', (data, isBinary) => this.#onMessage(session, String(data), isBinary));
      peer.once('close', () => {
        heartbeat[Symbol.dispose]();
        this.#end(session, 'its connection was closed');
      });
      session.send({ type: 'welcome', session: session.id, proof, addresses: publicAddresses });
      session.begin();
    } catch (error) {
      this.#refuse(peer, request, error);
    } finally {
      this.#greeting.delete(peer);
    }
  }

  #refuse(peer: WebSocket, request: IncomingMessage, error: unknown): void {
    const address = plainAddress(request.socket.remoteAddress);
    const retryAfterMs = error instanceof WrongTokenError ? error.retryAfterMs : 0;
    if (error instanceof WrongTokenError) {
      this.counts.wrongTokens++;
      this.#log.warn('a client came with a wrong token', { address, keptOutMs: retryAfterMs });
    } else this.#log.info('a client was refused', { address, error: describeError(error) });
    const code = errorCode(error) ?? 'TUNNEL_PROTOCOL';
    if (peer.readyState === peer.OPEN)
      peer.send(JSON.stringify({ type: 'refused', code, message: describeError(error), retryAfterMs }));
    peer.close(1008);
  }

  #onMessage(session: ExitSession, text: string, isBinary: boolean): void {
    try {
      const message = isBinary ? undefined : parseClientMessage(text);
      if (message?.type !== 'declare') {
        this.#end(session, 'it sent what nobody may send now');
        return;
      }
      session.declared = message.routes;
      void this.#settle();
    } catch (error) {
      this.#end(session, describeError(error));
    }
  }

  #end(session: ExitSession, why: string): void {
    session.end();
    if (!this.#sessions.delete(session.id)) return;
    const { name, address } = session.facts;
    this.#log.info('a client is gone', { client: name, address, token: session.token.name, why });
    this.#routes.release(session);
    void this.#settle();
  }

  /** Makes the table and the ports be what all clients declare, one change after the other, and tells each what became of its routes. */
  #settle(): Promise<void> {
    this.#settling = this.#settling.then(async () => {
      if (this.#isClosed) return;
      clearTimeout(this.#retry);
      const claims = this.sessions().map((session) => this.#claim(session));
      const failures = await this.#ports.settle();
      let isIncomplete = false;
      for (const { session, declared, verdicts } of claims) {
        const told = verdicts.map((verdict, index) => withFailure(verdict, declared[index], failures));
        isIncomplete ||= told.some(({ state }) => state === 'refused');
        if (session.verdicts.length > 0 && JSON.stringify(told) === JSON.stringify(session.verdicts)) continue;
        session.verdicts = told;
        session.send({ type: 'routes', routes: told });
      }
      if (isIncomplete) this.#retry = setTimeout(() => void this.#settle(), retryMs);
    });
    return this.#settling;
  }

  #claim(session: ExitSession): Claims {
    const { declared, token } = session;
    const allowed = declared.filter((route) => whyForbidden(token, route) === undefined);
    this.#routes.release(session, new Set(allowed.map(routeId)));
    return { session, declared, verdicts: declared.map((route) => this.#routes.claim(session, route)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    for (const peer of this.#greeting) peer.terminate();
    for (const session of this.sessions()) this.#end(session, 'the exit ends');
    await this.#settling;
    await this.#ports[Symbol.asyncDispose]();
    const doors = this.#doors;
    this.#doors = [];
    await Promise.all(doors.map((door) => door[Symbol.asyncDispose]()));
  }
}

function withFailure(
  verdict: RouteVerdict,
  route: RouteRequest | undefined,
  failures: ReadonlyMap<string, WherryError>,
): RouteVerdict {
  const failure = route === undefined ? undefined : failures.get(routeId(route));
  if (failure === undefined || verdict.state === 'refused') return verdict;
  return { id: verdict.id, state: 'refused', code: failure.code, message: failure.message };
}

function refuse(socket: Duplex, status: string, headers = ''): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`);
}
