import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { applyRules, deleteTable } from '../../engines/nftables/nft.ts';
import { compileAll, compileChange, type ServiceRules } from '../../engines/nftables/service-rules.ts';
import { endpointslices, pods, services } from '../../kube/resources.gen.ts';
import type { Informers } from '../../runtime/controller.ts';
import { slicesByService } from '../slice-index.ts';
import { planServices } from './plan.ts';

/** Changes that come within this time are written together. */
const gatherMs = 5;
const retryMs = 1_000;
/** The table is written whole this often, in case somebody else changed it. */
const repairMs = 60_000;

export interface ServiceProxyOptions {
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  /** Addresses of pods in the whole cluster and of this node, one range a family. */
  readonly clusterCidrs: readonly string[];
  readonly podCidrs: readonly string[];
  readonly ownAddresses: ReadonlySet<string>;
  /** Name of the nftables table, which nobody else may use. */
  readonly table: string;
  /** Told when the kernel refuses the rules (with what it said), and when it takes them again. */
  readonly onStatus?: (problem: string | null) => void;
}

/**
 * Keeps the kernel's Service rules what the API says. The first write replaces the table whole, later ones write what
 * changed; a refused write leaves the former rules in force and is tried again, whole.
 */
export class ServiceProxy implements AsyncDisposable {
  readonly #options: ServiceProxyOptions;
  readonly #subscriptions = new DisposableStack();
  readonly #abort = new AbortController();
  #inForce: ServiceRules | null = null;
  #wake: () => void = () => {};
  #dirty = true;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ServiceProxyOptions) {
    this.#options = options;
  }

  /** Resolves once the rules of all Services known now are in the kernel, or rejects with what the kernel said. */
  async start(): Promise<void> {
    const { informers } = this.#options;
    const sources = [informers.of(services), this.#slices(), this.#pods()];
    await Promise.all(sources.map((s) => s.synced));
    for (const source of sources) this.#subscriptions.use(source.subscribe(() => this.#changed()));
    await this.#write();
    this.#loop = this.#run(this.#abort.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#subscriptions.dispose();
    this.#wake();
    await this.#loop;
  }

  #slices() {
    return this.#options.informers.of(endpointslices, { indexes: slicesByService });
  }

  #pods() {
    return this.#options.informers.of(pods, { fieldSelector: `spec.nodeName=${this.#options.nodeName}` });
  }

  #changed(): void {
    this.#dirty = true;
    this.#wake();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log, onStatus } = this.#options;
    let broken = false;
    while (!signal.aborted) {
      if (!this.#dirty) await this.#untilChange(broken ? retryMs : repairMs);
      if (signal.aborted) return;
      await clock.sleep(gatherMs);
      this.#dirty = false;
      try {
        await this.#write();
        if (broken) onStatus?.(null);
        broken = false;
      } catch (error) {
        // Whatever stands in the kernel now is not what we think; the next attempt replaces it whole.
        this.#inForce = null;
        if (!broken) log.error('the kernel refused the rules of Services', { error });
        onStatus?.(describeError(error));
        broken = true;
      }
    }
  }

  async #untilChange(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(ms, () => {
        this.#inForce = null;
        resolve();
      });
      this.#wake = () => {
        timer[Symbol.dispose]();
        resolve();
      };
    });
  }

  async #write(): Promise<void> {
    const { informers, nodeName, clusterCidrs, podCidrs, ownAddresses, table } = this.#options;
    const slices = this.#slices();
    const rules = planServices({
      services: informers.of(services).list(),
      slicesOf: (namespace, name) => slices.byIndex('network-service', `${namespace}/${name}`),
      pods: this.#pods().list(),
      nodeName,
      clusterCidr: ipv4Of(clusterCidrs),
      podCidr: ipv4Of(podCidrs),
      ownAddresses,
    });
    const script = this.#inForce === null ? compileAll(table, rules) : compileChange(table, this.#inForce, rules);
    if (script !== '') await applyRules(script);
    this.#inForce = rules;
  }
}

function ipv4Of(ranges: readonly string[]): string {
  return ranges.find((range) => !range.includes(':')) ?? '0.0.0.0/32';
}

/** Takes the rules out of the kernel. */
export async function removeServiceRules(table: string): Promise<void> {
  await deleteTable('ip', table);
}
