import type { Informer } from '../../client/informer.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { setSysctl } from '../../engines/cni/network.ts';
import { forgetUdpFlows, listUdpFlows } from '../../engines/conntrack/conntrack.ts';
import { deleteTable } from '../../engines/nftables/nft.ts';
import type { Contest } from '../../engines/nftables/rule-table.ts';
import { RulesetMonitor } from '../../engines/nftables/ruleset-monitor.ts';
import type { ServiceSettings } from '../../engines/nftables/service-rules.ts';
import type { KubeObject } from '../../kube/object.ts';
import { endpointslices, nodes, pods, services } from '../../kube/resources.gen.ts';
import type { EndpointSlice, Node, Pod, Service } from '../../kube/types.gen.ts';
import type { EventRecorder, Informers } from '../../runtime/controller.ts';
import { slicesByService } from '../slice-index.ts';
import { HealthServers } from './health-server.ts';
import { type IpFamily, type NodeView, planHostPorts, planService, rankOf } from './plan.ts';
import { noPorts, ServiceTables } from './service-tables.ts';

/** Changes that come within this time are written together. */
const gatherMs = 5;
const retryMs = 1_000;
/** The tables are written whole this often, in case something changed them unseen. */
const repairMs = 600_000;
/** Between two whole writes because another program changed the tables: who fights over them must not take the machine. */
const foreignPauseMs = 500;
/** Groups of flows forgotten after one look at the kernel's; what is left is found by the next look. */
const staleFlowsMax = 200;
const zoneLabel = 'topology.kubernetes.io/zone';
/** The cluster autoscaler's taint on nodes that it takes away (KEP-3836). */
const leavingTaint = 'ToBeDeletedByClusterAutoscaler';

export interface ServiceProxyOptions {
  readonly informers: Informers;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  /** Addresses of pods in the whole cluster and of Services, one range a family. */
  readonly clusterCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  readonly nodeIps: readonly string[];
  /** Ranges of the node's addresses on which node ports answer; all of them when empty. */
  readonly nodePortAddresses: readonly string[];
  readonly ownAddresses: ReadonlySet<string>;
  /** Name of the nftables tables, one a family, which nobody else may use. */
  readonly table: string;
  /** Where the proxy's own health is told (kube-proxy: 10256), on every address. */
  readonly healthPort: number;
  /** Told when the kernel refuses the rules (with what it said), and when it takes them again. */
  readonly onStatus?: (problem: string | null) => void;
}

/**
 * Keeps the kernel's Service rules what the API says. The first write replaces the tables whole, later ones write what
 * changed; a refused write leaves the former rules in force and is tried again, whole.
 */
export class ServiceProxy implements AsyncDisposable {
  readonly #options: ServiceProxyOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #abort = new AbortController();
  readonly #tables: ServiceTables;
  readonly #families: readonly IpFamily[];
  /** Keys of Services and pods to plan anew. */
  readonly #dirtyServices = new Set<string>();
  readonly #dirtyPods = new Set<string>();
  #health: HealthServers | undefined;
  #isWhole = true;
  #isBroken = false;
  #lastWritten = 0;
  #wake: () => void = () => {};
  #loop: Promise<void> = Promise.resolve();
  #cleaning: Promise<void> | undefined;

  constructor(options: ServiceProxyOptions) {
    this.#options = options;
    const settings = settingsOf(options);
    this.#families = [...settings.keys()];
    this.#tables = new ServiceTables(options.table, settings);
  }

  /** Resolves once the rules of all Services known now are in the kernel, or rejects with what the kernel said. */
  async start(): Promise<void> {
    const { clock, log, events } = this.#options;
    const sources = [this.#services(), this.#slices(), this.#pods(), this.#node()];
    await Promise.all(sources.map((s) => s.synced));
    this.#subscribe();
    this.#health = this.#stack.use(
      new HealthServers({
        clock,
        log,
        proxyPort: this.#options.healthPort,
        proxy: () => ({ isHealthy: !this.#isBroken, lastUpdated: this.#isBroken ? this.#lastWritten : clock.now() }),
        isNodeEligible: () => isEligible(this.#node().list()[0]),
        onProblem: (service, problem) => {
          const about: KubeObject | undefined = service === '' ? this.#node().list()[0] : this.#services().get(service);
          log.warn('a port for health checks can not be listened on', { service, problem });
          const text = `the port for health checks can't be listened on: ${problem}; end the program that holds it`;
          if (about !== undefined) events.event(about, 'Warning', 'FailedToStartHealthCheck', text);
        },
      }),
    );
    // Node ports answer on 127.0.0.1 too; packets from elsewhere that claim to be for it are dropped by a rule.
    if (this.#families.includes('IPv4')) {
      await setSysctl('net/ipv4/conf/all/route_localnet', '1').catch((error: unknown) =>
        log.warn('node ports do not answer on 127.0.0.1', { error }),
      );
    }
    await this.#write();
    this.#stack.use(this.#watchRuleset());
    this.#loop = this.#run(this.#abort.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#wake();
    await this.#loop;
    await this.#cleaning;
    await this.#stack.disposeAsync();
  }

  #services(): Informer<Service> {
    return this.#options.informers.of(services);
  }

  #slices(): Informer<EndpointSlice> {
    return this.#options.informers.of(endpointslices, { indexes: slicesByService });
  }

  #pods(): Informer<Pod> {
    return this.#options.informers.of(pods, { fieldSelector: `spec.nodeName=${this.#options.nodeName}` });
  }

