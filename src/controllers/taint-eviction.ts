import { keyOf } from '../kube/resource.ts';
import { nodes, pods } from '../kube/resources.gen.ts';
import { tolerates } from '../kube/scheduling.ts';
import { parseTime } from '../kube/time.ts';
import type { Taint, Toleration } from '../kube/types.gen.ts';
import { type Controller, done, type Informers, watchOf } from '../runtime/controller.ts';
import { nodeOfPod } from './node-lifecycle.ts';
import { disruptPod } from './support/pod-disruption.ts';

const podOptions = { indexes: { node: nodeOfPod } };

/**
 * When a pod must leave a node with these NoExecute taints, in milliseconds since the epoch: 0 at once, Infinity
 * never. Of the tolerations that apply the shortest counts (core/v1 tolerationSeconds). Pure.
 */
export function evictionTimeMs(taints: readonly Taint[], tolerations: readonly Toleration[], nowMs: number): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    const seconds = matching.map(({ tolerationSeconds }) => tolerationSeconds ?? Number.POSITIVE_INFINITY);
    const shortest = Math.max(0, Math.min(...seconds));
    if (shortest === 0) return 0;
    earliest = Math.min(earliest, (parseTime(taint.timeAdded) ?? nowMs) + shortest * 1000);
  }
  return earliest;
}

function podKeys(node: { readonly metadata: { readonly name?: string } }, informers: Informers): readonly string[] {
  return informers
    .of(pods, podOptions)
    .byIndex('node', node.metadata.name ?? '')
    .map(keyOf);
}

/** Deletes pods that do not tolerate their node's NoExecute taints, when their time is up. */
export function createTaintEvictionController(): Controller {
  /** Pods whose eviction waits, with its time: an eviction that is called off is told. */
  const waiting = new Map<string, { readonly uid: string | undefined; readonly atMs: number }>();
  return {
    name: 'taint-eviction-controller',
    watches: [watchOf(pods, (pod) => [keyOf(pod)], podOptions), watchOf(nodes, podKeys)],
    async reconcile(key, context) {
      const { informers, clock, events } = context;
      const pod = informers.of(pods, podOptions).get(key);
      const node = pod?.spec?.nodeName ? informers.of(nodes).get(pod.spec.nodeName) : undefined;
      if (!pod || !node || pod.metadata.deletionTimestamp !== undefined) {
        waiting.delete(key);
        return done;
      }
      const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
      const now = clock.now();
      const before = waiting.get(key);
      const computed = evictionTimeMs(taints, pod.spec?.tolerations ?? [], now);
      // A taint without a time counts from when it was first seen.
      const atMs = before && before.uid === pod.metadata.uid ? Math.min(before.atMs, computed) : computed;
      if (computed === Number.POSITIVE_INFINITY) {
        if (waiting.delete(key))
          events.event(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`);
        return done;
      }
      if (atMs > now) {
        waiting.set(key, { uid: pod.metadata.uid, atMs });
        return { requeueAfterMs: atMs - now };
      }
      waiting.delete(key);
      events.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`);
      const message = 'Taint manager: deleting due to NoExecute taint';
      await disruptPod(context, pod, { reason: 'DeletionByTaintManager', message });
      return done;
    },
  };
}
