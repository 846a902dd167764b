import { describeError, TransientError, WherryError } from '../../core/errors.ts';
import { findCondition, withCondition } from '../../kube/conditions.ts';
import { keyOf } from '../../kube/resource.ts';
import { secrets, services } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import { formatTime } from '../../kube/time.ts';
import type { Condition } from '../../kube/types.gen.ts';
import {
  type Controller,
  type ControllerContext,
  done,
  type Enqueue,
  type Informers,
  type Outcome,
  watchOf,
} from '../../runtime/controller.ts';
import { parsePin } from '../client/dial.ts';
import type { TunnelStatus } from '../client/tunnel-client.ts';
import { asksForTunnel, chooseTunnel, isProblem, type Problem, planTunnel, type TunnelPlan } from './plan.ts';
import type { RunningTunnels, TunnelAccess } from './running-tunnels.ts';
import { type Tunnel, type TunnelObjectStatus, tunnels } from './tunnel-kind.ts';

/** A token that was changed in its Secret is in use after this time: Secrets are read, not watched. */
const lookAgainMs = 10_000;
/** A Tunnel whose Secret or fields are not usable is looked at again after this time. */
const retryMs = 2_000;
/** Routes that a Tunnel's status tells of; those that are refused first. */
const routesToldMax = 100;

/** Runs each Tunnel and tells on it how it stands. Keys are the names of Tunnels. */
export class TunnelController implements Controller {
  readonly name = 'tunnel-controller';
  readonly watches = [
    // Which Tunnel serves a Service depends on all of them.
    watchOf(tunnels, (tunnel, informers) => [keyOf(tunnel), ...namesOf(informers)]),
    watchOf(services, (_, informers) => namesOf(informers)),
  ];
  readonly #running: RunningTunnels;
  readonly #onStatus: (name: string) => void;

  constructor(running: RunningTunnels, onStatus: (name: string) => void) {
    this.#running = running;
    this.#onStatus = onStatus;
  }

  start(_: ControllerContext, enqueue: Enqueue): Promise<void> {
    this.#running.onChange = (name) => {
      enqueue(name);
      this.#onStatus(name);
    };
    return Promise.resolve();
  }

  async reconcile(key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, events } = context;
    const tunnel = informers.of(tunnels).get(key);
    if (tunnel === undefined || tunnel.metadata.deletionTimestamp !== undefined) {
      await this.#running.remove(key);
      return done;
    }
    const before = this.#running.plan(key);
    const plan = planOf(tunnel, informers);
    try {
      await this.#running.apply(key, await accessOf(tunnel, context), plan);
    } catch (error) {
      // What cannot be read leaves in force what was; a tunnel that never ran says so.
      const failure = error instanceof WherryError ? error : new TransientError('TUNNEL', describeError(error));
      const reason = reasonOf(failure.code);
      await this.#tell(tunnel, context, { reason, message: withHint(failure) }, this.#running.status(key), plan);
      return { requeueAfterMs: retryMs };
    }
    for (const { reason, message } of plan.problems) events.event(tunnel, 'Warning', reason, message);
    if (servicesText(before) !== servicesText(plan)) this.#onStatus(key);
    await this.#tell(tunnel, context, undefined, this.#running.status(key), plan);
    return { requeueAfterMs: lookAgainMs };
  }

  async #tell(
    tunnel: Tunnel,
    { client, events, clock }: ControllerContext,
    problem: Problem | undefined,
    status: TunnelStatus | undefined,
    plan: TunnelPlan,
  ): Promise<void> {
    const condition = connectedCondition(problem, status, formatTime(clock.now()), tunnel.metadata.generation);
    const standing = findCondition(tunnel.status?.conditions, 'Connected');
    if (condition.status === 'False') events.event(tunnel, 'Warning', condition.reason, condition.message);
    else if (condition.status === 'True' && standing?.status !== 'True')
      events.event(tunnel, 'Normal', condition.reason, condition.message);
    for (const verdict of status?.routes.values() ?? []) {
      if (verdict.state === 'refused')
        events.event(tunnel, 'Warning', 'RouteRefused', `${verdict.id} is refused by the exit: ${verdict.message}`);
    }
    const next: TunnelObjectStatus = {
      conditions: withCondition(tunnel.status?.conditions, condition),
      addresses: [...addressesOf(tunnel, status)],
      ...(status?.pin === undefined ? {} : { pin: status.pin }),
      routes: routesTold(status, plan),
    };
    if (JSON.stringify(next) === JSON.stringify(tunnel.status)) return;
    await client.update(tunnels, { ...tunnel, status: next }, { subresource: 'status' });
  }
}

