import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import { describeError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ObjectKey } from '../kube/resource.ts';
import { leases } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { formatMicroTime } from '../kube/time.ts';
import type { Lease, LeaseSpec } from '../kube/types.gen.ts';

export interface LeaderElectionOptions {
  readonly client: Client;
  readonly lease: ObjectKey;
  /** Who we are; differs for each process. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Others wait this long after the last renewal that they saw; 15 s when absent. */
  readonly leaseDurationMs?: number;
  /** A leader that could not renew for this long gives up; 10 s when absent. */
  readonly renewDeadlineMs?: number;
  /** Time between tries; 2 s when absent. */
  readonly retryPeriodMs?: number;
}

/** A lease as it was last seen to change, at a time of our own clock: others' clocks don't count. */
interface Sighting {
  readonly resourceVersion: string | undefined;
  readonly atMs: number;
}

/** What to do about a lease that stands: take it (or renew it) or wait. Pure. */
export function planLease(
  lease: LeaseSpec | undefined,
  identity: string,
  sinceChangeMs: number,
  leaseDurationMs: number,
): 'renew' | 'take' | 'wait' {
  const holder = lease?.holderIdentity ?? '';
  if (holder === identity) return 'renew';
  if (holder === '') return 'take';
  const durationMs = (lease?.leaseDurationSeconds ?? leaseDurationMs / 1000) * 1000;
  return sinceChangeMs > durationMs ? 'take' : 'wait';
}

/**
 * Runs `lead` while this process holds the lease (coordination.k8s.io Lease, as client-go's leader election does).
 * `lead`'s signal aborts when the lease was lost or `signal` aborts; afterwards the election starts anew, until
 * `signal` aborts, which gives the lease back.
 */
export async function runElected(
  options: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { client, lease: key, identity, clock, log } = options;
  const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2_000 } = options;
  let seen: Sighting = { resourceVersion: undefined, atMs: clock.monotonic() };

  async function read(): Promise<Lease | undefined> {
    try {
      return await client.get(leases, key, { signal: AbortSignal.timeout(renewDeadlineMs) });
    } catch (thrown) {
      if (isReason(thrown, 'NotFound')) return undefined;
      throw thrown;
    }
  }

  /** True when we hold the lease afterwards. */
  async function acquireOrRenew(): Promise<boolean> {
    const standing = await read();
    const now = formatMicroTime(clock.now());
    const base = { holderIdentity: identity, leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000), renewTime: now };
    if (!standing) {
      const spec = { ...base, acquireTime: now, leaseTransitions: 0 };
      const metadata = { name: key.name, namespace: key.namespace ?? 'kube-system' };
      await client.create(leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
      return true;
    }
    if (standing.metadata.resourceVersion !== seen.resourceVersion) {
      seen = { resourceVersion: standing.metadata.resourceVersion, atMs: clock.monotonic() };
    }
    const plan = planLease(standing.spec, identity, clock.monotonic() - seen.atMs, leaseDurationMs);
    if (plan === 'wait') return false;
    const leaseTransitions = (standing.spec?.leaseTransitions ?? 0) + (plan === 'take' ? 1 : 0);
    const acquireTime = plan === 'take' ? now : (standing.spec?.acquireTime ?? now);
    const updated = await client.update(leases, {
      ...standing,
      spec: { ...standing.spec, ...base, acquireTime, leaseTransitions },
    });
    seen = { resourceVersion: updated.metadata.resourceVersion, atMs: clock.monotonic() };
    return true;
  }

  async function attempt(): Promise<boolean> {
    try {
      return await acquireOrRenew();
    } catch (thrown) {
      // Somebody else was faster; the next look will tell who.
      if (!isReason(thrown, 'Conflict', 'AlreadyExists')) {
        log.warn('the leader lease was not reached', { lease: key.name, error: describeError(thrown) });
      }
      return false;
    }
  }

  async function renewUntilLost(lost: AbortController): Promise<void> {
    let renewedAtMs = clock.monotonic();
    while (!lost.signal.aborted) {
      await clock.sleep(retryPeriodMs, lost.signal).catch(() => {});
      if (lost.signal.aborted) return;
      if (await attempt()) renewedAtMs = clock.monotonic();
      else if (clock.monotonic() - renewedAtMs > renewDeadlineMs) lost.abort();
    }
  }

  async function release(): Promise<void> {
    const standing = await read();
    if (standing?.spec?.holderIdentity !== identity) return;
    const { holderIdentity: _, ...spec } = standing.spec;
    await client.update(leases, { ...standing, spec: { ...spec, holderIdentity: '', leaseDurationSeconds: 1 } });
  }

  while (!signal.aborted) {
    if (!(await attempt())) {
      // Up to 1.2 periods (client-go's jitter), so that candidates don't try in step.
      await clock.sleep(retryPeriodMs * (1 + 0.2 * Math.random()), signal).catch(() => {});
      continue;
    }
    log.info('became leader', { lease: key.name, identity });
    const lost = new AbortController();
    const onAbort = () => lost.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const renewing = renewUntilLost(lost);
    try {
      await lead(lost.signal);
    } finally {
      lost.abort();
      signal.removeEventListener('abort', onAbort);
      await renewing;
      await release().catch((thrown: unknown) => {
        log.warn('the leader lease was not given back', { lease: key.name, error: describeError(thrown) });
      });
    }
  }
}
