import { randomBytes } from 'node:crypto';
import { backoffDelayMs } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { RouteVerdict } from '../../wire/tunnel-messages.ts';
import type { Remote } from '../remote.ts';
import type { Upstream } from '../upstream.ts';
import { type ConnectedFacts, RefusedError, runConnection, tellFailure } from './connection.ts';
import type { Trust } from './dial.ts';

/** Pauses between tries to reach the exit: half of each is random, so that many clients don't come back together. */
const reconnect = { baseMs: 500, capMs: 15_000, jitter: 0.5 };
/** The same after the exit said no: nothing changes soon. */
const refused = { baseMs: 2_000, capMs: 60_000, jitter: 0.2 };
/** A connection that lasted this long was a good one: the next failure is the first again. */
const steadyMs = 10_000;

export interface TunnelClientOptions {
  readonly remote: Remote;
  readonly trust: Trust;
  readonly token: string;
  readonly name: string;
  readonly upstreams: readonly Upstream[];
  readonly clock: Clock;
  readonly log: Log;
  /** Called after each change of `status`. */
  onStatus?(status: TunnelStatus): void;
}

/** How a tunnel stands. */
export interface TunnelStatus {
  readonly isConnected: boolean;
  /** Why it is not connected, once that is known; stays until it is. */
  readonly failure: Error | undefined;
  /** Where users reach the exit, as was last known. */
  readonly addresses: readonly string[];
  /** The digest of the exit's key. */
  readonly pin: string | undefined;
  /** What became of each route, by its name; only while connected. */
  readonly routes: ReadonlyMap<string, RouteVerdict>;
}

/** The end of a tunnel behind NAT: keeps a connection to the exit and serves what comes through it. */
export class TunnelClient implements AsyncDisposable {
  readonly #options: TunnelClientOptions;
  readonly #instance = randomBytes(12).toString('hex');
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  #upstreams: ReadonlyMap<string, Upstream>;
  #connected: ConnectedFacts | undefined;
  #status: TunnelStatus = { isConnected: false, failure: undefined, addresses: [], pin: undefined, routes: new Map() };

  constructor(options: TunnelClientOptions) {
    this.#options = options;
    this.#upstreams = byId(options.upstreams);
    this.#running = this.#run();
  }

  get status(): TunnelStatus {
    return this.#status;
  }

  /** Serves these routes from now on. Running streams of others go on. */
  setUpstreams(upstreams: readonly Upstream[]): void {
    const before = JSON.stringify([...this.#upstreams.keys()]);
    this.#upstreams = byId(upstreams);
    if (JSON.stringify([...this.#upstreams.keys()]) !== before) this.#connected?.declare();
  }

  #change(changes: Partial<TunnelStatus>): void {
    this.#status = { ...this.#status, ...changes };
    this.#options.onStatus?.(this.#status);
  }

  async #run(): Promise<void> {
    const { remote, trust, token, name, clock, log } = this.#options;
    const { signal } = this.#ending;
    for (let attempt = 0; !signal.aborted; ) {
      const beganMs = clock.monotonic();
      const connection = {
        ...{ remote, trust, token, name, clock, log },
        instance: this.#instance,
        upstreams: () => this.#upstreams,
        onConnected: (facts: ConnectedFacts) => this.#onConnected(facts),
        onRoutes: (routes: readonly RouteVerdict[]) => this.#onRoutes(routes),
      };
      try {
        await runConnection(connection, signal);
        return;
      } catch (error) {
        const failure = toError(error);
        if (this.#connected !== undefined && clock.monotonic() - beganMs > steadyMs) attempt = 0;
        this.#connected = undefined;
        this.#change({ isConnected: false, failure, routes: new Map() });
        const least = failure instanceof RefusedError ? failure.retryAfterMs : 0;
        const waitMs = Math.max(least, backoffDelayMs(least > 0 ? refused : reconnect, attempt));
        attempt++;
        log.warn('not connected to the exit', { ...tellFailure(failure), retryMs: Math.round(waitMs) });
        await clock.sleep(waitMs, signal).catch(() => {});
      }
    }
  }

  #onConnected(facts: ConnectedFacts): void {
    const { addresses, pin } = facts;
    this.#connected = facts;
    this.#options.log.info('connected to the exit', { addresses, pin });
    this.#change({ isConnected: true, failure: undefined, addresses, pin });
  }

  #onRoutes(routes: readonly RouteVerdict[]): void {
    for (const route of routes) {
      const before = this.#status.routes.get(route.id);
      if (JSON.stringify(before) === JSON.stringify(route)) continue;
      if (route.state === 'open') this.#options.log.info('served by the exit', { route: route.id });
      else this.#options.log.warn('refused by the exit', { route: route.id, code: route.code, error: route.message });
    }
    this.#change({ routes: new Map(routes.map((route) => [route.id, route])) });
  }

  /** Ends the tunnel and all its streams. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Error('the tunnel is ended'));
    await this.#running;
  }
}

function byId(upstreams: readonly Upstream[]): ReadonlyMap<string, Upstream> {
  return new Map(upstreams.map((upstream) => [upstream.route.id, upstream]));
}
