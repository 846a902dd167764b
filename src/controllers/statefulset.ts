import { describeError } from '../core/errors.ts';
import { isEmptySelector, matchesLabelSelector } from '../kube/label-selector.ts';
import { keyOf } from '../kube/resource.ts';
import { controllerrevisions, persistentvolumeclaims, pods, statefulsets } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { PersistentVolumeClaim, Pod, StatefulSet } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import {
  claimOwners,
  claimsOf,
  identityLabels,
  isClaimOf,
  newPod,
  ordinalOf,
  revisionLabel,
} from './statefulset-identity.ts';
import { planStatefulSet, type SetPlan, type SetStep, type SetWorld, statefulSetStatus } from './statefulset-plan.ts';
import { isEqual } from './support/equality.ts';
import { claim, nameOf, owned, ownedOrOrphaned, ownerKeys, ownershipIndexes } from './support/ownership.ts';
import { nextAvailabilityMs } from './support/pods.ts';
import {
  planRevisionHistory,
  type Revisions,
  removeRevisions,
  syncRevisions,
  templateOf,
} from './support/revisions.ts';

const options = { indexes: ownershipIndexes };
const hashLabel = 'controller.kubernetes.io/hash';

function matches(set: StatefulSet, pod: Pod): boolean {
  return matchesLabelSelector(set.spec?.selector, pod.metadata.labels) && ordinalOf(set, pod) >= 0;
}

/** Keeps pods with stable names and volumes, in order. */
export const statefulSetController: Controller = {
  name: 'statefulset-controller',
  watches: [
    watchOf(statefulsets, (set) => [keyOf(set)]),
    watchOf(
      pods,
      (pod, informers) => ownerKeys(pod, informers.of(statefulsets), 'StatefulSet', (set) => matches(set, pod)),
      options,
    ),
    watchOf(
      controllerrevisions,
      (revision, informers) => ownerKeys(revision, informers.of(statefulsets), 'StatefulSet', () => false),
      options,
    ),
    // A claim that vanished while its pod still waits for it is made anew.
    watchOf(persistentvolumeclaims, ({ metadata: { namespace, name = '' } }, informers) =>
      informers
        .of(statefulsets)
        .list(namespace)
        .filter((set) => isClaimOf(set, name))
        .map(keyOf),
    ),
  ],
  async reconcile(key, context) {
    const set = context.informers.of(statefulsets).get(key);
    if (!set?.spec || isEmptySelector(set.spec.selector)) return done;
    return sync(context, set);
  },
};

async function sync(context: ControllerContext, set: StatefulSet): Promise<Outcome> {
  const { informers, clock } = context;
  const { template, minReadySeconds = 0, revisionHistoryLimit = 10 } = set.spec ?? {};
  if (!template) return done;
  const revisions = await syncRevisions(
    context,
    { owner: set, template, hashLabel, collisionCount: set.status?.collisionCount },
    owned(informers.of(controllerrevisions, options), set),
  );
  const claimed = await claim(context, {
    owner: set,
    ownerResource: statefulsets,
    resource: pods,
    candidates: ownedOrOrphaned(informers.of(pods, options), set),
    matches: (pod) => matches(set, pod),
  });
  const updateRevision = revisions.current.metadata.name ?? '';
  const isKnown = revisions.all.some(({ metadata }) => metadata.name === set.status?.currentRevision);
  const currentRevision = isKnown ? (set.status?.currentRevision ?? updateRevision) : updateRevision;
  const world: SetWorld = { pods: claimed, currentRevision, updateRevision, nowMs: clock.now() };
  const plan = planStatefulSet(set, world);
  const failure = await carryOut(context, set, plan, revisions, world);
  await writeStatus(context, set, world, revisions.collisionCount);
  const isLive = ({ metadata: { name = '' } }: { readonly metadata: { readonly name?: string } }) =>
    name === currentRevision ||
    name === updateRevision ||
    claimed.some(({ metadata }) => metadata.labels?.[revisionLabel] === name);
  await removeRevisions(context, planRevisionHistory(revisions.all, isLive, revisionHistoryLimit));
  if (failure !== undefined) throw failure;
  const waitMs = nextAvailabilityMs(claimed, minReadySeconds, clock.now());
  return waitMs === undefined ? done : { requeueAfterMs: waitMs };
}

