import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describeError, WherryError } from '../../core/errors.ts';
import type { Bird, BirdWish } from '../../engines/bird/bird.ts';
import { protocolName } from '../../engines/bird/config.ts';
import type { KubeObject } from '../../kube/object.ts';
import { configmaps, endpointslices, nodes, services } from '../../kube/resources.gen.ts';
import {
  type Controller,
  type ControllerContext,
  done,
  type Enqueue,
  type Informers,
  type Outcome,
  type Watch,
  watchOf,
} from '../../runtime/controller.ts';
import { configurationWatches, olderOptions, readConfiguration } from '../configuration-view.ts';
import { configMapName } from '../metallb/config-map.ts';
import { bgpPeers, bgpSessionStates, metallbNamespace, serviceBGPStatuses } from '../metallb/kinds.ts';
import { readyEndpoints, serviceKeyOf } from '../ready-endpoints.ts';
import type { Peer } from './configuration.ts';
import { readPasswords } from './passwords.ts';
import { planBgp } from './plan.ts';
import { type SessionState, SessionTeller, sessionStates, summaryOf } from './sessions.ts';
import { ownSessionStates, ownStatuses, showAnnounced, showSessions } from './statuses.ts';

export interface BgpSpeakerOptions {
  readonly nodeName: string;
  readonly bird: Bird;
  /** Is told how the sessions stand: null without any peer, else in words, and whether all is well. */
  readonly onStatus: (status: { readonly ok: boolean; readonly text: string } | null) => void;
}

const everything = 'announcements';
const sessions = 'sessions';
/** How often the sessions are looked at while there are any. */
const lookMs = 1000;
/** How often Secrets with passwords are read anew, and what is in the way (a program, a Secret, a network) is looked for. */
const secretsMs = 60_000;
const mendMs = 5000;
const ownNode = (name: string) => ({ fieldSelector: `metadata.name=${name}` });

/** Tells the BGP peers of this node which addresses are here. */
export class BgpSpeaker implements Controller {
  readonly name = 'bgp-speaker';
  readonly eventSource = 'speaker';
  readonly watches: readonly Watch[];
  readonly #options: BgpSpeakerOptions;
  readonly #teller = new SessionTeller();
  #peers: readonly Peer[] = [];
  #problems: ReadonlyMap<string, string> = new Map();
  #states: readonly SessionState[] = [];

  constructor(options: BgpSpeakerOptions) {
    const { nodeName } = options;
    this.#options = options;
    this.watches = [
      ...configurationWatches(() => [everything]),
      watchOf(services, (service) => (service.spec?.type === 'LoadBalancer' ? [everything] : [])),
      watchOf(endpointslices, (slice, informers) => (isOfBalanced(serviceKeyOf(slice), informers) ? [everything] : [])),
      watchOf(nodes, () => [everything], ownNode(nodeName)),
      watchOf(serviceBGPStatuses, () => [everything], ownStatuses(nodeName)),
      watchOf(bgpSessionStates, () => [sessions], ownSessionStates(nodeName)),
    ];
  }

  async start(context: ControllerContext, enqueue: Enqueue, signal: AbortSignal): Promise<void> {
    // An earlier process may have left a BIRD, or words of sessions, that are not needed any more.
    enqueue(everything);
    enqueue(sessions);
    void this.#follow(context, enqueue, signal);
  }

