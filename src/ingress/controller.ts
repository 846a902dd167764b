import { keyOf, parseKey } from '../kube/resource.ts';
import { endpointslices, ingressclasses, ingresses, nodes, secrets, services } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { EndpointSlice, Ingress, Secret } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, type Outcome, type Watch, watchOf } from '../runtime/controller.ts';
import { ingressAddresses } from './addresses.ts';
import type { Problem } from './annotations.ts';
import { copyLabel, copyNameOf, copyOf, ingressNamespace } from './certificate-copies.ts';
import { readTlsSecret } from './certificates.ts';
import { type IngressPlan, planIngress } from './plan.ts';
import { ingressAccount } from './rights.ts';

/** All Ingresses are decided together, since they ask for the same hosts and paths. */
const everything = 'all';
/** How long a backend may be without endpoints before that is told. */
const endpointGraceMs = 3_000;
/** Certificates expire without anything changing. */
const lookAgainMs = 3_600_000;

/** Shows on each Ingress where it is reached and what is wrong with it, and gives nodes the certificates that they show. */
export class IngressController implements Controller {
  readonly name = ingressAccount;
  readonly watches: readonly Watch[] = [
    watchOf(ingresses, () => [everything]),
    watchOf(ingressclasses, () => [everything]),
    watchOf(services, () => [everything]),
    watchOf(nodes, () => [everything]),
    watchOf(secrets, ({ data, metadata }) =>
      data?.['tls.crt'] !== undefined || metadata.namespace === ingressNamespace ? [everything] : [],
    ),
    watchOf(endpointslices, () => [everything], { indexes: slicesOfService }),
  ];
  /** Of each Ingress, what was told last. */
  readonly #told = new Map<string, ReadonlySet<string>>();
  /** Since when backends have no endpoint, by what is said of them; monotonic milliseconds. */
  readonly #bare = new Map<string, number>();
  /** Ingresses that show our addresses. */
  readonly #shown = new Set<string>();
  readonly #ports: { readonly http: number; readonly https: number };

  constructor(ports: { readonly http: number; readonly https: number }) {
    this.#ports = ports;
  }

  async reconcile(_key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, clock } = context;
    const slices = informers.of(endpointslices, { indexes: slicesOfService });
    const certificate = (key: string) => {
      const secret = informers.of(secrets).get(key);
      return secret === undefined ? undefined : readTlsSecret(secret);
    };
    const plan = planIngress({
      ingresses: informers.of(ingresses).list(),
      classes: informers.of(ingressclasses).list(),
      service: (key) => informers.of(services).get(key),
      slices: (key) => slices.byIndex('ingress-service', key),
      certificate,
      nowMs: clock.now(),
      ports: this.#ports,
    });
    const failures: unknown[] = [];
    const failed = (error: unknown) => {
      // What has just gone is nobody's loss; what changed wakes us again.
      if (!isReason(error, 'NotFound')) failures.push(error);
    };
    await copyCertificates(plan, context).catch(failed);
    const addresses = ingressAddresses(informers.of(nodes).list());
    let againMs = lookAgainMs;
    for (const ingress of informers.of(ingresses).list()) {
      const problems = plan.problems.get(keyOf(ingress));
      if (problems === undefined) {
        await this.#leave(ingress, context).catch(failed);
        continue;
      }
      againMs = Math.min(againMs, this.#tell(ingress, problems, context));
      await this.#show(ingress, addresses, context).catch(failed);
    }
    for (const key of this.#told.keys()) if (!plan.problems.has(key)) this.#told.delete(key);
    if (failures.length > 0) throw failures[0];
    return { requeueAfterMs: againMs };
  }

  /** Milliseconds until it is to be looked at again. */
  #tell(ingress: Ingress, problems: readonly Problem[], { events, clock }: ControllerContext): number {
    const key = keyOf(ingress);
    const before = this.#told.get(key) ?? new Set();
    const told = new Set<string>();
    let againMs = Number.POSITIVE_INFINITY;
    const bare = new Set(problems.filter(({ reason }) => reason === 'NoEndpoints').map(({ message }) => message));
    for (const { reason, message } of problems) {
      if (bare.has(message)) {
        const since = this.#bare.get(`${key} ${message}`) ?? clock.monotonic();
        this.#bare.set(`${key} ${message}`, since);
        const leftMs = since + endpointGraceMs - clock.monotonic();
        if (leftMs > 0) {
          againMs = Math.min(againMs, leftMs);
          continue;
        }
      }
      told.add(`${reason} ${message}`);
      if (!before.has(`${reason} ${message}`)) events.event(ingress, 'Warning', reason, message);
    }
    for (const name of this.#bare.keys())
      if (name.startsWith(`${key} `) && !bare.has(name.slice(key.length + 1))) this.#bare.delete(name);
    this.#told.set(key, told);
    return againMs;
  }

  async #show(ingress: Ingress, addresses: readonly string[], { client, events }: ControllerContext): Promise<void> {
    const key = keyOf(ingress);
    this.#shown.add(key);
    const shown = ingress.status?.loadBalancer?.ingress ?? [];
    if (shown.map(({ ip }) => ip).join() === addresses.join()) return;
    const list = addresses.length === 0 ? null : addresses.map((ip) => ({ ip }));
    const body = { status: { loadBalancer: { ingress: list } } };
    await client.patch(ingresses, parseKey(key), { type: 'merge', body }, { subresource: 'status' });
    if (shown.length === 0) events.event(ingress, 'Normal', 'Served', `Served at ${addresses.join(', ')}`);
  }

  /** One that went to another class shows our addresses no more, unless its new controller has written there already. */
  async #leave(ingress: Ingress, { client }: ControllerContext): Promise<void> {
    const key = keyOf(ingress);
    if (!this.#shown.delete(key) || ingress.metadata.deletionTimestamp !== undefined) return;
    const { resourceVersion } = ingress.metadata;
    const body = { metadata: { resourceVersion }, status: { loadBalancer: { ingress: null } } };
    await client.patch(ingresses, parseKey(key), { type: 'merge', body }, { subresource: 'status' });
  }
}

/** Makes the copies that nodes read what they should be, and removes those that nobody shows any more. */
async function copyCertificates(plan: IngressPlan, { client, informers }: ControllerContext): Promise<void> {
  const all = informers.of(secrets);
  for (const key of plan.secrets) {
    const source = all.get(key);
    if (source === undefined) continue;
    const wanted = copyOf(key, source);
    const standing = all.get(keyOf(wanted));
    if (standing === undefined) await client.create(secrets, wanted);
    else if (!sameData(standing, wanted))
      await client.patch(secrets, parseKey(keyOf(wanted)), { type: 'merge', body: { data: wanted.data } });
  }
  const kept = new Set([...plan.secrets].map(copyNameOf));
  for (const { metadata } of all.list(ingressNamespace)) {
    const { name = '', labels } = metadata;
    if (labels?.[copyLabel] === undefined || kept.has(name)) continue;
    await client.delete(secrets, { namespace: ingressNamespace, name });
  }
}

function sameData(a: Secret, b: Secret): boolean {
  return ['tls.crt', 'tls.key'].every((key) => a.data?.[key] === b.data?.[key]);
}

const slicesOfService = {
  'ingress-service': ({ metadata }: EndpointSlice) => [
    `${metadata.namespace}/${metadata.labels?.['kubernetes.io/service-name']}`,
  ],
};