/** Steps in order; the first failure ends them, and is thrown only after the status was written. */
async function carryOut(
  context: ControllerContext,
  set: StatefulSet,
  plan: SetPlan,
  revisions: Revisions,
  world: SetWorld,
): Promise<unknown> {
  try {
    if (set.metadata.deletionTimestamp === undefined) await syncClaimOwners(context, set, plan, world);
    for (const step of plan.steps) await take(context, set, step, revisions, world);
    if (set.metadata.deletionTimestamp === undefined) await restoreClaims(context, set, plan, world);
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

async function take(
  context: ControllerContext,
  set: StatefulSet,
  step: SetStep,
  revisions: Revisions,
  world: SetWorld,
): Promise<void> {
  switch (step.action) {
    case 'create': {
      const name = step.revision === 'current' ? world.currentRevision : world.updateRevision;
      const revision = revisions.all.find(({ metadata }) => metadata.name === name) ?? revisions.current;
      const pod = newPod(set, templateOf(revision), revision.metadata.name ?? '', step.ordinal);
      await createClaims(context, set, step.ordinal, pod);
      await createOrdinal(context, set, pod);
      return;
    }
    case 'replace': {
      const { namespace, name } = step.pod.metadata;
      const isFailed = step.pod.status?.phase === 'Failed';
      const [reason, what] = isFailed ? ['RecreatingFailedPod', 'failed'] : ['RecreatingTerminatedPod', 'terminated'];
      const message = `StatefulSet ${set.metadata.namespace}/${set.metadata.name} is recreating ${what} Pod ${name}`;
      context.log.debug('replacing a pod that ended', { pod: `${namespace}/${name}` });
      context.events.event(set, 'Warning', reason, message);
      await remove(context, set, step.pod);
      return;
    }
    case 'condemn':
    case 'update':
      await remove(context, set, step.pod);
      return;
    case 'mark': {
      const labels = { ...step.pod.metadata.labels, ...identityLabels(set, step.ordinal) };
      await context.client.update(pods, { ...step.pod, metadata: { ...step.pod.metadata, labels } });
    }
  }
}

async function createClaims(context: ControllerContext, set: StatefulSet, ordinal: number, pod: Pod): Promise<void> {
  const { client, informers, events } = context;
  for (const { claim: wanted } of claimsOf(set, ordinal)) {
    const name = wanted.metadata.name ?? '';
    if (informers.of(persistentvolumeclaims).get(keyOf(wanted))) continue;
    const ownerReferences = claimOwners(set, wanted, pod, false);
    const made: PersistentVolumeClaim = { ...wanted, metadata: { ...wanted.metadata, ownerReferences } };
    const about = `create Claim ${name} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
    try {
      await client.create(persistentvolumeclaims, made);
      events.event(set, 'Normal', 'SuccessfulCreate', `${about} success`);
    } catch (thrown) {
      if (isReason(thrown, 'AlreadyExists')) continue;
      events.event(set, 'Warning', 'FailedCreate', `${about} failed error: ${describeError(thrown)}`);
      throw thrown;
    }
  }
}

/**
 * Makes the missing claims of pods that have not started: such a pod came while its claim was still being deleted, and
 * would wait for it forever.
 */
async function restoreClaims(
  context: ControllerContext,
  set: StatefulSet,
  plan: SetPlan,
  world: SetWorld,
): Promise<void> {
  for (const pod of world.pods) {
    const isWaiting = pod.status?.phase === 'Pending' && pod.metadata.deletionTimestamp === undefined;
    if (isWaiting && !plan.condemned.includes(pod)) await createClaims(context, set, ordinalOf(set, pod), pod);
  }
}

async function createOrdinal({ client, events }: ControllerContext, set: StatefulSet, pod: Pod): Promise<void> {
  const about = `create Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
  try {
    await client.create(pods, pod);
    events.event(set, 'Normal', 'SuccessfulCreate', `${about} successful`);
  } catch (thrown) {
    events.event(set, 'Warning', 'FailedCreate', `${about} failed error: ${describeError(thrown)}`);
    throw thrown;
  }
}

async function remove({ client, events }: ControllerContext, set: StatefulSet, pod: Pod): Promise<void> {
  const about = `delete Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
  const { uid } = pod.metadata;
  try {
    await client.delete(pods, nameOf(pod), uid === undefined ? {} : { preconditions: { uid } });
    events.event(set, 'Normal', 'SuccessfulDelete', `${about} successful`);
  } catch (thrown) {
    if (isReason(thrown, 'NotFound')) return;
    events.event(set, 'Warning', 'FailedDelete', `${about} failed error: ${describeError(thrown)}`);
    throw thrown;
  }
}

/** Gives the claims of standing pods the owners that the retention policy wants, before any pod is scaled away. */
async function syncClaimOwners(
  { client, informers }: ControllerContext,
  set: StatefulSet,
  plan: SetPlan,
  world: SetWorld,
): Promise<void> {
  for (const pod of world.pods) {
    const isCondemned = plan.condemned.includes(pod);
    for (const { claim: wanted } of claimsOf(set, ordinalOf(set, pod))) {
      const standing = informers.of(persistentvolumeclaims).get(keyOf(wanted));
      if (!standing || standing.metadata.deletionTimestamp !== undefined) continue;
      const ownerReferences = claimOwners(set, standing, pod, isCondemned);
      if (isEqual(ownerReferences, standing.metadata.ownerReferences)) continue;
      await client.update(persistentvolumeclaims, { ...standing, metadata: { ...standing.metadata, ownerReferences } });
    }
  }
}

async function writeStatus(
  { client }: ControllerContext,
  set: StatefulSet,
  world: SetWorld,
  collisionCount: number | undefined,
): Promise<void> {
  const status = statefulSetStatus(set, world, collisionCount);
  if (isEqual(status, set.status)) return;
  await client.update(statefulsets, { ...set, status }, { subresource: 'status' });
}
