import type { Informer } from '../client/informer.ts';
import type { Clock } from '../core/clock.ts';
import { describeError, WherryError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { Haproxy } from '../engines/haproxy/haproxy.ts';
import { keyOf as serverAddress } from '../engines/haproxy/slots.ts';
import { endpointslices, ingressclasses, ingresses, secrets, services } from '../kube/resources.gen.ts';
import type { EndpointSlice, Ingress, IngressClass, Secret, Service } from '../kube/types.gen.ts';
import type { Informers } from '../runtime/controller.ts';
import { copyNameOf, defaultCertificateName, ingressNamespace } from './certificate-copies.ts';
import { readTlsSecret } from './certificates.ts';
import { planIngress } from './plan.ts';

/** Changes that come within this time are brought in together. */
const gatherMs = 20;
/** Between two reloads: each leaves a process that waits for its last connections. */
const reloadPauseMs = 1_000;
const retryMs = 5_000;
const dnsPort = 53;

export interface NodeIngressOptions {
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
  /** For HAProxy's configuration, and for its sockets: a short name. */
  readonly folder: string;
  readonly runFolder: string;
  readonly ports: { readonly http: number; readonly https: number };
  /** Where backends that are names are looked up; the machine's own name servers when empty. */
  readonly nameServers: readonly string[];
  /** Told of how many Ingresses are served, or of what stands in the way. */
  readonly onStatus: (status: { readonly isWell: boolean; readonly message: string }) => void;
}

/** Keeps this node's HAProxy at what the cluster's Ingresses say. What can't be brought into force leaves the last state in force. */
export class NodeIngress implements AsyncDisposable {
  readonly #options: NodeIngressOptions;
  readonly #haproxy: Haproxy;
  readonly #stack = new AsyncDisposableStack();
  readonly #abort = new AbortController();
  #isDirty = true;
  #wake: () => void = () => {};
  #loop: Promise<void> = Promise.resolve();
  /** The caches are in: before that, the loop may wait for a server that never answers. */
  #isServing = false;
  #hasStopped = false;

  constructor(options: NodeIngressOptions) {
    this.#options = options;
    const { folder, runFolder, clock, log } = options;
    this.#haproxy = new Haproxy({ folder, runFolder, clock, log });
  }

  /** Begins in the background: nothing of the node waits for it. How it goes, `onStatus` tells. */
  start(): void {
    this.#loop = this.#serve().catch((error: unknown) => {
      if (this.#abort.signal.aborted) return;
      this.#options.log.error('ingress has ended', { error: describeError(error) });
      this.#options.onStatus({ isWell: false, message: describeError(error) });
    });
  }

  async #serve(): Promise<void> {
    const sources: readonly { readonly synced: Promise<void> }[] = [
      ...[this.#ingresses(), this.#classes(), this.#services(), this.#slices(), this.#copies()],
    ];
    await Promise.all(sources.map(({ synced }) => synced));
    if (this.#abort.signal.aborted) return;
    this.#isServing = true;
    const changed = () => {
      this.#isDirty = true;
      this.#wake();
    };
    this.#stack.use(this.#ingresses().subscribe(changed));
    this.#stack.use(this.#classes().subscribe(changed));
    this.#stack.use(this.#services().subscribe(changed));
    this.#stack.use(this.#slices().subscribe(changed));
    this.#stack.use(this.#copies().subscribe(changed));
    await this.#run(await this.#attempt());
  }

  /** Ends HAProxy too, with its connections. */
  async stopServing(): Promise<void> {
    await this[Symbol.asyncDispose]();
    await this.#haproxy.stop();
  }

  /** Leaves HAProxy running as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasStopped) return;
    this.#hasStopped = true;
    this.#abort.abort();
    this.#wake();
    if (this.#isServing) await this.#loop;
    await this.#stack.disposeAsync();
    await this.#haproxy.release();
  }

  #ingresses(): Informer<Ingress> {
    return this.#options.informers.of(ingresses);
  }

  #classes(): Informer<IngressClass> {
    return this.#options.informers.of(ingressclasses);
  }

  #services(): Informer<Service> {
    return this.#options.informers.of(services);
  }

  #slices(): Informer<EndpointSlice> {
    return this.#options.informers.of(endpointslices, { indexes: slicesOfService });
  }

  #copies(): Informer<Secret> {
    return this.#options.informers.of(secrets, { namespace: ingressNamespace });
  }

  async #run(first: Outcome): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#abort;
    let last = first;
    while (!signal.aborted) {
      if (last === 'failed') await this.#pause(retryMs);
      else if (last === 'reloaded') await this.#pause(reloadPauseMs);
      else await this.#pause(gatherMs);
      if (!this.#isDirty && last !== 'failed' && !signal.aborted)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      this.#wake = () => {};
      if (signal.aborted) return;
      await clock.sleep(gatherMs);
      last = await this.#attempt();
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#abort;
    await this.#options.clock.sleep(ms, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  async #attempt(): Promise<Outcome> {
    const { log, onStatus } = this.#options;
    this.#isDirty = false;
    try {
      const { config, count } = this.#plan();
      const applied = await this.#haproxy.apply(config);
      if (applied !== 'unchanged') log.debug('ingress is brought up to date', { applied });
      onStatus({ isWell: true, message: count });
      return applied;
    } catch (error) {
      const hint = error instanceof WherryError && error.hint !== undefined ? ` (${error.hint})` : '';
      log.error('ingress could not be brought up to date', { error: describeError(error) });
      onStatus({ isWell: false, message: describeError(error) + hint });
      return 'failed';
    }
  }

  #plan() {
    const { ports, nameServers, clock } = this.#options;
    const services = this.#services();
    const slices = this.#slices();
    const copy = (name: string) => {
      const secret = this.#copies().get(`${ingressNamespace}/${name}`);
      return secret === undefined ? undefined : readTlsSecret(secret);
    };
    const standard = copy(defaultCertificateName);
    if (standard === undefined || !standard.ok)
      throw new WherryError(
        'NO_DEFAULT_CERTIFICATE',
        `the default certificate, Secret ${ingressNamespace}/${defaultCertificateName}, ${standard === undefined ? 'is not there yet' : `can't be used: ${standard.why}`}`,
        { hint: 'delete the Secret to have a new one made when the server starts again' },
      );
    const { config, problems } = planIngress({
      ingresses: this.#ingresses().list(),
      classes: this.#classes().list(),
      service: (key) => services.get(key),
      slices: (key) => slices.byIndex('ingress-service', key),
      certificate: (key) => copy(copyNameOf(key)),
      nowMs: clock.now(),
      ports,
    });
    const addresses = nameServers.map((address) => serverAddress({ address, port: dnsPort }));
    return {
      config: { ...config, defaultCertificate: standard.pem, nameServers: addresses },
      count: `${problems.size} Ingresses on ports ${ports.http} and ${ports.https}`,
    };
  }
}

type Outcome = 'unchanged' | 'updated' | 'reloaded' | 'failed';

const slicesOfService = {
  'ingress-service': ({ metadata }: EndpointSlice) => [
    `${metadata.namespace}/${metadata.labels?.['kubernetes.io/service-name']}`,
  ],
};
