import { describeError } from '../../core/errors.ts';
import { keyOf } from '../../kube/resource.ts';
import { services } from '../../kube/resources.gen.ts';
import type { LoadBalancerIngress, Service } from '../../kube/types.gen.ts';
import {
  type Controller,
  type ControllerContext,
  done,
  type Enqueue,
  type Informers,
  type Outcome,
  watchOf,
} from '../../runtime/controller.ts';
import { asksForTunnel, chooseTunnel, ingressOf, isProblem } from './plan.ts';
import type { RunningTunnels } from './running-tunnels.ts';
import { addressesOf } from './tunnel-controller.ts';
import { tunnels } from './tunnel-kind.ts';

/** Shows on each Service of the class where it is reached, or why it is not. */
export class TunnelServiceController implements Controller {
  readonly name = 'tunnel-service-controller';
  readonly watches = [
    watchOf(services, (service) => [keyOf(service)]),
    watchOf(tunnels, (_, informers) => servicesOf(informers)),
  ];
  readonly #running: RunningTunnels;
  /** Services whose status was written here, to be taken back when they go another way. */
  readonly #shown = new Set<string>();
  #wake: () => void = () => {};

  constructor(running: RunningTunnels) {
    this.#running = running;
  }

  /** Looks at all Services again: a tunnel has changed. */
  wake(): void {
    this.#wake();
  }

  start({ informers }: ControllerContext, enqueue: Enqueue): Promise<void> {
    this.#wake = () => {
      for (const key of servicesOf(informers)) enqueue(key);
    };
    return Promise.resolve();
  }

  async reconcile(key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, events } = context;
    const service = informers.of(services).get(key);
    if (service === undefined || !asksForTunnel(service)) {
      if (service !== undefined && this.#shown.has(key) && service.spec?.loadBalancerClass === undefined)
        await show(service, [], context);
      this.#shown.delete(key);
      return done;
    }
    const warn = (reason: string, message: string) => events.event(service, 'Warning', reason, message);
    const tunnel = chooseTunnel(service, informers.of(tunnels).list());
    if (isProblem(tunnel)) {
      warn(tunnel.reason, tunnel.message);
      await show(service, [], context);
      return done;
    }
    const name = tunnel.metadata.name ?? '';
    const status = this.#running.status(name);
    const plan = this.#running.plan(name)?.services.get(key);
    if (plan === undefined) return done;
    for (const { reason, message } of plan.problems) warn(reason, message);
    if (status?.isConnected !== true) {
      // The address stays: it is still the right one when the tunnel is back.
      if (status?.failure !== undefined)
        warn('TunnelNotConnected', `Tunnel ${name} is not connected: ${describeError(status.failure)}`);
      return done;
    }
    for (const id of plan.routes) {
      const verdict = status.routes.get(id);
      if (verdict?.state === 'refused')
        warn('RouteRefused', `${id} is refused by the exit of Tunnel ${name}: ${verdict.message}`);
    }
    // The exit has not said yet what became of the routes.
    if (plan.routes.length > 0 && plan.routes.every((id) => !status.routes.has(id))) return done;
    this.#shown.add(key);
    await show(service, ingressOf(addressesOf(tunnel, status), plan.routes, status.routes), context);
    return done;
  }
}

function servicesOf(informers: Informers): readonly string[] {
  return informers.of(services).list().filter(asksForTunnel).map(keyOf);
}

async function show(
  service: Service,
  ingress: readonly LoadBalancerIngress[],
  { client, events }: ControllerContext,
): Promise<void> {
  const before = service.status?.loadBalancer?.ingress ?? [];
  if (JSON.stringify(before) === JSON.stringify(ingress)) return;
  const { namespace = '', name = '', resourceVersion } = service.metadata;
  const body = {
    metadata: { resourceVersion },
    status: { loadBalancer: { ingress: ingress.length === 0 ? null : ingress } },
  };
  await client.patch(services, { namespace, name }, { type: 'merge', body }, { subresource: 'status' });
  const places = ingress.map(({ ip, hostname }) => ip ?? hostname).join(', ');
  if (ingress.length > 0) events.event(service, 'Normal', 'TunnelOpen', `reached at ${places} through the tunnel`);
}
