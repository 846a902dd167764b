import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';

/** Connections of one health port; further ones are closed. */
const connectionsMax = 64;
const requestTimeoutMs = 5_000;
/** A port that is somebody else's is tried again this often. */
const retryMs = 10_000;

/** What is asked for the health of one Service on this node. */
export interface HealthCheck {
  readonly port: number;
  readonly localEndpoints: number;
}

export interface HealthServerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Port of the proxy's own health (kube-proxy's 10256). */
  readonly proxyPort: number;
  /** The rules in the kernel are what the API says; `lastUpdated` is when they were last. */
  proxy(): { readonly isHealthy: boolean; readonly lastUpdated: number };
  /** False once the node is to go: load balancers then send it nothing new (KEP-3836). */
  isNodeEligible(): boolean;
  /** Told when a Service's port can't be listened on. */
  onProblem(service: string, problem: string): void;
}

interface Listener {
  readonly port: number;
  readonly server: Server;
  localEndpoints: number;
  retry: Disposable | undefined;
}

/**
 * Answers load balancers: for each Service that keeps external traffic local on its health check node port, whether
 * this node has endpoints of it; and for the node as a whole on /healthz and /livez. Bodies are kube-proxy's.
 */
export class HealthServers implements AsyncDisposable {
  readonly #options: HealthServerOptions;
  readonly #listeners = new Map<string, Listener>();
  readonly #proxy: Listener;

  constructor(options: HealthServerOptions) {
    this.#options = options;
    const server = createServer((request, response) => this.#answerProxy(request.url ?? '', response));
    this.#proxy = this.#listen('', options.proxyPort, server);
  }

  /** Replaces what is asked for a Service; undefined: nothing. */
  set(service: string, check: HealthCheck | undefined): void {
    const former = this.#listeners.get(service);
    if (former !== undefined && former.port === check?.port) {
      former.localEndpoints = check.localEndpoints;
      return;
    }
    if (former !== undefined) {
      this.#listeners.delete(service);
      this.#close(former).catch((error: unknown) => this.#options.log.warn('a health port did not close', { error }));
    }
    if (check === undefined) return;
    const server = createServer((_, response) => this.#answerService(service, response));
    const listener = this.#listen(service, check.port, server);
    listener.localEndpoints = check.localEndpoints;
    this.#listeners.set(service, listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#listeners.values(), this.#proxy];
    this.#listeners.clear();
    await Promise.all(all.map((listener) => this.#close(listener)));
  }

  #listen(service: string, port: number, server: Server): Listener {
    const { clock, onProblem } = this.#options;
    const listener: Listener = { port, server, localEndpoints: 0, retry: undefined };
    server.maxConnections = connectionsMax;
    server.requestTimeout = requestTimeoutMs;
    server.headersTimeout = requestTimeoutMs;
    server.keepAliveTimeout = requestTimeoutMs;
    const begin = () => server.listen(port);
    let isTold = false;
    server.on('error', (error) => {
      if (!isTold) onProblem(service, describeError(error));
      isTold = true;
      listener.retry = clock.after(retryMs, begin);
    });
    begin();
    return listener;
  }

  async #close({ server, retry }: Listener): Promise<void> {
    retry?.[Symbol.dispose]();
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  #answerService(key: string, response: ServerResponse): void {
    const localEndpoints = this.#listeners.get(key)?.localEndpoints ?? 0;
    const { isHealthy } = this.#options.proxy();
    const [namespace = '', name = ''] = key.split('/');
    response.writeHead(localEndpoints > 0 && isHealthy ? 200 : 503, {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
      'X-Load-Balancing-Endpoint-Weight': String(localEndpoints),
    });
    const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy: isHealthy };
    response.end(JSON.stringify(body, null, '\t'));
  }

  #answerProxy(url: string, response: ServerResponse): void {
    const { clock, proxy, isNodeEligible } = this.#options;
    const path = url.split('?')[0];
    if (path !== '/healthz' && path !== '/livez') {
      response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('404 page not found\n');
      return;
    }
    const { isHealthy, lastUpdated } = proxy();
    const nodeEligible = isNodeEligible();
    // A node that is to go still lives.
    const isFine = isHealthy && (nodeEligible || path === '/livez');
    response.writeHead(isFine ? 200 : 503, {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
    });
    const currentTime = new Date(clock.now()).toISOString();
    const body = { lastUpdated: new Date(lastUpdated).toISOString(), currentTime };
    response.end(JSON.stringify(path === '/livez' ? body : { ...body, nodeEligible }));
  }
}
