import { findCondition } from '../kube/conditions.ts';
import { isPodFinished } from '../kube/pod-phase.ts';
import { nodes, pods } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { Node, Pod } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, type Outcome, watchOf } from '../runtime/controller.ts';
import { disruptPod } from './support/pod-disruption.ts';

const roundKey = 'round';
const roundMs = 20_000;
/** A node must be missing for so long before its pods are given up. */
const quarantineMs = 40_000;
const outOfServiceTaint = 'node.kubernetes.io/out-of-service';

export interface PodGcPlan {
  /** Ended pods beyond the limit, oldest first. */
  readonly terminated: readonly Pod[];
  /** Going, and never had a node that could confirm it. */
  readonly unscheduled: readonly Pod[];
  /** On a node that an administrator declared dead. */
  readonly outOfService: readonly Pod[];
  /** On nodes that do not exist (any more). */
  readonly orphaned: readonly Pod[];
}

/** Which pods nobody else will remove. Pure. */
export function planPodGc(
  all: readonly Pod[],
  nodeOf: (name: string) => Node | undefined,
  terminatedLimit: number,
): PodGcPlan {
  const age = ({ metadata }: Pod) => metadata.creationTimestamp ?? '';
  const finished = all.filter((pod) => isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined);
  const isGoing = (pod: Pod) => pod.metadata.deletionTimestamp !== undefined;
  const isDead = (node: Node | undefined) =>
    node?.spec?.taints?.some(({ key }) => key === outOfServiceTaint) === true &&
    findCondition(node.status?.conditions, 'Ready')?.status !== 'True';
  return {
    terminated:
      terminatedLimit <= 0
        ? []
        : [...finished]
            .sort((a, b) => (age(a) < age(b) ? -1 : 1))
            .slice(0, Math.max(0, finished.length - terminatedLimit)),
    unscheduled: all.filter((pod) => isGoing(pod) && !pod.spec?.nodeName),
    outOfService: all.filter((pod) => isGoing(pod) && !!pod.spec?.nodeName && isDead(nodeOf(pod.spec.nodeName))),
    orphaned: all.filter((pod) => !!pod.spec?.nodeName && !nodeOf(pod.spec.nodeName)),
  };
}

/** Removes pods that no node agent will remove. `terminatedLimit` ended pods are kept; 12500 when absent. */
export function createPodGcController(terminatedLimit = 12_500): Controller {
  const missingSince = new Map<string, number>();

  async function reconcile(_key: string, context: ControllerContext): Promise<Outcome> {
    const { informers } = context;
    const plan = planPodGc(informers.of(pods).list(), (name) => informers.of(nodes).get(name), terminatedLimit);
    for (const pod of plan.outOfService) {
      const message = 'PodGC: node has an out-of-service taint';
      await disruptPod(context, pod, { reason: 'DeletionByPodGC', message, fails: true, gracePeriodSeconds: 0 });
    }
    await removeOrphans(context, plan.orphaned);
    for (const pod of plan.unscheduled) {
      const message = 'PodGC: pod was never scheduled';
      await disruptPod(context, pod, { reason: 'DeletionByPodGC', message, fails: true, gracePeriodSeconds: 0 });
    }
    for (const pod of plan.terminated) {
      await disruptPod(context, pod, { reason: 'DeletionByPodGC', message: '', gracePeriodSeconds: 0 });
    }
    return { requeueAfterMs: roundMs };
  }

  async function removeOrphans(context: ControllerContext, orphaned: readonly Pod[]): Promise<void> {
    const now = context.clock.monotonic();
    const missing = new Set(orphaned.map((pod) => pod.spec?.nodeName ?? ''));
    for (const name of missingSince.keys()) if (!missing.has(name)) missingSince.delete(name);
    for (const name of missing) {
      const since = missingSince.get(name) ?? now;
      missingSince.set(name, since);
      if (now - since < quarantineMs || (await exists(context, name))) continue;
      for (const pod of orphaned.filter(({ spec }) => spec?.nodeName === name)) {
        const message = 'PodGC: node no longer exists';
        await disruptPod(context, pod, { reason: 'DeletionByPodGC', message, fails: true, gracePeriodSeconds: 0 });
      }
    }
  }

  async function exists({ client }: ControllerContext, name: string): Promise<boolean> {
    try {
      await client.get(nodes, { name });
      return true;
    } catch (thrown) {
      if (isReason(thrown, 'NotFound')) return false;
      throw thrown;
    }
  }

  return {
    name: 'pod-garbage-collector',
    concurrency: 1,
    watches: [
      // A pod that never had a node is gone as soon as it is deleted; the rest waits for the next round.
      watchOf(pods, (pod) => (pod.metadata.deletionTimestamp !== undefined && !pod.spec?.nodeName ? [roundKey] : [])),
    ],
    reads: [{ resource: nodes }],
    reconcile,
    async start(_context, enqueue) {
      enqueue(roundKey);
    },
  };
}
