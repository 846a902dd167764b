import type { KubeObject } from '../kube/object.ts';
import { isPodFinished } from '../kube/pod-phase.ts';
import type { Amounts } from '../kube/pod-resources.ts';
import { addAmounts, pickAmounts, quotaMatches, quotaNames, usageOf } from '../kube/quota.ts';
import { keyOf, type Resource } from '../kube/resource.ts';
import { builtinResources, resourcequotas } from '../kube/resources.gen.ts';
import type { Pod, ResourceQuota, ResourceQuotaStatus } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, type Enqueue, type Outcome, watchOf } from '../runtime/controller.ts';
import { hasVerbs } from './support/discovery.ts';
import { isEqual } from './support/equality.ts';

/** All is counted anew after this time: a charge whose write failed is given back. */
const recountMs = 5 * 60_000;

/** Objects of one resource in a quota's namespace. */
export interface Counted {
  readonly resource: Resource;
  readonly objects: readonly KubeObject[];
}

/** The status of a quota. Pure. */
export function quotaStatus(quota: ResourceQuota, counted: readonly Counted[], nowMs: number): ResourceQuotaStatus {
  const hard = quota.spec?.hard ?? {};
  let used: Amounts = Object.fromEntries(Object.keys(hard).map((name) => [name, '0']));
  for (const { resource, objects } of counted) {
    const names = quotaNames(resource, hard);
    for (const object of objects) {
      const value: Record<string, unknown> = { ...object };
      if (quotaMatches(resource, value, quota))
        used = addAmounts(used, pickAmounts(usageOf(resource, value, nowMs), names));
    }
  }
  return { hard, used };
}

/** True when an object uses less than before: it is gone, or a pod that has ended. */
function givesBack(old: KubeObject, current: KubeObject | undefined): boolean {
  if (!current) return true;
  return isEnded(current) && !isEnded(old);
}

function isEnded(object: KubeObject): boolean {
  return object.kind === 'Pod' && isPodFinished(object as Pod);
}

/** Counts what each ResourceQuota's namespace uses. */
export function createResourceQuotaController(): Controller {
  const countable = builtinResources.filter((resource) => resource.namespaced && hasVerbs(resource, 'list', 'watch'));
  const subscribed = new Set<Resource>();
  let wake: Enqueue = () => {};

  /** A resource that a quota counts is watched from then on: what is deleted is given back at once. */
  async function objectsOf({ informers }: ControllerContext, resource: Resource, namespace: string) {
    const informer = informers.of(resource);
    await informer.synced;
    if (!subscribed.has(resource)) {
      subscribed.add(resource);
      informer.subscribe(({ old, current }) => {
        if (!old || !givesBack(old, current)) return;
        for (const quota of informers.of(resourcequotas).list(old.metadata.namespace)) wake(keyOf(quota));
      });
    }
    return informer.list(namespace);
  }

  async function reconcile(key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, client, clock } = context;
    const quota = informers.of(resourcequotas).get(key);
    if (!quota) return { done: true };
    const hard = quota.spec?.hard ?? {};
    const counted: Counted[] = [];
    for (const resource of countable) {
      if (quotaNames(resource, hard).length === 0) continue;
      counted.push({ resource, objects: await objectsOf(context, resource, quota.metadata.namespace ?? '') });
    }
    const status = quotaStatus(quota, counted, clock.now());
    if (!isEqual(status, quota.status)) {
      await client.update(resourcequotas, { ...quota, status }, { subresource: 'status' });
    }
    return { requeueAfterMs: recountMs };
  }

  return {
    name: 'resourcequota-controller',
    // Admission charges a quota before the object is there. A recount at that moment would take the charge back, so a
    // change of the used amounts alone wakes nothing.
    watches: [
      watchOf(resourcequotas, (quota) => (isEqual(quota.spec?.hard, quota.status?.hard) ? [] : [keyOf(quota)])),
    ],
    reconcile,
    async start({ informers }, enqueue) {
      wake = enqueue;
      for (const quota of informers.of(resourcequotas).list()) enqueue(keyOf(quota));
    },
  };
}
