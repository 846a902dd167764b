import { describeError } from '../core/errors.ts';
import { findCondition } from '../kube/conditions.ts';
import { isEmptySelector, matchesLabelSelector } from '../kube/label-selector.ts';
import { isPodFinished } from '../kube/pod-phase.ts';
import { keyOf } from '../kube/resource.ts';
import { deployments, pods, replicasets } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { Deployment, DeploymentStatus, ReplicaSet } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import {
  findNewReplicaSet,
  isSameTemplate,
  newReplicaSetAnnotations,
  nextRevision,
  planHistory,
  replicasAnnotations,
  revisionAnnotation,
  templateHashLabel,
} from './deployment-revision.ts';
import {
  isActive,
  isRollingUpdate,
  isScalingEvent,
  newReplicaCount,
  planNewReplicaSet,
  planOldReplicaSets,
  planScale,
  replicasOf,
  type Scaling,
} from './deployment-scaling.ts';
import {
  calculateStatus,
  deadlineCheckMs,
  deploymentCondition,
  hasProgressDeadline,
  isComplete,
  pauseConditions,
  rolloutStatus,
  setCondition,
} from './deployment-status.ts';
import { isEqual } from './support/equality.ts';
import {
  claim,
  controllerOf,
  controllerReference,
  isControlledBy,
  nameOf,
  owned,
  ownedOrOrphaned,
  ownerKeys,
  ownershipIndexes,
} from './support/ownership.ts';
import { templateHash } from './support/template-hash.ts';

const options = { indexes: ownershipIndexes };

/** Rolls Deployments out by scaling ReplicaSets, one for each template. */
export const deploymentController: Controller = {
  name: 'deployment-controller',
  watches: [
    watchOf(deployments, (deployment) => [keyOf(deployment)]),
    watchOf(
      replicasets,
      (replicaSet, informers) =>
        ownerKeys(replicaSet, informers.of(deployments), 'Deployment', (deployment, { metadata }) =>
          matchesLabelSelector(deployment.spec?.selector, metadata.labels),
        ),
      options,
    ),
    // Recreate waits for the old pods to be gone, which no ReplicaSet tells.
    watchOf(
      pods,
      (pod, informers) => {
        const owner = controllerOf(pod);
        if (owner?.kind !== 'ReplicaSet') return [];
        const key = `${pod.metadata.namespace}/${owner.name}`;
        const replicaSet = informers.of(replicasets, options).get(key);
        const parent = replicaSet && controllerOf(replicaSet);
        return parent?.kind === 'Deployment' ? [`${pod.metadata.namespace}/${parent.name}`] : [];
      },
      options,
    ),
  ],
  async reconcile(key, context) {
    const deployment = context.informers.of(deployments).get(key);
    return deployment?.spec ? new Rollout(context, deployment).reconcile() : done;
  },
};

/** One reconcile of one Deployment. `#deployment` follows the status writes, so that each is based on the one before. */
class Rollout {
  readonly #context: ControllerContext;
  #deployment: Deployment;

  constructor(context: ControllerContext, deployment: Deployment) {
    this.#context = context;
    this.#deployment = deployment;
  }

