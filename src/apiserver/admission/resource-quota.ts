import type { Client } from '../../client/client.ts';
import type { Clock } from '../../core/clock.ts';
import type { Amounts } from '../../kube/pod-resources.ts';
import {
  addAmounts,
  exceededNames,
  isNothing,
  pickAmounts,
  quotaMatches,
  quotaNames,
  subtractAmounts,
  unmetConstraints,
  usageOf,
} from '../../kube/quota.ts';
import { resourcequotas } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { ResourceQuota } from '../../kube/types.gen.ts';
import { conflict } from '../errors.ts';
import type { ClusterReader } from '../reader.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { refuse } from './target.ts';

/** How often a charge that met another writer of the quota is tried again. */
const maxAttempts = 20;
/** Kinds whose updates can use more than they did; all others are counted when they are made. */
const countedOnUpdate = new Set(['services', 'persistentvolumeclaims']);

interface Charge {
  readonly quota: ResourceQuota;
  readonly used: Amounts;
}

/**
 * Charges what an object will use to the namespace's quotas, before it is written, and refuses what exceeds one. The
 * charge is a compare-and-set on the quota's status, so that creations at the same time (on several servers too) never
 * exceed it together; within one server they queue. When the write itself fails afterwards the quota controller gives
 * back what was charged.
 */
export class ResourceQuotaAdmission implements AdmissionPlugin {
  readonly name = 'ResourceQuota';
  private readonly reader: ClusterReader;
  private readonly client: () => Client;
  private readonly clock: Clock;
  /** The last charge of each namespace: the next one waits for it. */
  private readonly queues = new Map<string, Promise<void>>();

  constructor(reader: ClusterReader, client: () => Client, clock: Clock) {
    this.reader = reader;
    this.client = client;
    this.clock = clock;
  }

  handles({ operation, info, kind }: AdmissionRequest): boolean {
    if (info.subresource !== '' || info.namespace === '' || !kind.resource.namespaced) return false;
    if (operation === 'CREATE') return true;
    return operation === 'UPDATE' && info.group === '' && countedOnUpdate.has(info.resource);
  }

  async validate(request: AdmissionRequest): Promise<void> {
    const { namespace } = request.info;
    if (this.reader.list(resourcequotas, namespace).length === 0) return;
    const before = this.queues.get(namespace) ?? Promise.resolve();
    const charged = before.then(() => this.charge(request));
    // The queue goes on whatever became of this charge; who asked for it hears of a failure.
    const settled = charged.catch(() => undefined);
    this.queues.set(namespace, settled);
    try {
      await charged;
    } finally {
      if (this.queues.get(namespace) === settled) this.queues.delete(namespace);
    }
  }

  private async charge(request: AdmissionRequest): Promise<void> {
    let open: readonly ResourceQuota[] = [...this.reader.list(resourcequotas, request.info.namespace)];
    for (let attempt = 1; ; attempt++) {
      const charges = this.plan(request, open);
      if (charges.length === 0 || request.dryRun) return;
      const lost = await this.write(charges);
      if (lost.length === 0) return;
      if (attempt >= maxAttempts) throw conflict(resourcequotas, lost[0]?.metadata.name ?? '');
      open = lost;
    }
  }

  /** Charges that were overtaken by another writer; those that got through are done. */
  private async write(charges: readonly Charge[]): Promise<readonly ResourceQuota[]> {
    const lost: ResourceQuota[] = [];
    for (const { quota, used } of charges) {
      const next = { ...quota, status: { ...quota.status, used } };
      try {
        await this.client().update(resourcequotas, next, { subresource: 'status' });
      } catch (error) {
        if (isReason(error, 'NotFound')) continue;
        if (!isReason(error, 'Conflict')) throw error;
        const { namespace = '', name = '' } = quota.metadata;
        lost.push(await this.client().get(resourcequotas, { namespace, name }));
      }
    }
    return lost;
  }

  private plan(request: AdmissionRequest, quotas: readonly ResourceQuota[]): readonly Charge[] {
    const { object, old } = request;
    const { resource } = request.kind;
    if (object === null) return [];
    const now = this.clock.now();
    const concerned: { readonly quota: ResourceQuota; readonly names: readonly string[] }[] = [];
    for (const quota of [...quotas].sort(byName)) {
      const names = quotaNames(resource, quota.status?.hard ?? {});
      if (names.length === 0 || !quotaMatches(resource, object, quota)) continue;
      const unmet = unmetConstraints(resource, object, names);
      if (unmet !== undefined) throw refuse(request, `failed quota: ${quota.metadata.name}: ${unmet}`);
      const unknown = names.filter((name) => quota.status?.used?.[name] === undefined);
      if (unknown.length > 0) {
        const list = unknown.sort().join(',');
        throw refuse(request, `status unknown for quota: ${quota.metadata.name}, resources: ${list}`);
      }
      concerned.push({ quota, names });
    }
    if (concerned.length === 0) return [];
    const usage = usageOf(resource, object, now);
    const delta = old === null ? usage : subtractAmounts(usage, usageOf(resource, old, now));
    return concerned.flatMap(({ quota, names }) => {
      const wanted = pickAmounts(delta, names);
      if (isNothing(wanted)) return [];
      const { hard = {}, used = {} } = quota.status ?? {};
      const exceeded = exceededNames(used, wanted, hard);
      if (exceeded.length > 0) {
        const show = (amounts: Amounts) => exceeded.map((name) => `${name}=${amounts[name]}`).join(',');
        const how = `requested: ${show(wanted)}, used: ${show(used)}, limited: ${show(hard)}`;
        throw refuse(request, `exceeded quota: ${quota.metadata.name}, ${how}`);
      }
      return [{ quota, used: addAmounts(used, wanted) }];
    });
  }
}

function byName(a: ResourceQuota, b: ResourceQuota): number {
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}
