import { keyOf, parseKey } from '../../kube/resource.ts';
import { endpointslices, namespaces, nodes, services } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { EndpointSlice, Service } from '../../kube/types.gen.ts';
import {
  type Controller,
  type ControllerContext,
  done,
  type Informers,
  type Outcome,
  type Watch,
  watchOf,
} from '../../runtime/controller.ts';
import { configurationWatches, readConfiguration } from '../configuration-view.ts';
import { readyEndpoints, serviceKeyOf } from '../ready-endpoints.ts';
import { planAddresses, type ServiceAddresses } from './plan.ts';
import { showUse } from './pool-use.ts';
import { poolOfServiceAnnotation, shownAddresses } from './service.ts';
import { silentServices } from './silence.ts';

export interface AddressControllerOptions {
  /** Whether Services that no pool serves get the nodes' own addresses. */
  readonly hostPorts: boolean;
  /** Ports of nodes that the cluster itself needs (`TCP/6443`), with who has them. */
  readonly ownPorts: ReadonlyMap<string, string>;
}

/** All Services are decided together, since they ask for the same addresses. */
const everything = 'all';
/** How long a Service may be without a ready endpoint before that is told. */
const endpointGraceMs = 3000;

/** Gives Services of type LoadBalancer their addresses, and tells on each why it has none. */
export class AddressController implements Controller {
  readonly name = 'service-load-balancer';
  readonly eventSource = 'service-controller';
  readonly watches: readonly Watch[] = [
    watchOf(services, () => [everything]),
    watchOf(nodes, () => [everything]),
    watchOf(namespaces, () => [everything]),
    watchOf(endpointslices, (slice, informers) => (isOfBalanced(slice, informers) ? [everything] : [])),
    ...configurationWatches(() => [everything]),
  ];
  readonly #options: AddressControllerOptions;
  /** What was told of each Service last, so that it is told once. */
  readonly #told = new Map<string, string>();
  /** The Services of which it was told that nobody announces their addresses, with why. */
  #silent: ReadonlyMap<string, string> = new Map();
  /** Since when Services with an address have no ready endpoint, monotonic milliseconds. */
  readonly #bare = new Map<string, number>();

  constructor(options: AddressControllerOptions) {
    this.#options = options;
  }