function servicesText(plan: TunnelPlan | undefined): string {
  return JSON.stringify([...(plan?.services ?? [])]);
}

function namesOf(informers: Informers): readonly string[] {
  return informers.of(tunnels).list().map(keyOf);
}

function planOf(tunnel: Tunnel, informers: Informers): TunnelPlan {
  const all = informers.of(tunnels).list();
  const served = informers
    .of(services)
    .list()
    .filter((service) => {
      if (!asksForTunnel(service)) return false;
      const chosen = chooseTunnel(service, all);
      return !isProblem(chosen) && chosen.metadata.name === tunnel.metadata.name;
    });
  return planTunnel(tunnel, served, (key) => informers.of(services).get(key));
}

async function accessOf({ spec }: Tunnel, { client }: ControllerContext): Promise<TunnelAccess> {
  const { namespace, name, key = 'token' } = spec.tokenSecretRef;
  const place = `Secret ${namespace}/${name}`;
  const secret = await client.get(secrets, { namespace, name }).catch((error: unknown) => {
    if (!isReason(error, 'NotFound')) throw error;
    throw new WherryError('SECRET_NOT_FOUND', `there is no ${place}`, {
      hint: `create it with the token under ${key}`,
    });
  });
  const token = Buffer.from(secret.data?.[key] ?? '', 'base64')
    .toString('utf8')
    .trim();
  if (token === '')
    throw new WherryError('SECRET_NOT_FOUND', `${place} has nothing under ${key}`, {
      hint: `put the exit's token there`,
    });
  const { caBundle, pin } = spec;
  const trust = {
    ...(pin === undefined ? {} : { pin: parsePin(pin) }),
    ...(caBundle === undefined ? {} : { authorities: Buffer.from(caBundle, 'base64').toString('utf8') }),
  };
  return { remote: spec.remote, insecure: spec.insecure === true, trust, token };
}

/** The addresses that Services of a Tunnel show. */
export function addressesOf({ spec }: Tunnel, status: TunnelStatus | undefined): readonly string[] {
  return spec.publicAddresses !== undefined && spec.publicAddresses.length > 0
    ? spec.publicAddresses
    : (status?.addresses ?? []);
}

function connectedCondition(
  problem: Problem | undefined,
  status: TunnelStatus | undefined,
  now: string,
  generation: number | undefined,
): Condition {
  const base = {
    type: 'Connected',
    lastTransitionTime: now,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
  if (problem !== undefined) return { ...base, status: 'False', ...problem };
  if (status?.isConnected === true)
    return { ...base, status: 'True', reason: 'Connected', message: 'the exit is connected' };
  const failure = status?.failure;
  if (failure === undefined)
    return { ...base, status: 'Unknown', reason: 'Connecting', message: 'connecting to the exit' };
  const isOurs = failure instanceof WherryError;
  return {
    ...base,
    status: 'False',
    reason: isOurs ? reasonOf(failure.code) : 'ConnectionFailed',
    message: isOurs ? withHint(failure) : describeError(failure),
  };
}

/** `TUNNEL_PIN_MISMATCH` -> `PinMismatch`, as reasons are written. */
function reasonOf(code: string): string {
  const words = code
    .toLowerCase()
    .replace(/^tunnel_/, '')
    .split('_');
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function withHint(error: WherryError): string {
  return error.hint === undefined ? describeError(error) : `${describeError(error)}. ${error.hint}`;
}

function routesTold(status: TunnelStatus | undefined, plan: TunnelPlan): NonNullable<TunnelObjectStatus['routes']> {
  const told = plan.upstreams.map(({ route: { id } }) => {
    const verdict = status?.routes.get(id);
    if (verdict?.state === 'refused') return { id, state: 'refused', message: verdict.message };
    return { id, state: verdict === undefined ? 'waiting' : 'open' };
  });
  const rank = ({ state }: { readonly state: string }) => (state === 'refused' ? 0 : 1);
  return told.sort((a, b) => rank(a) - rank(b)).slice(0, routesToldMax);
}
