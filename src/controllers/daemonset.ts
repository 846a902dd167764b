import { type Backoff, createBackoff } from '../core/backoff.ts';
import { isEmptySelector, matchesLabelSelector } from '../kube/label-selector.ts';
import { keyOf } from '../kube/resource.ts';
import { controllerrevisions, daemonsets, nodes, pods } from '../kube/resources.gen.ts';
import type { DaemonSet, Node, Pod } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import {
  type DaemonPlan,
  type DaemonWorld,
  daemonStatus,
  placement,
  planDaemons,
  planRollingUpdate,
  revisionHashLabel,
  targetNode,
  templateForNode,
} from './daemonset-plan.ts';
import { isEqual } from './support/equality.ts';
import { claim, owned, ownedOrOrphaned, ownerKeys, ownershipIndexes } from './support/ownership.ts';
import { createPod, deletePod, nextAvailabilityMs, podFromTemplate } from './support/pods.ts';
import { hashOf, planRevisionHistory, removeRevisions, syncRevisions } from './support/revisions.ts';
import { slowStart } from './support/slow-start.ts';

const options = { indexes: ownershipIndexes };
/** Pods made or removed in one reconcile. */
const burst = 250;
/** Delays between the ends of daemons on one node and their replacements. */
const failureBackoff = { baseMs: 1_000, capMs: 15 * 60_000, jitter: 0 };

/** Keeps one pod of each DaemonSet on every node that it selects. */
export function createDaemonSetController(): Controller {
  /** For each DaemonSet and node: how often its daemon ended, and until when none is made. */
  const failures = new Map<string, { readonly backoff: Backoff; untilMs: number }>();

  /** The ended pods that may be removed now; the others wait, so that a broken daemon does not run in circles. */
  function ripe(key: string, ended: readonly Pod[], nowMs: number): { readonly pods: Set<Pod>; waitMs: number } {
    const result = { pods: new Set<Pod>(), waitMs: Number.POSITIVE_INFINITY };
    for (const pod of ended) {
      const id = `${key}\0${targetNode(pod)}`;
      const entry = failures.get(id) ?? { backoff: createBackoff(failureBackoff), untilMs: 0 };
      failures.set(id, entry);
      if (nowMs < entry.untilMs) {
        result.waitMs = Math.min(result.waitMs, entry.untilMs - nowMs);
        continue;
      }
      entry.untilMs = nowMs + entry.backoff.next();
      result.pods.add(pod);
    }
    return result;
  }

  async function reconcile(key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, clock, events } = context;
    const daemonSet = informers.of(daemonsets).get(key);
    if (!daemonSet?.spec) {
      for (const id of failures.keys()) if (id.startsWith(`${key}\0`)) failures.delete(id);
      return done;
    }
    const { selector, minReadySeconds = 0, updateStrategy, revisionHistoryLimit = 10, template } = daemonSet.spec;
    if (isEmptySelector(selector)) {
      const message = 'This daemon set is selecting all pods. A non-empty selector is required.';
      events.event(daemonSet, 'Warning', 'SelectingAll', message);
      return done;
    }
    if (daemonSet.metadata.deletionTimestamp !== undefined) return done;
    const all = await claimPods(context, daemonSet);
    const revisions = await syncRevisions(
      context,
      { owner: daemonSet, template, hashLabel: revisionHashLabel, collisionCount: daemonSet.status?.collisionCount },
      owned(informers.of(controllerrevisions, options), daemonSet),
    );
    const hash = hashOf(revisions.current, revisionHashLabel);
    const now = clock.now();
    const world: DaemonWorld = { nodes: informers.of(nodes).list(), pods: all, hash, nowMs: now };
    const managed = planDaemons(daemonSet, world);
    const { pods: removable, waitMs } = ripe(key, managed.ended, now);
    tellEnded(context, daemonSet, [...removable]);
    const remove = managed.remove.filter((pod) => !managed.ended.includes(pod) || removable.has(pod));
    const first = { ...managed, remove };
    // A rolling update takes its step only when nothing else is to be done: the numbers must be settled.
    const isSettled = first.create.length === 0 && first.remove.length === 0;
    const isRolling = (updateStrategy?.type ?? 'RollingUpdate') === 'RollingUpdate';
    const plan = isSettled && isRolling ? planRollingUpdate(daemonSet, world) : first;
    const failure = await apply(context, daemonSet, plan, hash);
    const isLive = (revision: (typeof revisions.all)[number]) =>
      revision === revisions.current ||
      all.some(({ metadata }) => metadata.labels?.[revisionHashLabel] === hashOf(revision, revisionHashLabel));
    await removeRevisions(context, planRevisionHistory(revisions.all, isLive, revisionHistoryLimit));
    await writeStatus(context, daemonSet, world, revisions.collisionCount);
    if (failure !== undefined) throw failure;
    const nextMs = Math.min(nextAvailabilityMs(all, minReadySeconds, now) ?? Number.POSITIVE_INFINITY, waitMs);
    return nextMs === Number.POSITIVE_INFINITY ? done : { requeueAfterMs: nextMs };
  }

  return {
    name: 'daemon-set-controller',
    eventSource: 'daemonset-controller',
    watches: [
      watchOf(daemonsets, (daemonSet) => [keyOf(daemonSet)]),
      watchOf(
        pods,
        (pod, informers) =>
          ownerKeys(pod, informers.of(daemonsets), 'DaemonSet', (owner, { metadata }) =>
            selects(owner, metadata.labels),
          ),
        options,
      ),
      watchOf(
        controllerrevisions,
        (revision, informers) => ownerKeys(revision, informers.of(daemonsets), 'DaemonSet', () => false),
        options,
      ),
      watchOf(nodes, (node, informers) =>
        informers
          .of(daemonsets)
          .list()
          .filter((one) => concerns(one, node))
          .map(keyOf),
      ),
    ],
    reconcile,
  };
}