  async reconcile(): Promise<Outcome> {
    const { spec, metadata } = this.#deployment;
    if (isEmptySelector(spec?.selector)) {
      const message = 'This deployment is selecting all pods. A non-empty selector is required.';
      this.#context.events.event(this.#deployment, 'Warning', 'SelectingAll', message);
      await this.#writeStatus({ ...this.#deployment.status, observedGeneration: metadata.generation ?? 0 });
      return done;
    }
    const all = await this.#claimReplicaSets();
    if (metadata.deletionTimestamp !== undefined) return this.#syncStatus(all);
    const conditions = pauseConditions(this.#deployment, this.#now());
    if (conditions) await this.#writeStatus({ ...this.#deployment.status, conditions });
    if (spec?.paused || isScalingEvent(this.#deployment, all)) return this.#scale(all);
    return isRollingUpdate(this.#deployment) ? this.#rollingUpdate(all) : this.#recreate(all);
  }

  #now(): number {
    return this.#context.clock.now();
  }

  #claimReplicaSets(): Promise<readonly ReplicaSet[]> {
    const selector = this.#deployment.spec?.selector;
    return claim(this.#context, {
      owner: this.#deployment,
      ownerResource: deployments,
      resource: replicasets,
      candidates: ownedOrOrphaned(this.#context.informers.of(replicasets, options), this.#deployment),
      matches: ({ metadata }) => matchesLabelSelector(selector, metadata.labels),
    });
  }

  async #rollingUpdate(all: readonly ReplicaSet[]): Promise<Outcome> {
    const newOne = await this.#syncNewReplicaSet(all, 'create');
    if (!newOne) return done;
    const old = without(all, newOne);
    const up = planNewReplicaSet(this.#deployment, newOne, [...old, newOne]);
    const steps = up ? [up] : planOldReplicaSets(this.#deployment, newOne, old);
    const scaled = await this.#apply(steps);
    if (steps.length === 0) await this.#cleanUp(old);
    return this.#syncRolloutStatus(replaceAll([...old, newOne], scaled), newOne);
  }

  async #recreate(all: readonly ReplicaSet[]): Promise<Outcome> {
    const standing = await this.#syncNewReplicaSet(all, 'keep');
    const old = standing ? without(all, standing) : all;
    const down = old.filter(isActive).map((replicaSet) => ({ replicaSet, replicas: 0 }));
    if (down.length > 0) {
      const scaled = await this.#apply(down);
      return this.#syncRolloutStatus(replaceAll(all, scaled), standing);
    }
    if (this.#hasRunningPods(old)) return this.#syncRolloutStatus(all, standing);
    const newOne = standing ?? (await this.#syncNewReplicaSet(all, 'create'));
    if (!newOne) return done;
    const up = planNewReplicaSet(this.#deployment, newOne, [...old, newOne]);
    const scaled = await this.#apply(up ? [up] : []);
    await this.#cleanUp(old);
    return this.#syncRolloutStatus(replaceAll([...old, newOne], scaled), newOne);
  }

  /** A change of the desired number, or a pause: ReplicaSets are resized, but no rollout takes a step. */
  async #scale(all: readonly ReplicaSet[]): Promise<Outcome> {
    const newOne = await this.#syncNewReplicaSet(all, 'keep');
    const old = newOne ? without(all, newOne) : all;
    const scaled = await this.#apply(planScale(this.#deployment, newOne, old));
    if (this.#deployment.spec?.paused) await this.#cleanUp(old, 'paused');
    return this.#syncStatus(replaceAll([...old, ...(newOne ? [newOne] : [])], scaled));
  }

  #hasRunningPods(old: readonly ReplicaSet[]): boolean {
    const informer = this.#context.informers.of(pods, options);
    return old.some((replicaSet) => owned(informer, replicaSet).some((pod) => !isPodFinished(pod)));
  }

  /** The ReplicaSet of the current template, with the right annotations; made when `ifMissing` says so. */
  async #syncNewReplicaSet(all: readonly ReplicaSet[], ifMissing: 'create' | 'keep'): Promise<ReplicaSet | null> {
    const standing = findNewReplicaSet(this.#deployment, all);
    if (!standing) return ifMissing === 'create' ? this.#createReplicaSet(all) : null;
    const annotations = newReplicaSetAnnotations(
      this.#deployment,
      standing.metadata.annotations,
      nextRevision(without(all, standing)),
    );
    const minReadySeconds = this.#deployment.spec?.minReadySeconds ?? 0;
    let current = standing;
    const isStale = !isEqual(annotations, standing.metadata.annotations);
    if (standing.spec && (isStale || (standing.spec.minReadySeconds ?? 0) !== minReadySeconds)) {
      const metadata = { ...standing.metadata, annotations };
      current = await this.#context.client.update(replicasets, {
        ...standing,
        metadata,
        spec: { ...standing.spec, minReadySeconds },
      });
    }
    const message = `Found new replica set "${current.metadata.name}"`;
    await this.#markRevision(annotations[revisionAnnotation], 'FoundNewReplicaSet', message, 'unless-progressing');
    return current;
  }

  async #createReplicaSet(old: readonly ReplicaSet[]): Promise<ReplicaSet> {
    const { client, events } = this.#context;
    const made = this.#newReplicaSet(old);
    const name = made.metadata.name ?? '';
    let created: ReplicaSet;
    try {
      created = await client.create(replicasets, made);
    } catch (thrown) {
      if (isReason(thrown, 'AlreadyExists')) return await this.#resolveCollision(made, thrown);
      const message = `Failed to create new replica set "${name}": ${describeError(thrown)}`;
      if (hasProgressDeadline(this.#deployment)) {
        const failed = deploymentCondition('Progressing', 'False', 'ReplicaSetCreateError', message, this.#now());
        const conditions = setCondition(this.#deployment.status?.conditions, failed);
        await this.#writeStatus({ ...this.#deployment.status, conditions });
      }
      events.event(this.#deployment, 'Warning', 'ReplicaSetCreateError', message);
      throw thrown;
    }
    const replicas = replicasOf(created);
    if (replicas > 0) {
      events.event(
        this.#deployment,
        'Normal',
        'ScalingReplicaSet',
        `Scaled up replica set ${name} from 0 to ${replicas}`,
      );
    }
    const revision = created.metadata.annotations?.[revisionAnnotation];
    await this.#markRevision(revision, 'NewReplicaSetCreated', `Created new replica set "${name}"`, 'always');
    return created;
  }

  #newReplicaSet(old: readonly ReplicaSet[]): ReplicaSet {
    const deployment = this.#deployment;
    const { template, selector, minReadySeconds = 0 } = deployment.spec ?? {};
    const hash = templateHash(template, deployment.status?.collisionCount);
    const labels = { ...template?.metadata?.labels, [templateHashLabel]: hash };
    const annotations = {
      ...newReplicaSetAnnotations(deployment, undefined, nextRevision(old)),
      ...replicasAnnotations(deployment),
    };
    return {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `${deployment.metadata.name}-${hash}`,
        namespace: deployment.metadata.namespace ?? '',
        labels,
        annotations,
        ownerReferences: [controllerReference(deployment)],
      },
      spec: {
        replicas: newReplicaCount(deployment, old, 0),
        ...(minReadySeconds === 0 ? {} : { minReadySeconds }),
        selector: { ...selector, matchLabels: { ...selector?.matchLabels, [templateHashLabel]: hash } },
        template: { ...template, metadata: { ...template?.metadata, labels } },
      },
    };
  }

  /** The name is taken: by our own ReplicaSet that the cache had not shown, or by another template of the same hash. */
  async #resolveCollision(made: ReplicaSet, thrown: unknown): Promise<ReplicaSet> {
    const standing = await this.#context.client.get(replicasets, nameOf(made));
    const isOurs = isControlledBy(standing, this.#deployment);
    if (isOurs && isSameTemplate(standing.spec?.template, made.spec?.template)) return standing;
    const collisionCount = (this.#deployment.status?.collisionCount ?? 0) + 1;
    await this.#writeStatus({ ...this.#deployment.status, collisionCount });
    throw thrown;
  }

  /** Writes the revision on the Deployment (its annotations travel with the status) and tells of the progress. */
  async #markRevision(
    revision: string | undefined,
    reason: string,
    message: string,
    when: 'always' | 'unless-progressing',
  ): Promise<void> {
    const { metadata, status } = this.#deployment;
    let conditions = status?.conditions;
    const isMarked = when === 'unless-progressing' && findCondition(conditions, 'Progressing') !== undefined;
    if (hasProgressDeadline(this.#deployment) && !isMarked) {
      conditions = setCondition(conditions, deploymentCondition('Progressing', 'True', reason, message, this.#now()));
    }
    const isRevisionRight = revision === undefined || metadata.annotations?.[revisionAnnotation] === revision;
    if (isRevisionRight && conditions === status?.conditions) return;
    const annotations = {
      ...metadata.annotations,
      ...(revision === undefined ? {} : { [revisionAnnotation]: revision }),
    };
    this.#deployment = { ...this.#deployment, metadata: { ...metadata, annotations } };
    await this.#updateStatus({ ...status, ...(conditions === undefined ? {} : { conditions }) });
  }

  async #apply(steps: readonly Scaling[]): Promise<readonly ReplicaSet[]> {
    const scaled: ReplicaSet[] = [];
    for (const step of steps) scaled.push(await this.#scaleTo(step));
    return scaled;
  }

  async #scaleTo({ replicaSet, replicas }: Scaling): Promise<ReplicaSet> {
    const { client, events } = this.#context;
    const before = replicasOf(replicaSet);
    const annotations = { ...replicaSet.metadata.annotations, ...replicasAnnotations(this.#deployment) };
    const isUnchanged = before === replicas && isEqual(annotations, replicaSet.metadata.annotations);
    if (isUnchanged || !replicaSet.spec) return replicaSet;
    const metadata = { ...replicaSet.metadata, annotations };
    const updated = await client.update(replicasets, {
      ...replicaSet,
      metadata,
      spec: { ...replicaSet.spec, replicas },
    });
    if (before !== replicas) {
      const direction = replicas > before ? 'up' : 'down';
      const message = `Scaled ${direction} replica set ${metadata.name} from ${before} to ${replicas}`;
      events.event(this.#deployment, 'Normal', 'ScalingReplicaSet', message);
    }
    return updated;
  }

  async #cleanUp(old: readonly ReplicaSet[], state: 'running' | 'paused' = 'running'): Promise<void> {
    if (state === 'running' && !isComplete(this.#deployment, this.#deployment.status ?? {})) return;
    for (const replicaSet of planHistory(this.#deployment, old)) {
      try {
        await this.#context.client.delete(replicasets, nameOf(replicaSet), { propagationPolicy: 'Background' });
      } catch (thrown) {
        if (!isReason(thrown, 'NotFound')) throw thrown;
      }
    }
  }

  async #syncStatus(all: readonly ReplicaSet[]): Promise<Outcome> {
    const newOne = findNewReplicaSet(this.#deployment, all);
    await this.#writeStatus(calculateStatus(this.#deployment, all, newOne, this.#now()));
    return done;
  }

  async #syncRolloutStatus(all: readonly ReplicaSet[], newOne: ReplicaSet | null): Promise<Outcome> {
    const status = rolloutStatus(this.#deployment, all, newOne, this.#now());
    await this.#writeStatus(status);
    const waitMs = deadlineCheckMs(this.#deployment, status, this.#now());
    return waitMs === undefined ? done : { requeueAfterMs: waitMs };
  }

  async #writeStatus(status: DeploymentStatus): Promise<void> {
    if (!isEqual(status, this.#deployment.status)) await this.#updateStatus(status);
  }

  async #updateStatus(status: DeploymentStatus): Promise<void> {
    const next = { ...this.#deployment, status };
    this.#deployment = await this.#context.client.update(deployments, next, { subresource: 'status' });
  }
}

function without(all: readonly ReplicaSet[], one: ReplicaSet): readonly ReplicaSet[] {
  return all.filter(({ metadata }) => metadata.uid !== one.metadata.uid);
}

function replaceAll(all: readonly ReplicaSet[], updated: readonly ReplicaSet[]): readonly ReplicaSet[] {
  return all.map((one) => updated.find(({ metadata }) => metadata.uid === one.metadata.uid) ?? one);
}