  async reconcile(_key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, clock } = context;
    const all = informers.of(services).list().toSorted(byAge);
    const configuration = readConfiguration(informers);
    const ready = readyEndpoints(informers.of(endpointslices).list());
    const plan = planAddresses({
      services: all,
      pools: configuration.pools,
      nodes: informers.of(nodes).list(),
      namespaceLabels: (name) => informers.of(namespaces).get(name)?.metadata.labels ?? {},
      endpointNodes: (key) => ready.get(key) ?? new Set(),
      ...this.#options,
    });
    const failures: unknown[] = [];
    const failed = (error: unknown) => {
      // What has just gone is nobody's loss; what changed wakes us again.
      if (!isReason(error, 'NotFound')) failures.push(error);
    };
    await showUse(configuration, plan, context).catch(failed);
    this.#tellSilent(
      silentServices({
        ...{ configuration, services: all, nodes: informers.of(nodes).list() },
        slices: informers.of(endpointslices).list(),
      }),
      context,
    );
    let againMs = Number.POSITIVE_INFINITY;
    for (const service of all) {
      const key = keyOf(service);
      const planned = plan.get(key);
      if (planned === undefined) {
        this.#forget(key);
        continue;
      }
      await this.#show(service, planned, context).catch(failed);
      const waitMs = this.#lookAtEndpoints(service, planned, ready, clock.monotonic(), context);
      againMs = Math.min(againMs, waitMs);
    }
    for (const key of [...this.#told.keys(), ...this.#bare.keys()]) {
      if (informers.of(services).get(key) === undefined) this.#forget(key);
    }
    if (failures.length > 0) throw failures[0];
    return Number.isFinite(againMs) ? { requeueAfterMs: againMs } : done;
  }

  // Addresses that are given and lead nowhere.
  #tellSilent(silent: ReadonlyMap<string, string>, { informers, events }: ControllerContext): void {
    for (const [key, message] of silent) {
      const service = this.#silent.get(key) === message ? undefined : informers.of(services).get(key);
      if (service !== undefined) events.event(service, 'Warning', 'NotAnnounced', message);
    }
    this.#silent = silent;
  }

  async #show(service: Service, planned: ServiceAddresses, context: ControllerContext): Promise<void> {
    const { client, events } = context;
    const key = keyOf(service);
    if (planned.problem !== undefined)
      this.#tell(service, 'Warning', planned.problem.reason, planned.problem.message, context);
    const { annotations } = service.metadata;
    if ((annotations?.[poolOfServiceAnnotation] ?? null) !== planned.pool) {
      const body = { metadata: { annotations: { [poolOfServiceAnnotation]: planned.pool } } };
      await client.patch(services, parseKey(key), { type: 'merge', body });
    }
    const shown = shownAddresses(service);
    const same =
      shown.length === planned.addresses.length && shown.every((ip, index) => ip === planned.addresses[index]);
    if (same) return;
    const ingress = planned.addresses.map((ip) => ({ ip, ipMode: 'VIP' }));
    await client.patch(
      services,
      parseKey(key),
      { type: 'merge', body: { status: { loadBalancer: { ingress: ingress.length === 0 ? null : ingress } } } },
      { subresource: 'status' },
    );
    if (planned.addresses.length === 0) return;
    const from = planned.pool === null ? 'of the nodes' : `of the pool ${planned.pool}`;
    events.event(service, 'Normal', 'IPAllocated', `Assigned ${planned.addresses.join(', ')} ${from}`);
    this.#told.delete(key);
  }

  // Milliseconds until it is to be looked at again; infinite when only a change matters.
  #lookAtEndpoints(
    service: Service,
    planned: ServiceAddresses,
    ready: ReadonlyMap<string, ReadonlySet<string>>,
    now: number,
    context: ControllerContext,
  ): number {
    const key = keyOf(service);
    if (planned.problem !== undefined || planned.addresses.length === 0 || ready.has(key)) {
      this.#bare.delete(key);
      if (planned.problem === undefined) this.#told.delete(key);
      return Number.POSITIVE_INFINITY;
    }
    const since = this.#bare.get(key) ?? now;
    this.#bare.set(key, since);
    const leftMs = since + endpointGraceMs - now;
    if (leftMs > 0) return leftMs;
    const selector = Object.entries(service.spec?.selector ?? {}).map(([name, value]) => `${name}=${value}`);
    const why =
      selector.length === 0
        ? 'it has no selector, and no EndpointSlice was made for it'
        : `no ready pod in its namespace has the labels ${selector.join(',')}`;
    this.#tell(
      service,
      'Warning',
      'NoEndpoints',
      `nothing answers at ${planned.addresses.join(', ')}: ${why}`,
      context,
    );
    return Number.POSITIVE_INFINITY;
  }

  #tell(
    service: Service,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    { events }: ControllerContext,
  ): void {
    const key = keyOf(service);
    const text = `${reason}: ${message}`;
    if (this.#told.get(key) === text) return;
    this.#told.set(key, text);
    events.event(service, type, reason, message);
  }

  #forget(key: string): void {
    this.#told.delete(key);
    this.#bare.delete(key);
  }
}

function byAge(a: Service, b: Service): number {
  const text = (service: Service) => `${service.metadata.creationTimestamp ?? ''} ${keyOf(service)}`;
  return text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0;
}

function isOfBalanced(slice: EndpointSlice, informers: Informers): boolean {
  const key = serviceKeyOf(slice);
  return key !== undefined && informers.of(services).get(key)?.spec?.type === 'LoadBalancer';
}