/** A node without effect on a DaemonSet need not wake it; one that left it must, so both states of a change are asked. */
function concerns(daemonSet: DaemonSet, node: Node): boolean {
  const { runs, stays } = placement(daemonSet, node);
  return runs || stays || (daemonSet.status?.numberMisscheduled ?? 0) > 0;
}

function selects(daemonSet: DaemonSet, labels: Readonly<Record<string, string>> | undefined): boolean {
  return matchesLabelSelector(daemonSet.spec?.selector, labels);
}

async function claimPods(context: ControllerContext, daemonSet: DaemonSet): Promise<readonly Pod[]> {
  const claimed = await claim(context, {
    owner: daemonSet,
    ownerResource: daemonsets,
    resource: pods,
    candidates: ownedOrOrphaned(context.informers.of(pods, options), daemonSet),
    matches: ({ metadata }) => selects(daemonSet, metadata.labels),
  });
  // A pod that ended and is deleted holds its node no longer.
  const isOver = ({ metadata, status }: Pod) =>
    metadata.deletionTimestamp !== undefined && (status?.phase === 'Failed' || status?.phase === 'Succeeded');
  return claimed.filter((pod) => !isOver(pod));
}

function tellEnded({ events }: ControllerContext, daemonSet: DaemonSet, ended: readonly Pod[]): void {
  for (const pod of ended) {
    const where = `${pod.metadata.namespace}/${pod.metadata.name} on node ${targetNode(pod)}`;
    if (pod.status?.phase === 'Failed') {
      events.event(daemonSet, 'Warning', 'FailedDaemonPod', `Found failed daemon pod ${where}, will try to kill it`);
    } else {
      events.event(
        daemonSet,
        'Normal',
        'SucceededDaemonPod',
        `Found succeeded daemon pod ${where}, will try to delete it`,
      );
    }
  }
}

async function apply(
  context: ControllerContext,
  daemonSet: DaemonSet,
  plan: DaemonPlan,
  hash: string,
): Promise<unknown> {
  const create = plan.create.slice(0, burst);
  const made = await slowStart(create.length, async (index) => {
    const template = templateForNode(daemonSet, create[index] ?? '', hash);
    await createPod(context, daemonSet, podFromTemplate(template, daemonSet));
  });
  if (made.failure !== undefined) return made.failure;
  const removed = await Promise.allSettled(
    plan.remove.slice(0, burst).map((pod) => deletePod(context, daemonSet, pod)),
  );
  return removed.find((result) => result.status === 'rejected')?.reason;
}

async function writeStatus(
  { client }: ControllerContext,
  daemonSet: DaemonSet,
  world: DaemonWorld,
  collisionCount: number | undefined,
): Promise<void> {
  const { conditions } = daemonSet.status ?? {};
  const status = {
    ...daemonStatus(daemonSet, world),
    ...(conditions ? { conditions } : {}),
    ...(collisionCount === undefined ? {} : { collisionCount }),
  };
  if (isEqual(status, daemonSet.status)) return;
  await client.update(daemonsets, { ...daemonSet, status }, { subresource: 'status' });
}
