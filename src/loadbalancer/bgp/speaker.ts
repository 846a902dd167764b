import { createHash } from 'node:crypto';
import { describeError } from '../../core/errors.ts';
import type { Bird } from '../../engines/bird/bird.ts';
import { protocolName } from '../../engines/bird/config.ts';
import type { BirdSession } from '../../engines/bird/status.ts';
import { parseKey } from '../../kube/resource.ts';
import { endpointslices, nodes, secrets, services } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
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
import { configurationWatches, readConfiguration } from '../configuration-view.ts';
import { bgpPeers, metallbNamespace, serviceBGPStatuses } from '../metallb/kinds.ts';
import type { ServiceBGPStatus } from '../metallb/types.ts';
import { readyEndpoints, serviceKeyOf } from '../ready-endpoints.ts';
import type { Peer } from './configuration.ts';
import { planBgp } from './plan.ts';

export interface BgpSpeakerOptions {
  readonly nodeName: string;
  readonly bird: Bird;
  /** Is told how the sessions stand: null without any peer, else in words, and whether all is well. */
  readonly onStatus: (status: { readonly ok: boolean; readonly text: string } | null) => void;
}

const everything = 'all';
/** How often the sessions are looked at while there are any, and Secrets with passwords read anew. */
const lookMs = 1000;
const secretsMs = 60_000;
const ownNode = (name: string) => ({ fieldSelector: `metadata.name=${name}` });

/** Tells the BGP peers of this node which addresses are here. */
export class BgpSpeaker implements Controller {
  readonly name = 'bgp-speaker';
  readonly eventSource = 'speaker';
  readonly watches: readonly Watch[];
  readonly #options: BgpSpeakerOptions;
  #peers: readonly Peer[] = [];
  readonly #told = new Map<string, string>();
  #isEstablished = new Map<string, boolean>();

  constructor(options: BgpSpeakerOptions) {
    this.#options = options;
    this.watches = [
      ...configurationWatches(() => [everything]),
      watchOf(services, (service) => (service.spec?.type === 'LoadBalancer' ? [everything] : [])),
      watchOf(endpointslices, (slice, informers) => (isOfBalanced(serviceKeyOf(slice), informers) ? [everything] : [])),
      watchOf(nodes, () => [everything], ownNode(options.nodeName)),
      watchOf(serviceBGPStatuses, () => [everything]),
    ];
  }

  async start(context: ControllerContext, enqueue: Enqueue, signal: AbortSignal): Promise<void> {
    // An earlier process may have left a BIRD that is not needed any more.
    enqueue(everything);
    void this.#follow(context, signal);
  }