  #node(): Informer<Node> {
    return this.#options.informers.of(nodes, { fieldSelector: `metadata.name=${this.#options.nodeName}` });
  }

  #subscribe(): void {
    const changed = (add: () => void) => {
      add();
      this.#wake();
    };
    this.#stack.use(this.#services().subscribe(({ key }) => changed(() => this.#dirtyServices.add(key))));
    this.#stack.use(
      this.#slices().subscribe(({ old, current }) =>
        changed(() => {
          for (const slice of [old, current]) for (const key of serviceKeys(slice)) this.#dirtyServices.add(key);
        }),
      ),
    );
    this.#stack.use(
      this.#pods().subscribe(({ key, old, current }) => {
        if (hostPortFacts(old) !== hostPortFacts(current)) changed(() => this.#dirtyPods.add(key));
      }),
    );
    this.#stack.use(
      this.#node().subscribe(({ old, current }) => {
        if (zoneOf(old) === zoneOf(current)) return;
        changed(() => {
          for (const service of this.#services().list()) this.#dirtyServices.add(keyOf(service));
        });
      }),
    );
  }

  #watchRuleset(): RulesetMonitor {
    const { clock, log } = this.#options;
    const whole = () => {
      this.#isWhole = true;
      this.#wake();
    };
    let lastMs = Number.NEGATIVE_INFINITY;
    let waiting: Disposable | undefined;
    this.#stack.defer(() => waiting?.[Symbol.dispose]());
    return new RulesetMonitor({
      clock,
      log,
      onLost: whole,
      onTransaction: (transaction) => {
        if (!this.#tables.isForeign(transaction)) return;
        waiting?.[Symbol.dispose]();
        waiting = clock.after(Math.max(0, lastMs + foreignPauseMs - clock.monotonic()), () => {
          lastMs = clock.monotonic();
          log.warn('another program changed the rules of Services; they are written anew', {
            table: this.#options.table,
          });
          whole();
        });
      },
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log, onStatus } = this.#options;
    while (!signal.aborted) {
      const isIdle = this.#dirtyServices.size === 0 && this.#dirtyPods.size === 0 && !this.#isWhole;
      if (isIdle || this.#isBroken) await this.#untilChange(this.#isBroken ? retryMs : repairMs, this.#isBroken);
      if (signal.aborted) return;
      await clock.sleep(gatherMs);
      try {
        await this.#write();
        if (this.#isBroken) onStatus?.(null);
        this.#isBroken = false;
      } catch (error) {
        // Whatever stands in the kernel now is not what we think; the next attempt replaces it whole.
        this.#isWhole = true;
        if (!this.#isBroken) log.error('the kernel refused the rules of Services', { error });
        onStatus?.(describeError(error));
        this.#isBroken = true;
      }
    }
  }

  /** With `fully` a change does not shorten the wait: the kernel refused, and is not asked in a loop. */
  async #untilChange(ms: number, fully: boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(ms, () => {
        this.#isWhole = true;
        resolve();
      });
      this.#wake = () => {
        if (fully && !this.#abort.signal.aborted) return;
        timer[Symbol.dispose]();
        resolve();
      };
    });
    this.#wake = () => {};
  }

  async #write(): Promise<void> {
    const { events, nodeIps, ownAddresses, nodeName } = this.#options;
    const zone = zoneOf(this.#node().list()[0]);
    const view: NodeView = {
      place: { name: nodeName, zone },
      families: this.#families,
      addresses: nodeIps,
      ownAddresses,
    };
    const contests: (readonly [KubeObject, Contest])[] = [];
    for (const key of take(this.#dirtyServices)) {
      const service = this.#services().get(key);
      if (service === undefined) {
        this.#tables.setService(key, '', noPorts);
        this.#health?.set(key, undefined);
        continue;
      }
      const plan = planService(service, this.#slices().byIndex('network-service', key), view);
      for (const contest of this.#tables.setService(key, rankOf(service), plan)) contests.push([service, contest]);
      this.#health?.set(key, plan.healthCheck);
    }
    for (const key of take(this.#dirtyPods)) {
      const pod = this.#pods().get(key);
      const rank = `${pod?.metadata.creationTimestamp} ${key}`;
      const lost = this.#tables.setHostPorts(key, rank, (family) => (pod ? planHostPorts(pod, family) : []));
      if (pod !== undefined) for (const contest of lost) contests.push([pod, contest]);
    }
    const whole = this.#isWhole;
    this.#isWhole = false;
    await this.#tables.write(whole);
    this.#lastWritten = this.#options.clock.now();
    for (const [about, contest] of contests) {
      const text = describeContest(contest);
      if (text !== undefined) events.event(about, 'Warning', 'AddressTaken', text);
    }
    this.#clean();
  }

  /** Begins to forget flows to endpoints that are gone; rules don't wait for that. */
  #clean(): void {
    if (this.#cleaning !== undefined || ![...this.#tables.fronts()].some(([, fronts]) => fronts.isChanged)) return;
    this.#cleaning = this.#forgetStale()
      .catch((error: unknown) => this.#options.log.warn('UDP flows to former endpoints could not be ended', { error }))
      .finally(() => {
        this.#cleaning = undefined;
        if (!this.#abort.signal.aborted) this.#clean();
      });
  }

  async #forgetStale(): Promise<void> {
    const nodeAddresses = new Set([...this.#options.nodeIps, '127.0.0.1']);
    for (const [family, fronts] of this.#tables.fronts()) {
      if (!fronts.isChanged) continue;
      const look = fronts.take();
      for (let more = true; more && !this.#abort.signal.aborted; ) {
        const stale = look.stale(await listUdpFlows(family), nodeAddresses);
        for (const flow of stale.slice(0, staleFlowsMax)) await forgetUdpFlows(family, flow);
        more = stale.length > staleFlowsMax;
      }
    }
  }
}

function settingsOf(options: ServiceProxyOptions): ReadonlyMap<IpFamily, ServiceSettings> {
  const { clusterCidrs, serviceCidrs, nodePortAddresses } = options;
  return new Map(
    clusterCidrs.map((clusterCidr) => {
      const isIpv6 = clusterCidr.includes(':');
      const same = (range: string) => range.includes(':') === isIpv6;
      return [
        isIpv6 ? 'IPv6' : 'IPv4',
        {
          family: isIpv6 ? 'ip6' : 'ip',
          clusterCidr,
          serviceCidrs: serviceCidrs.filter(same),
          nodePortAddresses: nodePortAddresses.filter(same),
        },
      ] as const;
    }),
  );
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function serviceKeys(slice: EndpointSlice | undefined): readonly string[] {
  return slice === undefined ? [] : slicesByService['network-service'](slice);
}

function zoneOf(node: Node | undefined): string | undefined {
  return node?.metadata.labels?.[zoneLabel] || undefined;
}

function isEligible(node: Node | undefined): boolean {
  if (node === undefined || node.metadata.deletionTimestamp !== undefined) return false;
  return !(node.spec?.taints ?? []).some(({ key }) => key === leavingTaint);
}

/** What of a pod its host ports depend on. */
function hostPortFacts(pod: Pod | undefined): string {
  if (pod === undefined) return '';
  const families: readonly IpFamily[] = ['IPv4', 'IPv6'];
  const ports = families.flatMap((family) => planHostPorts(pod, family));
  return ports.length === 0 ? '' : JSON.stringify(ports);
}

function* take(keys: Set<string>): Generator<string> {
  const all = [...keys];
  keys.clear();
  yield* all;
}

/** Only fronts are told of; what lies behind them follows. */
function describeContest({ set, key, winner }: Contest): string | undefined {
  const what = {
    services: 'address, protocol and port',
    'node-ports': 'protocol and node port',
    'host-ports': 'protocol and host port',
    'host-address-ports': 'address, protocol and host port',
  }[set];
  if (what === undefined) return undefined;
  const owner = winner.startsWith('pod ') ? winner : `Service ${winner.slice(0, winner.lastIndexOf(':'))}`;
  return `${what} ${key.replaceAll(' . ', ' ')} are those of the older ${owner}, which keeps them on this node; choose others`;
}

/** Takes the rules out of the kernel. */
export async function removeServiceRules(table: string): Promise<void> {
  await deleteTable('ip', table);
  await deleteTable('ip6', table);
}
