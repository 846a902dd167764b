import { describeError } from '../core/errors.ts';
import { findCondition, withCondition, withoutCondition } from '../kube/conditions.ts';
import { matchesLabelSelector, matchesLabels } from '../kube/label-selector.ts';
import type { KubeObject } from '../kube/object.ts';
import { keyOf, type Resource } from '../kube/resource.ts';
import { pods, replicasets, replicationcontrollers } from '../kube/resources.gen.ts';
import { formatTime } from '../kube/time.ts';
import type { LabelSelector, Pod, PodTemplateSpec, ReplicaSet, ReplicationController } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import { sortForDeletion } from './support/deletion-order.ts';
import { isEqual } from './support/equality.ts';
import { nonZero } from './support/non-zero.ts';
import { claim, controllerOf, owned, ownedOrOrphaned, ownerKeys, ownershipIndexes } from './support/ownership.ts';
import {
  createPod,
  deletePod,
  isPodActive,
  isPodAvailable,
  isPodReady,
  isPodTerminating,
  nextAvailabilityMs,
  podFromTemplate,
} from './support/pods.ts';
import { slowStart } from './support/slow-start.ts';

/** Pods made or removed in one reconcile; the next one goes on. */
const burstReplicas = 500;

/** What a ReplicaSet and a ReplicationController have in common. */
export interface ReplicaSpec {
  readonly replicas: number;
  readonly minReadySeconds: number;
  readonly template: PodTemplateSpec;
}

export interface ReplicaPlan {
  readonly create: number;
  readonly remove: readonly Pod[];
}

/** How many pods to make, or which to remove, so that `active` becomes what the spec says. Pure. */
export function planReplicas(
  spec: ReplicaSpec,
  active: readonly Pod[],
  crowding: (pod: Pod) => number,
  nowMs: number,
): ReplicaPlan {
  const surplus = active.length - spec.replicas;
  if (surplus <= 0) return { create: Math.min(-surplus, burstReplicas), remove: [] };
  const count = Math.min(surplus, burstReplicas);
  return { create: 0, remove: sortForDeletion(active, crowding, nowMs).slice(0, count) };
}

export interface ReplicaCounts {
  readonly replicas: number;
  readonly fullyLabeledReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
}

/** The numbers of a status. Pure. */
export function countReplicas(spec: ReplicaSpec, active: readonly Pod[], nowMs: number): ReplicaCounts {
  const labels = spec.template.metadata?.labels;
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => matchesLabels(labels, pod.metadata.labels)).length,
    readyReplicas: active.filter(isPodReady).length,
    availableReplicas: active.filter((pod) => isPodAvailable(pod, spec.minReadySeconds, nowMs)).length,
  };
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** The conditions after a try to reach `desired` from `actual` that ended with `failure` (or did not). Pure. */
export function replicaConditions(
  standing: readonly Condition[] | undefined,
  failure: unknown,
  desired: number,
  actual: number,
  nowMs: number,
): readonly Condition[] {
  if (failure === undefined) return withoutCondition(standing, 'ReplicaFailure');
  if (findCondition(standing, 'ReplicaFailure')) return standing ?? [];
  return withCondition<Condition>(standing, {
    type: 'ReplicaFailure',
    status: 'True',
    reason: actual < desired ? 'FailedCreate' : 'FailedDelete',
    message: describeError(failure),
    lastTransitionTime: formatTime(nowMs),
  });
}

/** What differs between the two kinds that keep a number of pods alive. */
interface Flavor<O extends KubeObject> {
  readonly name: string;
  readonly eventSource: string;
  readonly resource: Resource<O>;
  spec(owner: O): ReplicaSpec | undefined;
  matches(owner: O, labels: Readonly<Record<string, string>> | undefined): boolean;
  conditions(owner: O): readonly Condition[] | undefined;
  status(owner: O): unknown;
  withStatus(owner: O, counts: ReplicaCounts, conditions: readonly Condition[], terminating: number): O;
}