  async reconcile(_key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, events } = context;
    const { nodeName, bird } = this.#options;
    const node = informers.of(nodes, ownNode(nodeName)).get(nodeName);
    if (node === undefined) return done;
    const configuration = readConfiguration(informers);
    const passwords = await readPasswords(configuration.bgp.peers, context);
    const ready = readyEndpoints(informers.of(endpointslices).list());
    const plan = planBgp({
      configuration,
      services: informers.of(services).list(),
      node,
      endpoints: (key) => ({ here: ready.get(key)?.has(nodeName) ?? false, anywhere: ready.has(key) }),
      password: ({ namespace, name }) => passwords.get(`${namespace}/${name}`),
    });
    for (const peer of configuration.bgp.peers) {
      const problem = plan.problems.get(peer.name);
      if (problem === undefined) this.#told.delete(peer.name);
      else if (this.#told.get(peer.name) !== problem) {
        this.#told.set(peer.name, problem);
        const object = informers.of(bgpPeers).get(`${metallbNamespace}/${peer.name}`);
        if (object !== undefined) events.event(object, 'Warning', 'NoSession', `node ${nodeName}: ${problem}`);
      }
    }
    await bird.apply(plan.bird);
    this.#peers = configuration.bgp.peers.filter(({ name }) =>
      plan.bird.peers.some((one) => one.name === protocolName(name)),
    );
    await this.#showStatuses(plan.announced, context);
    return configuration.bgp.peers.some(({ passwordSecret }) => passwordSecret !== undefined)
      ? { requeueAfterMs: secretsMs }
      : done;
  }

  /** Leaves the sessions up, or ends them. */
  async stop(keep: boolean): Promise<void> {
    await (keep ? this.#options.bird.release() : this.#options.bird.stop());
  }

  async #follow(context: ControllerContext, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await context.clock.sleep(lookMs, signal);
        if (this.#peers.length === 0) this.#options.onStatus(null);
        else this.#judge(await this.#options.bird.observe(), context);
      } catch (error) {
        if (!signal.aborted)
          this.#options.onStatus({ ok: false, text: `BIRD does not answer: ${describeError(error)}` });
      }
    }
  }

  #judge(sessions: readonly BirdSession[], { informers, events }: ControllerContext): void {
    const { nodeName, onStatus } = this.#options;
    const down: string[] = [];
    for (const peer of this.#peers) {
      const session = sessions.find(({ name }) => name === protocolName(peer.name));
      const isUp = session?.isEstablished ?? false;
      const why = session?.error === '' ? session.state : (session?.error ?? 'not configured yet');
      if (!isUp) down.push(`${peer.name} (${peer.address}): ${why}`);
      const was = this.#isEstablished.get(peer.name);
      if (was === isUp || (was === undefined && !isUp)) continue;
      this.#isEstablished.set(peer.name, isUp);
      const object = informers.of(bgpPeers).get(`${metallbNamespace}/${peer.name}`);
      if (object === undefined) continue;
      if (isUp) events.event(object, 'Normal', 'SessionUp', `node ${nodeName}: the session is established`);
      else events.event(object, 'Warning', 'SessionDown', `node ${nodeName}: the session is down: ${why}`);
    }
    const count = `${this.#peers.length - down.length} of ${this.#peers.length} sessions`;
    onStatus({
      ok: down.length === 0,
      text: down.length === 0 ? `${count} established` : `${count}; ${down.join('; ')}`,
    });
  }

  // MetalLB's names: one object for each Service and node.
  async #showStatuses(
    announced: ReadonlyMap<string, readonly string[]>,
    { client, informers }: ControllerContext,
  ): Promise<void> {
    const { nodeName } = this.#options;
    const standing = new Map(
      informers
        .of(serviceBGPStatuses)
        .list(metallbNamespace)
        .filter(({ metadata }) => metadata.labels?.['metallb.io/node'] === nodeName)
        .map((status) => [status.metadata.name ?? '', status] as const),
    );
    for (const [key, peers] of announced) {
      const { namespace = '', name: service } = parseKey(key);
      const name = `bgp-${createHash('sha256').update(`${nodeName} ${key}`).digest('hex').slice(0, 16)}`;
      const former = standing.get(name);
      standing.delete(name);
      if (former?.status?.peers?.join() === peers.join()) continue;
      const labels = {
        'metallb.io/node': nodeName,
        'metallb.io/service-name': service,
        'metallb.io/service-namespace': namespace,
      };
      const object: ServiceBGPStatus = {
        ...{ apiVersion: 'metallb.io/v1beta1', kind: 'ServiceBGPStatus' },
        metadata: { name, namespace: metallbNamespace, labels },
      };
      if (former === undefined) await client.create(serviceBGPStatuses, object).catch(unlessReason('AlreadyExists'));
      const status = { node: nodeName, serviceName: service, serviceNamespace: namespace, peers };
      const at = { namespace: metallbNamespace, name };
      await client.patch(serviceBGPStatuses, at, { type: 'merge', body: { status } }, { subresource: 'status' });
    }
    for (const name of standing.keys()) {
      await client.delete(serviceBGPStatuses, { namespace: metallbNamespace, name }).catch(unlessReason('NotFound'));
    }
  }
}

function unlessReason(reason: 'AlreadyExists' | 'NotFound'): (error: unknown) => void {
  return (error) => {
    if (!isReason(error, reason)) throw error;
  };
}

function isOfBalanced(key: string | undefined, informers: Informers): boolean {
  return key !== undefined && informers.of(services).get(key)?.spec?.type === 'LoadBalancer';
}

async function readPasswords(
  peers: readonly Peer[],
  { client }: ControllerContext,
): Promise<ReadonlyMap<string, string>> {
  const passwords = new Map<string, string>();
  for (const { passwordSecret } of peers) {
    if (passwordSecret === undefined) continue;
    try {
      const { type, data } = await client.get(secrets, passwordSecret);
      const encoded = data?.['password'];
      if (type !== 'kubernetes.io/basic-auth' || encoded === undefined) continue;
      passwords.set(
        `${passwordSecret.namespace}/${passwordSecret.name}`,
        Buffer.from(encoded, 'base64').toString('utf8'),
      );
    } catch (error) {
      // Told on the peer: it is not there, or in a namespace that nodes may not read.
      if (!isReason(error, 'NotFound') && !isReason(error, 'Forbidden')) throw error;
    }
  }
  return passwords;
}
