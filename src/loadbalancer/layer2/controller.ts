import { describeError, errorCode } from '../../core/errors.ts';
import { type EthernetInterface, observeEthernet } from '../../engines/iproute2/ethernet-links.ts';
import { watchLinks } from '../../engines/iproute2/monitor.ts';
import { endpointslices, nodes, secrets, services } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import {
  type Controller,
  type ControllerContext,
  done,
  type Enqueue,
  type Outcome,
  type Watch,
  watchOf,
} from '../../runtime/controller.ts';
import { configurationWatches, readConfiguration } from '../configuration-view.ts';
import { metallbNamespace, serviceL2Statuses } from '../metallb/kinds.ts';
import { serviceKeyOf } from '../ready-endpoints.ts';
import { Answering } from './answering.ts';
import { isOutside, type PlannedAddress, peersOf, planLayer2 } from './plan.ts';
import { Relays } from './relays.ts';
import { showStatuses } from './statuses.ts';
import type { SpeakerState } from './thread-orders.ts';

/** MetalLB's own port for the same. */
export const speakerPort = 7946;
/** The Secret with the key that the nodes share, as MetalLB calls it. */
export const keySecret = { namespace: metallbNamespace, name: 'memberlist' } as const;
export const keyField = 'secretkey';
/** A shorter key is none. */
const keyBytesMin = 16;
/** Between two attempts to start, when the key is not there or the port is taken. */
const retryMs = 1_000;
/** Changes of interfaces that come within this time are looked at together. */
const gatherLinksMs = 100;
/** Interfaces are looked at this often even if the kernel tells of no change. */
const linksMs = 60_000;
const everything = 'all';
const nothing: SpeakerState = { held: [], heldByOthers: new Map(), alive: [], left: [] };

export interface Layer2Options {
  readonly nodeName: string;
  /** Of this node, on the network of the nodes; the first of them is used. */
  readonly nodeIps: readonly string[];
  /** Name of the nftables tables, one a family, which nobody else may use. */
  readonly table: string;
  /** How it stands: null when no address is announced on this cluster's links, else in words, and whether all is well. */
  readonly onStatus: (status: { readonly ok: boolean; readonly text: string } | null) => void;
}

/**
 * Answers ARP and NDP for addresses of Services, as one of the nodes that share them. This side follows the cluster and tells
 * the thread that answers (answering.ts) what there is to answer for; while the API is away, that one goes on.
 */
export class Layer2Announcer implements Controller, AsyncDisposable {
  readonly name = 'layer2-speaker';
  readonly eventSource = 'metallb-speaker';
  readonly watches: readonly Watch[];
  readonly #options: Layer2Options;
  readonly #relays: Relays;
  #enqueue: Enqueue = () => {};
  #answering: Answering | undefined;
  #linkWatch: Disposable | undefined;
  /** The interfaces to the outside, and when they were looked at, monotonic milliseconds. */
  #links: readonly EthernetInterface[] = [];
  #linksSeenMs = Number.NEGATIVE_INFINITY;
  #ordered = '';
  #planned: readonly PlannedAddress[] = [];
  #state: SpeakerState = nothing;
  /** Services of which it was told that they are announced from here. */
  readonly #told = new Set<string>();
  #isClosed = false;

  constructor(options: Layer2Options) {
    this.#options = options;
    this.#relays = new Relays(options.table);
    this.watches = [
      ...configurationWatches(() => [everything]),
      watchOf(services, (service) => (service.spec?.type === 'LoadBalancer' ? [everything] : [])),
      watchOf(endpointslices, (slice, informers) => {
        const key = serviceKeyOf(slice);
        const service = key === undefined ? undefined : informers.of(services).get(key);
        return service?.spec?.type === 'LoadBalancer' ? [everything] : [];
      }),
      watchOf(nodes, () => [everything]),
      watchOf(serviceL2Statuses, () => [everything]),
    ];
  }

  async start(_context: ControllerContext, enqueue: Enqueue): Promise<void> {
    this.#enqueue = enqueue;
    enqueue(everything);
  }