function createReplicaController<O extends KubeObject>(flavor: Flavor<O>): Controller {
  const { resource, name, eventSource } = flavor;
  const podOptions = { indexes: ownershipIndexes };

  async function reconcile(key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, clock } = context;
    const owner = informers.of(resource).get(key);
    const spec = owner && flavor.spec(owner);
    if (!owner || !spec) return done;
    const podInformer = informers.of(pods, podOptions);
    const candidates = ownedOrOrphaned(podInformer, owner);
    const matches = (pod: Pod) => flavor.matches(owner, pod.metadata.labels);
    const claimed = await claim(context, {
      owner,
      ownerResource: resource,
      resource: pods,
      candidates: candidates.filter(isPodActive),
      matches,
    });
    const terminating = owned(podInformer, owner).filter(isPodTerminating).length;
    const isGoing = owner.metadata.deletionTimestamp !== undefined;
    const failure = isGoing ? undefined : await act(context, owner, spec, claimed);
    await writeStatus(context, owner, spec, claimed, terminating, failure);
    if (failure !== undefined) throw failure;
    const waitMs = nextAvailabilityMs(claimed, spec.minReadySeconds, clock.now());
    return waitMs === undefined ? done : { requeueAfterMs: waitMs };
  }

  async function act(
    context: ControllerContext,
    owner: O,
    spec: ReplicaSpec,
    active: readonly Pod[],
  ): Promise<unknown> {
    const plan = planReplicas(spec, active, crowdingOf(context, owner), context.clock.now());
    const made = await slowStart(plan.create, async () => {
      await createPod(context, owner, podFromTemplate(spec.template, owner));
    });
    if (made.failure !== undefined) return made.failure;
    const removed = await Promise.allSettled(plan.remove.map((pod) => deletePod(context, owner, pod)));
    return removed.find((result) => result.status === 'rejected')?.reason;
  }

  /** On each node, the active pods of all owners that share this one's controller (a Deployment's ReplicaSets). */
  function crowdingOf(context: ControllerContext, owner: O): (pod: Pod) => number {
    const byNode = new Map<string, number>();
    const parent = controllerOf(owner);
    const siblings = parent ? context.informers.of(resource).list(owner.metadata.namespace) : [owner];
    for (const sibling of siblings) {
      if (parent && controllerOf(sibling)?.uid !== parent.uid) continue;
      for (const pod of owned(context.informers.of(pods, podOptions), sibling)) {
        const node = pod.spec?.nodeName ?? '';
        if (isPodActive(pod)) byNode.set(node, (byNode.get(node) ?? 0) + 1);
      }
    }
    return (pod) => byNode.get(pod.spec?.nodeName ?? '') ?? 0;
  }

  async function writeStatus(
    context: ControllerContext,
    owner: O,
    spec: ReplicaSpec,
    active: readonly Pod[],
    terminating: number,
    failure: unknown,
  ): Promise<void> {
    const now = context.clock.now();
    const counts = countReplicas(spec, active, now);
    const conditions = replicaConditions(flavor.conditions(owner), failure, spec.replicas, active.length, now);
    const next = flavor.withStatus(owner, counts, conditions, terminating);
    if (isEqual(flavor.status(owner), flavor.status(next))) return;
    await context.client.update(resource, next, { subresource: 'status' });
  }

  return {
    name,
    eventSource,
    watches: [
      watchOf(resource, (owner) => [keyOf(owner)]),
      watchOf(
        pods,
        (pod, informers) =>
          ownerKeys(pod, informers.of(resource), resource.kind, (owner, object) =>
            flavor.matches(owner, object.metadata.labels),
          ),
        podOptions,
      ),
    ],
    reconcile,
  };
}

function selects(selector: LabelSelector | undefined, labels: Readonly<Record<string, string>> | undefined): boolean {
  return matchesLabelSelector(selector, labels);
}

/** Keeps each ReplicaSet's number of pods. */
export const replicaSetController: Controller = createReplicaController<ReplicaSet>({
  name: 'replicaset-controller',
  eventSource: 'replicaset-controller',
  resource: replicasets,
  spec: ({ spec }) =>
    spec?.template && {
      replicas: spec.replicas ?? 1,
      minReadySeconds: spec.minReadySeconds ?? 0,
      template: spec.template,
    },
  matches: (owner, labels) => selects(owner.spec?.selector, labels),
  conditions: (owner) => owner.status?.conditions,
  status: (owner) => owner.status,
  withStatus: (owner, { replicas, ...counts }, conditions, terminatingReplicas) => ({
    ...owner,
    status: {
      replicas,
      ...nonZero({ ...counts, observedGeneration: owner.metadata.generation, conditions }),
      terminatingReplicas,
    },
  }),
});

/** Keeps each ReplicationController's number of pods. */
export const replicationControllerController: Controller = createReplicaController<ReplicationController>({
  name: 'replication-controller',
  eventSource: 'replication-controller',
  resource: replicationcontrollers,
  spec: ({ spec }) =>
    spec?.template && {
      replicas: spec.replicas ?? 1,
      minReadySeconds: spec.minReadySeconds ?? 0,
      template: spec.template,
    },
  matches: ({ spec }, labels) => Object.keys(spec?.selector ?? {}).length > 0 && matchesLabels(spec?.selector, labels),
  conditions: (owner) => owner.status?.conditions,
  status: (owner) => owner.status,
  withStatus: (owner, { replicas, ...counts }, conditions) => ({
    ...owner,
    status: { replicas, ...nonZero({ ...counts, observedGeneration: owner.metadata.generation, conditions }) },
  }),
});