  async reconcile(key: string, context: ControllerContext): Promise<Outcome> {
    const { nodeName } = this.#options;
    const node = context.informers.of(nodes, ownNode(nodeName)).get(nodeName);
    if (node === undefined) return done;
    if (key === sessions) {
      await showSessions(this.#states, node, context);
      return done;
    }
    const { informers } = context;
    const configuration = readConfiguration(informers);
    const passwords = await readPasswords(configuration.bgp.peers, context.client);
    const ready = readyEndpoints(informers.of(endpointslices).list());
    const networks = connectedNetworks();
    const plan = planBgp({
      configuration,
      services: informers.of(services).list(),
      node,
      endpoints: (service) => ({ here: ready.get(service)?.has(nodeName) ?? false, anywhere: ready.has(service) }),
      isConnected: (address) => networks.check(address, address.includes(':') ? 'ipv6' : 'ipv4'),
      password: ({ namespace, name }) => passwords.get(`${namespace}/${name}`),
    });
    const problems = new Map(plan.problems);
    const configured = configuration.bgp.peers.filter(({ name }) => hasPeer(plan.bird, name));
    let isDone = true;
    try {
      const refused = await this.#options.bird.apply(plan.bird);
      for (const { name } of configured) {
        const said = refused.get(protocolName(name));
        if (said !== undefined) problems.set(name, said);
      }
    } catch (error) {
      // Told on each peer and tried again: what is missing may be installed meanwhile.
      isDone = false;
      for (const { name } of configured) problems.set(name, wordsOf(error));
    }
    this.#peers = configuration.bgp.peers.filter(({ name }) => hasPeer(plan.bird, name) || problems.has(name));
    this.#problems = problems;
    // What is not in force stays as it was told last.
    if (isDone) await showAnnounced(withoutPeers(plan.announced, problems), node, context);
    if (problems.size > 0) return { requeueAfterMs: mendMs };
    return configuration.bgp.peers.some(({ passwordSecret }) => passwordSecret !== undefined)
      ? { requeueAfterMs: secretsMs }
      : done;
  }

  /** Leaves the sessions up, or ends them. Nothing is announced anew. */
  async stop(keep: boolean): Promise<void> {
    await (keep ? this.#options.bird.release() : this.#options.bird.stop());
  }

  async #follow(context: ControllerContext, enqueue: Enqueue, signal: AbortSignal): Promise<void> {
    const { bird, onStatus } = this.#options;
    while (!signal.aborted) {
      try {
        await context.clock.sleep(lookMs, signal);
      } catch {
        return;
      }
      let missing = 'BIRD does not run yet';
      const seen = await bird.observe().catch((error: unknown) => {
        missing = describeError(error);
        return [];
      });
      this.#tell(sessionStates(this.#peers, this.#problems, seen, missing), context, enqueue);
      onStatus(this.#states.length === 0 ? null : summaryOf(this.#states));
    }
  }

  #tell(states: readonly SessionState[], { informers, events, clock }: ControllerContext, enqueue: Enqueue): void {
    const isNew = JSON.stringify(states) !== JSON.stringify(this.#states);
    this.#states = states;
    if (isNew) enqueue(sessions);
    for (const { peer, type, reason, message } of this.#teller.news(states, clock.monotonic())) {
      const object = objectOf(peer, informers);
      if (object !== undefined)
        events.event(object, type, reason, `${this.#options.nodeName}, ${peer.name}: ${message}`);
    }
  }
}

/** What stands for a peer: itself, or the older ConfigMap. */
function objectOf({ name }: Peer, informers: Informers): KubeObject | undefined {
  return (
    informers.of(bgpPeers).get(`${metallbNamespace}/${name}`) ??
    informers.of(configmaps, olderOptions).get(`${metallbNamespace}/${configMapName}`)
  );
}

function isOfBalanced(key: string | undefined, informers: Informers): boolean {
  return key !== undefined && informers.of(services).get(key)?.spec?.type === 'LoadBalancer';
}

function hasPeer({ peers }: BirdWish, name: string): boolean {
  return peers.some((peer) => peer.name === protocolName(name));
}

function withoutPeers(
  announced: ReadonlyMap<string, readonly string[]>,
  left: ReadonlyMap<string, string>,
): ReadonlyMap<string, readonly string[]> {
  const rest = [...announced].map(([key, peers]) => [key, peers.filter((name) => !left.has(name))] as const);
  return new Map(rest.filter(([, peers]) => peers.length > 0));
}

function wordsOf(error: unknown): string {
  const hint = error instanceof WherryError ? error.hint : undefined;
  return hint === undefined ? describeError(error) : `${describeError(error)}; ${hint}`;
}

/** The networks that this machine is on. */
function connectedNetworks(): BlockList {
  const networks = new BlockList();
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, cidr, family } of addresses ?? []) {
      const length = Number(cidr?.split('/')[1] ?? Number.NaN);
      if (Number.isInteger(length)) networks.addSubnet(address, length, family === 'IPv6' ? 'ipv6' : 'ipv4');
    }
  }
  return networks;
}
