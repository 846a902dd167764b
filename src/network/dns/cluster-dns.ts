import { Worker } from 'node:worker_threads';
import type { Clock } from '../../core/clock.ts';
import { WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { EventRecorder, Informers } from '../../runtime/controller.ts';
import { followCluster } from './cluster-feed.ts';
import { configurationOf } from './custom-config.ts';
import { followCustomConfig, noCustomConfig } from './custom-config-feed.ts';
import { serveMetrics } from './metrics-endpoint.ts';
import type { Order, Report, StartData } from './protocol.ts';
import { type MachineServers, watchNameServers } from './resolv-conf.ts';

/** How long the first answer waits for what users configured: without it there are answers too. */
const configurationWaitMs = 2_000;
/** Between the end of a thread that failed and the start of the next. */
const restartDelayMs = 500;
const metricsWaitMs = 5_000;

export interface ClusterDnsOptions {
  /** The cluster's DNS addresses; they are on an interface already. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** Where /metrics is, at the same addresses. */
  readonly metricsPort: number;
  /** E.g. `cluster.local`. */
  readonly zone: string;
  /** Which resolv.conf(5) names the servers for all other names. */
  readonly resolvConf: string;
  readonly informers: Informers;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  /** How it is doing, whenever that changes. */
  readonly onStatus: (status: DnsStatus) => void;
}

export interface DnsStatus {
  /** Names of the cluster are answered, and no server leads in a circle. */
  readonly isWell: boolean;
  /** What a person should know; null when there is nothing. */
  readonly note: string | null;
}

/**
 * The cluster's DNS on this node. Questions are answered by a thread of its own, so that the work of this one (an API server
 * perhaps) never delays an answer; this side follows the cluster and tells that thread what changes.
 */
export class ClusterDns implements AsyncDisposable {
  readonly #options: ClusterDnsOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #metricsCalls = new Map<number, (text: string) => void>();
  readonly #custom: ReturnType<typeof followCustomConfig>;
  readonly #cluster: ReturnType<typeof followCluster>;
  #worker: Worker | undefined;
  #machine: MachineServers = { servers: [], file: '' };
  #loops: readonly string[] = [];
  #failure: string | null = null;
  #calls = 0;
  #isClosed = false;
  #ports: readonly number[] = [];

  constructor(options: ClusterDnsOptions) {
    this.#options = options;
    const { informers, events } = options;
    this.#cluster = this.#stack.use(followCluster(informers, (order) => this.#say(order)));
    this.#custom = this.#stack.use(followCustomConfig(informers, events, () => this.#configure()));
  }

  /** The ports that are answered on, one for each address. */
  get ports(): readonly number[] {
    return this.#ports;
  }

  get status(): DnsStatus {
    const loops =
      this.#loops.length === 0
        ? undefined
        : `${this.#loops.join(', ')} in ${this.#machine.file} leads back to this server and is not asked; name the real server there`;
    const wrong = this.#failure ?? loops ?? null;
    return { isWell: wrong === null, note: wrong ?? this.#machine.problem ?? null };
  }

  /** Resolves when questions are answered. Throws WherryError DNS_LISTEN when an address can't be had. */
  async start(): Promise<void> {
    const { clock, addresses, resolvConf, metricsPort, log } = this.#options;
    await this.#cluster.synced;
    await Promise.race([
      Promise.all([this.#custom.synced, this.#cluster.namespacesSynced]),
      clock.sleep(configurationWaitMs),
    ]);
    this.#stack.use(
      await watchNameServers({ file: resolvConf, own: addresses, clock }, (machine) => {
        this.#machine = machine;
        if (machine.problem !== undefined) log.warn('no name servers for names outside', { problem: machine.problem });
        this.#configure();
        this.#tellStatus();
      }),
    );
    await this.#spawn();
    for (const address of addresses) {
      this.#stack.use(await serveMetrics({ address, port: metricsPort, text: () => this.metrics(), log }));
    }
  }

  /** The text form of Prometheus. Throws WherryError when the thread does not answer. */
  metrics(): Promise<string> {
    this.#calls += 1;
    const id = this.#calls;
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.after(metricsWaitMs, () => {
        this.#metricsCalls.delete(id);
        reject(new WherryError('DNS_THREAD', 'the thread of the cluster DNS does not answer'));
      });
      this.#metricsCalls.set(id, (text) => {
        this.#metricsCalls.delete(id);
        timer[Symbol.dispose]();
        resolve(text);
      });
      this.#say({ kind: 'metrics', id });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#stack.disposeAsync();
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise<void>((done) => worker.once('exit', () => done()));
    this.#say({ kind: 'stop' });
    await ended;
  }

  /** Starts the thread, tells it everything, and waits until it listens. */
  #spawn(): Promise<void> {
    const { addresses, port, zone } = this.#options;
    const workerData: StartData = { addresses, port, zone };
    // Flags of the process (--eval, --test) are not for its threads.
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData, name: 'dns', execArgv: [] });
    this.#worker = worker;
    this.#loops = [];
    return new Promise((resolve, reject) => {
      worker.on('message', (report: Report) => {
        if (report.kind === 'listening') {
          this.#ports = report.ports;
          this.#setFailure(null);
          resolve();
        } else if (report.kind === 'refused') {
          const { code, message, hint } = report;
          this.#setFailure(message);
          reject(new WherryError(code, message, hint === undefined ? {} : { hint }));
        } else this.#hear(report);
      });
      worker.on('error', (error) => {
        this.#options.log.error('the thread of the cluster DNS failed', { error });
      });
      worker.on('exit', () => {
        if (this.#worker === worker) this.#worker = undefined;
        reject(new WherryError('DNS_THREAD', 'the thread of the cluster DNS has ended'));
        this.#restart();
      });
      this.#cluster.tellAll();
      this.#configure();
      this.#say({ kind: 'listen' });
    });
  }

  #restart(): void {
    if (this.#isClosed) return;
    this.#setFailure('the thread of the cluster DNS has ended and is started again');
    this.#options.clock.after(restartDelayMs, () => {
      if (this.#isClosed) return;
      this.#spawn().catch((error: unknown) => {
        this.#options.log.error('the cluster DNS did not start again', { error });
        // One that lives but may not listen has to go as well, which leads here again.
        void this.#worker?.terminate();
      });
    });
  }

  #hear(report: Report): void {
    switch (report.kind) {
      case 'log':
        this.#options.log[report.level](report.message, report.fields);
        return;
      case 'metrics':
        this.#metricsCalls.get(report.id)?.(report.text);
        return;
      case 'loops':
        this.#loops = report.servers;
        this.#tellStatus();
    }
  }

  #say(order: Order): void {
    this.#worker?.postMessage(order);
  }

  #configure(): void {
    const { parts, nodeHosts } = this.#custom?.current ?? noCustomConfig;
    this.#say({ kind: 'configure', configuration: configurationOf(parts, nodeHosts, this.#machine.servers) });
  }

  #setFailure(failure: string | null): void {
    this.#failure = failure;
    this.#tellStatus();
  }

  #tellStatus(): void {
    this.#options.onStatus(this.status);
  }
}
