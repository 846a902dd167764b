import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import { type Labels, lowerCase, parseName } from '../../wire/dns/name.ts';
import type { BlockConfiguration, DnsConfiguration } from './configuration.ts';
import { Forwarder } from './forwarder.ts';
import { QuestionHandler, type Routing, type ServerBlock } from './handler.ts';
import { HostsTable } from './hosts.ts';
import { DnsListener } from './listener.ts';
import { LoopProbe } from './loop-probe.ts';
import { CacheMetrics, ForwardMetrics, renderMetrics } from './metrics.ts';
import { UpstreamGroup } from './upstreams.ts';
import { parseAddress, ZoneData } from './zone-data.ts';

export interface NameServerOptions {
  readonly addresses: readonly string[];
  readonly port: number;
  /** E.g. `cluster.local`. */
  readonly zone: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Name servers that lead back here, whenever they have become others. */
  readonly onLoops: (servers: readonly string[]) => void;
}

/** The cluster's name server on this node: its own names from `data`, others from other servers. */
export class NameServer implements AsyncDisposable {
  readonly data: ZoneData;
  readonly #options: NameServerOptions;
  readonly #handler: QuestionHandler;
  readonly #forwarder: Forwarder;
  readonly #listeners: readonly DnsListener[];
  readonly #forwardMetrics = new ForwardMetrics();
  readonly #cacheMetrics = new CacheMetrics();
  readonly #probe: LoopProbe;
  #groups: readonly UpstreamGroup[] = [];
  #hostsEntries = 0;
  #isListening = false;

  constructor(options: NameServerOptions) {
    const { addresses, port, clock, log } = options;
    this.#options = options;
    this.data = new ZoneData(labelsOf(options.zone));
    this.#forwarder = new Forwarder({ clock, forward: this.#forwardMetrics, cache: this.#cacheMetrics });
    const own = addresses.map(parseAddress).filter((address) => address !== null);
    const nowhere: ServerBlock = {
      zone: [],
      hosts: new HostsTable([], 0),
      isHostsFinal: false,
      forwards: [],
      isLogged: false,
    };
    this.#handler = new QuestionHandler({
      data: this.data,
      forwarder: this.#forwarder,
      own,
      routing: { blocks: [], main: nowhere },
      log,
    });
    this.#listeners = addresses.map((address) => new DnsListener({ address, port, handler: this.#handler, log }));
    this.#probe = new LoopProbe(this.#handler, clock, (upstream) => {
      const loops = this.#groups.flatMap(({ upstreams }) => upstreams).filter(({ isLoop }) => isLoop);
      if (upstream.isLoop) {
        log.error('a name server passes our questions back to us and is not asked any more', { server: upstream.name });
      } else log.info('a name server does not lead back here any more', { server: upstream.name });
      options.onLoops(loops.map(({ name }) => name));
    });
  }

  /** The ports that are answered on, one for each address. */
  get ports(): readonly number[] {
    return this.#listeners.map(({ port }) => port);
  }

  /** Opens all addresses. Throws WherryError DNS_LISTEN when one can't be had. */
  async listen(): Promise<void> {
    for (const listener of this.#listeners) await listener.listen();
    this.#isListening = true;
    void this.#probe.watch(this.#groups.flatMap(({ upstreams }) => upstreams));
  }

  /** Counts from now on; what was learned from other servers is forgotten. */
  configure({ main, blocks }: DnsConfiguration): void {
    const old = this.#groups;
    const groups: UpstreamGroup[] = [];
    const built = blocks.map((block) => this.#block(block, groups)).sort((a, b) => b.zone.length - a.zone.length);
    const routing: Routing = { main: this.#block(main, groups), blocks: built };
    this.#groups = groups;
    this.#handler.routing = routing;
    this.#forwarder.forget();
    this.#hostsEntries = [routing.main, ...built].reduce((sum, { hosts }) => sum + hosts.size, 0);
    for (const group of old) group[Symbol.dispose]();
    if (this.#isListening) void this.#probe.watch(groups.flatMap(({ upstreams }) => upstreams));
  }

  /** The text form of Prometheus. */
  metrics(): string {
    return renderMetrics({
      servers: this.#listeners.map(({ metrics }) => metrics),
      forward: this.#forwardMetrics,
      cache: this.#cacheMetrics,
      hostsEntries: this.#hostsEntries,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#probe[Symbol.dispose]();
    for (const group of this.#groups) group[Symbol.dispose]();
    await Promise.all(this.#listeners.map((listener) => listener[Symbol.asyncDispose]()));
  }

  #block(block: BlockConfiguration, groups: UpstreamGroup[]): ServerBlock {
    const forwards = block.forwards.map(({ from, servers, policy, overTcp }) => {
      const { clock } = this.#options;
      const group = new UpstreamGroup(servers, { policy, overTcp, clock, metrics: this.#forwardMetrics });
      groups.push(group);
      return { zone: labelsOf(from), route: { group, cacheSecondsMax: block.cacheSeconds } };
    });
    return {
      zone: labelsOf(block.zone),
      hosts: new HostsTable(block.hosts, block.hostsTtl, block.hostsReverse),
      isHostsFinal: block.isHostsFinal,
      forwards,
      isLogged: block.isLogged,
    };
  }
}

function labelsOf(zone: string): Labels {
  return (parseName(zone) ?? []).map(lowerCase);
}