  async reconcile(_key: string, context: ControllerContext): Promise<Outcome> {
    const { informers } = context;
    const { nodeName, nodeIps } = this.#options;
    const configuration = readConfiguration(informers);
    const all = informers.of(nodes).list();
    this.#planned = planLayer2({
      ...{ configuration, nodeName, nodes: all },
      services: informers.of(services).list(),
      slices: informers.of(endpointslices).list(),
    });
    if (configuration.layer2.length === 0 || this.#isClosed) {
      await this.#end();
      if (!this.#isClosed) this.#options.onStatus(null);
    } else {
      const problem = await this.#begin(context);
      if (problem !== undefined) {
        this.#options.onStatus({ ok: false, text: problem });
        return { requeueAfterMs: retryMs };
      }
      const peers = peersOf(all, nodeName, nodeIps[0]?.includes(':') ? 'IPv6' : 'IPv4');
      const links = await this.#lookAtLinks(context.clock.monotonic());
      const order = { peers, links, wanted: this.#planned.map(({ services: _, ...wanted }) => wanted) };
      const text = JSON.stringify([...peers, links, order.wanted]);
      if (text !== this.#ordered) this.#answering?.configure(order);
      this.#ordered = text;
      const silent = [...peers.keys()].filter((name) => !this.#state.alive.includes(name));
      this.#options.onStatus({ ok: true, text: this.#describe(silent) });
    }
    const againMs = await this.#relays.follow(this.#state, all, context);
    await this.#show(context);
    if (this.#answering === undefined) return done;
    return { requeueAfterMs: Math.min(againMs ?? linksMs, linksMs) };
  }

  /** Hands over what this node answers for, and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#end();
  }

  // What hinders the start, if anything does.
  async #begin({ client, clock, log }: ControllerContext): Promise<string | undefined> {
    if (this.#answering !== undefined) return undefined;
    const { nodeName, nodeIps } = this.#options;
    let key: Buffer;
    try {
      key = Buffer.from((await client.get(secrets, keySecret)).data?.[keyField] ?? '', 'base64');
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error;
      return `there is no Secret ${keySecret.namespace}/${keySecret.name} with the key that the nodes share; the server makes it when it starts`;
    }
    if (key.length < keyBytesMin)
      return `the Secret ${keySecret.namespace}/${keySecret.name} has no ${keyField} of ${keyBytesMin} bytes or more; delete it and restart the server`;
    const answering = new Answering({
      ...{ nodeName, address: nodeIps[0] ?? '', port: speakerPort, key, clock },
      onState: (state) => {
        this.#state = state;
        this.#enqueue(everything);
      },
      onFailure: (error) => {
        if (this.#answering !== answering) return;
        log.error('the thread that answers for addresses failed', { error });
        this.#forget();
        this.#enqueue(everything, retryMs);
      },
    });
    try {
      await answering.started;
    } catch (error) {
      return `addresses can't be answered for: ${describeError(error)}${hintFor(errorCode(error))}`;
    }
    this.#answering = answering;
    this.#linkWatch = watchLinks({
      ...{ clock, log },
      onLine: () => {
        this.#linksSeenMs = Number.NEGATIVE_INFINITY;
        this.#enqueue(everything, gatherLinksMs);
      },
    });
    return undefined;
  }

  async #lookAtLinks(nowMs: number): Promise<readonly EthernetInterface[]> {
    if (nowMs < this.#linksSeenMs + linksMs) return this.#links;
    this.#linksSeenMs = nowMs;
    this.#links = (await observeEthernet()).filter(({ name }) => isOutside(name));
    return this.#links;
  }

  async #end(): Promise<void> {
    const answering = this.#answering;
    if (answering === undefined) return;
    await answering[Symbol.asyncDispose]();
    this.#forget();
  }

  #forget(): void {
    this.#linkWatch?.[Symbol.dispose]();
    this.#linkWatch = undefined;
    this.#linksSeenMs = Number.NEGATIVE_INFINITY;
    this.#answering = undefined;
    this.#ordered = '';
    this.#state = nothing;
  }

  async #show(context: ControllerContext): Promise<void> {
    const { nodeName } = this.#options;
    const held = new Map(this.#state.held.map((one) => [one.address, one]));
    const announced = new Map<string, readonly string[]>();
    for (const { address, services: keys } of this.#planned) {
      const interfaces = held.get(address)?.interfaces;
      if (interfaces === undefined) continue;
      for (const key of keys) announced.set(key, [...new Set([...(announced.get(key) ?? []), ...interfaces])]);
    }
    for (const key of announced.keys()) {
      if (this.#told.has(key)) continue;
      const service = context.informers.of(services).get(key);
      if (service === undefined) continue;
      this.#told.add(key);
      const text = `announcing from node "${nodeName}" with protocol "layer2"`;
      context.events.event(service, 'Normal', 'nodeAssigned', text);
    }
    for (const key of this.#told) if (!announced.has(key)) this.#told.delete(key);
    await showStatuses(announced, { nodeName, isAlive: (node) => this.#state.alive.includes(node) }, context);
  }

  #describe(silent: readonly string[]): string {
    const count = `answers for ${this.#state.held.length} of ${this.#planned.length} addresses`;
    const heard = `hears ${this.#state.alive.length} other ${this.#state.alive.length === 1 ? 'node' : 'nodes'}`;
    return silent.length === 0 ? `${count}, ${heard}` : `${count}, ${heard}, not ${silent.join(', ')}`;
  }
}

function hintFor(code: string | undefined): string {
  if (code === 'EADDRINUSE')
    return `; end the program that holds UDP port ${speakerPort}, perhaps another MetalLB (ss -lnup 'sport = :${speakerPort}')`;
  if (code === 'EPERM' || code === 'EACCES') return '; the process needs the capability NET_RAW';
  return '';
}
