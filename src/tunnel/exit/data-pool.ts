import type { Duplex } from 'node:stream';
import type { Clock } from '../../core/clock.ts';
import { TransientError, WherryError } from '../../core/errors.ts';
import { encodeOpen, frameType, type OpenNotice, parseFailed, TunnelProtocolError } from '../../wire/tunnel-frames.ts';
import { needMax } from '../../wire/tunnel-messages.ts';
import { readFrame } from '../frame-io.ts';

/** Data connections that lie ready for one client: at first, and as many as a rush makes it. */
const idleMin = 8;
const idleMax = 128;
/** Every so long the pool goes down by half if half of it was not needed. */
const shrinkEveryMs = 30_000;
/** A stream waits this long for a data connection. */
const takeTimeoutMs = 10_000;
/** Streams that wait for one. */
const waitingMax = 1_000;
/** A client that was asked for data connections and brought none for this long is asked again. */
const askAgainMs = 3_000;
/** The client's time to reach its upstream and say so. */
const openTimeoutMs = 12_000;
/** Tries when a data connection that lay ready turns out to be dead. */
const openAttempts = 2;

const idleEvents = ['data', 'end', 'close', 'error'] as const;
const idleListeners = new WeakMap<Duplex, () => void>();

interface Waiting {
  give(connection: Duplex): void;
  fail(error: Error): void;
}

/** The data connections of one client's session: those that lie ready, and who waits for one. */
export class DataPool {
  readonly #idle: Duplex[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #busy = new Set<Duplex>();
  readonly #ask: (count: number) => void;
  readonly #clock: Clock;
  readonly #shrinking: NodeJS.Timeout;
  #target = idleMin;
  /** The fewest that lay ready since the pool was last looked at. */
  #fewest = idleMin;
  #asked = 0;
  #askedMs = 0;
  #isClosed = false;

  constructor(ask: (count: number) => void, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
    this.#shrinking = setInterval(() => this.#shrink(), shrinkEveryMs);
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** Streams that run. */
  get busy(): number {
    return this.#busy.size;
  }

  /** Asks the client for as many as are missing. */
  fill(): void {
    const now = this.#clock.monotonic();
    if (this.#asked > 0 && now - this.#askedMs > askAgainMs) this.#asked = 0;
    const missing = this.#target + this.#waiting.length - this.#idle.length - this.#asked;
    if (this.#isClosed || missing <= 0) return;
    // A few at a time would be a message each.
    if (this.#waiting.length === 0 && missing < this.#target / 4 && this.#idle.length > 1) return;
    const count = Math.min(missing, needMax);
    this.#asked += count;
    this.#askedMs = now;
    this.#ask(count);
  }

  /** A data connection that the client opened. */
  add(connection: Duplex): void {
    this.#asked = Math.max(0, this.#asked - 1);
    if (this.#isClosed) {
      connection.destroy();
      return;
    }
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting.give(connection);
      return;
    }
    if (this.#idle.length >= idleMax) {
      connection.destroy();
      return;
    }
    const drop = () => this.#drop(connection);
    idleListeners.set(connection, drop);
    // Nothing comes before Open; it is read all the same, for that is how an end is noticed.
    for (const event of idleEvents) connection.on(event, drop);
    this.#idle.push(connection);
  }

  /** Opens a stream. Rejects with the client's reason (WherryError), or TransientError when none could be had. */
  async open(notice: OpenNotice): Promise<Duplex> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#take();
      this.#busy.add(connection);
      connection.once('close', () => this.#busy.delete(connection));
      try {
        connection.write(encodeOpen(notice));
        const { type, payload } = await readFrame(connection, openTimeoutMs);
        if (type === frameType.opened) return connection;
        if (type !== frameType.failed) throw new TunnelProtocolError('Open was answered by neither Opened nor Failed');
        const { code, message } = parseFailed(payload);
        throw new WherryError(code, message);
      } catch (error) {
        connection.destroy();
        const isStale = error instanceof TransientError && error.code === 'TUNNEL_CLOSED';
        if (!isStale || attempt >= openAttempts || this.#isClosed) throw error;
      }
    }
  }

  #take(): Promise<Duplex> {
    const connection = this.#idle.pop();
    this.#fewest = Math.min(this.#fewest, this.#idle.length);
    if (connection !== undefined) {
      this.#release(connection);
      this.fill();
      return Promise.resolve(connection);
    }
    if (this.#isClosed) return Promise.reject(new TransientError('TUNNEL_GONE', 'the client is gone'));
    if (this.#waiting.length >= waitingMax)
      return Promise.reject(
        new TransientError('TUNNEL_BUSY', `more than ${waitingMax} connections wait for the client`),
      );
    this.#target = Math.min(idleMax, this.#target * 2);
    return new Promise((resolve, reject) => {
      const limit = this.#clock.after(takeTimeoutMs, () => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(new TransientError('TUNNEL_BUSY', `the client opened no data connection within ${takeTimeoutMs} ms`));
      });
      const waiting: Waiting = {
        give(given) {
          limit[Symbol.dispose]();
          resolve(given);
        },
        fail(error) {
          limit[Symbol.dispose]();
          reject(error);
        },
      };
      this.#waiting.push(waiting);
      this.fill();
    });
  }

  #release(connection: Duplex): void {
    const drop = idleListeners.get(connection);
    if (drop === undefined) return;
    connection.pause();
    for (const event of idleEvents) connection.off(event, drop);
    // From now on whoever uses it looks at its errors; until he does they must not end the process.
    connection.on('error', () => {});
  }

  #drop(connection: Duplex): void {
    const at = this.#idle.indexOf(connection);
    if (at < 0) return;
    this.#idle.splice(at, 1);
    connection.destroy();
    this.fill();
  }

  #shrink(): void {
    if (this.#fewest > this.#target / 2) this.#target = Math.max(idleMin, Math.floor(this.#target / 2));
    this.#fewest = this.#idle.length;
    for (const connection of this.#idle.slice(this.#target)) this.#drop(connection);
    this.fill();
  }

  /** Ends all connections, idle and busy, and whoever waits. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#shrinking);
    for (const connection of [...this.#idle, ...this.#busy]) connection.destroy();
    this.#idle.length = 0;
    for (const { fail } of this.#waiting.splice(0)) fail(new TransientError('TUNNEL_GONE', 'the client is gone'));
  }
}
