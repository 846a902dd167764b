import { findCondition } from '../kube/conditions.ts';
import { completionIndexAnnotation } from '../kube/job-indexes.ts';
import { matchesLabelSelector } from '../kube/label-selector.ts';
import { keyOf } from '../kube/resource.ts';
import { jobs, pods } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { Job, JobStatus, Pod } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import {
  finishedCondition,
  isFinished,
  type JobPlan,
  type NewPod,
  newPodAnnotations,
  planJob,
  trackingFinalizer,
} from './job-plan.ts';
import { isEqual } from './support/equality.ts';
import { claim, controllerOf, nameOf, ownedOrOrphaned, ownerKeys, ownershipIndexes } from './support/ownership.ts';
import { createPod, deletePod, podFromTemplate } from './support/pods.ts';
import { slowStart } from './support/slow-start.ts';

const options = { indexes: ownershipIndexes };

function matches(job: Job, pod: Pod): boolean {
  return matchesLabelSelector(job.spec?.selector, pod.metadata.labels);
}

/** Runs pods until enough of them have succeeded. Each ended pod is counted exactly once, by its finalizer. */
export const jobController: Controller = {
  name: 'job-controller',
  watches: [
    watchOf(jobs, (job) => [keyOf(job)]),
    watchOf(pods, (pod, informers) => ownerKeys(pod, informers.of(jobs), 'Job', matches), options),
  ],
  async reconcile(key, context) {
    const job = context.informers.of(jobs).get(key);
    if (!job) {
      await releaseOrphans(context, key);
      return done;
    }
    // Another controller's job (spec.managedBy) is not ours to touch.
    const { managedBy } = job.spec ?? {};
    if (managedBy !== undefined && managedBy !== 'kubernetes.io/job-controller') return done;
    return sync(context, job);
  },
};

async function sync(context: ControllerContext, job: Job): Promise<Outcome> {
  const claimed = await claim(context, {
    owner: job,
    ownerResource: jobs,
    resource: pods,
    candidates: ownedOrOrphaned(context.informers.of(pods, options), job),
    matches: (pod) => matches(job, pod),
    finalizers: [trackingFinalizer],
  });
  if (isFinished(job) || job.metadata.deletionTimestamp !== undefined) {
    for (const pod of claimed) await releasePod(context, pod);
    return done;
  }
  const plan = planJob(job, { pods: claimed, nowMs: context.clock.now() });
  // Counted first, then released: a crash in between leaves the uids in the status, so that none is counted twice.
  let current = plan.release.length > 0 ? await writeStatus(context, job, withoutEnd(plan)) : job;
  for (const pod of plan.release) await releasePod(context, pod);
  const removed = await Promise.allSettled(plan.remove.map((pod) => removePod(context, current, pod, plan)));
  const made = await slowStart(plan.create.length, (index) => create(context, current, plan.create[index] ?? {}));
  const active = (plan.status.active ?? 0) + made.succeeded;
  const { active: _, ...rest } = plan.status;
  const status = { ...rest, ...(active > 0 ? { active } : {}), uncountedTerminatedPods: {} };
  current = await writeStatus(context, current, status);
  tellEnd(context, job, current, plan);
  const failure = made.failure ?? removed.find((result) => result.status === 'rejected')?.reason;
  if (failure !== undefined) throw failure;
  return plan.requeueAfterMs === undefined ? done : { requeueAfterMs: plan.requeueAfterMs };
}

/** The status while pods are still to be released: the final condition comes only afterwards. */
function withoutEnd({ status, ended }: JobPlan): JobStatus {
  if (!ended) return status;
  const { completionTime: _, conditions = [], ...rest } = status;
  return { ...rest, conditions: conditions.filter(({ type }) => type !== ended.type) };
}

async function create(context: ControllerContext, job: Job, wanted: NewPod): Promise<void> {
  const template = job.spec?.template;
  if (!template) return;
  const made = podFromTemplate(template, job);
  const { index } = wanted;
  const annotations = { ...made.metadata.annotations, ...newPodAnnotations(job, wanted) };
  const metadata = {
    ...made.metadata,
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    finalizers: [...(made.metadata.finalizers ?? []), trackingFinalizer],
  };
  const pod = index === undefined ? { ...made, metadata } : indexedPod(job, { ...made, metadata }, index);
  await createPod(context, job, pod);
}

/** An indexed pod knows its index: by label, host name and environment. */
function indexedPod(job: Job, pod: Pod, index: number): Pod {
  const name = job.metadata.name ?? '';
  const { name: _, ...metadata } = pod.metadata;
  const variable = {
    name: 'JOB_COMPLETION_INDEX',
    valueFrom: { fieldRef: { fieldPath: `metadata.labels['${completionIndexAnnotation}']` } },
  };
  const withIndex = <C extends { readonly env?: readonly { readonly name: string }[] }>(containers: readonly C[]) =>
    containers.map((container) =>
      container.env?.some((one) => one.name === variable.name)
        ? container
        : { ...container, env: [...(container.env ?? []), variable] },
    );
  const { containers = [], initContainers } = pod.spec ?? {};
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: `${name}-${index}-`,
      labels: { ...metadata.labels, [completionIndexAnnotation]: String(index) },
    },
    spec: {
      ...pod.spec,
      hostname: `${name}-${index}`,
      containers: withIndex(containers),
      ...(initContainers ? { initContainers: withIndex(initContainers) } : {}),
    },
  };
}

/** Without its finalizer a pod is not counted: so go those that the Job itself gives up. */
async function removePod(context: ControllerContext, job: Job, pod: Pod, plan: JobPlan): Promise<void> {
  if (!plan.countsRemoved) await releasePod(context, pod);
  await deletePod(context, job, pod);
}

async function releasePod({ client }: ControllerContext, pod: Pod): Promise<void> {
  const finalizers = pod.metadata.finalizers ?? [];
  if (!finalizers.includes(trackingFinalizer)) return;
  const { uid } = pod.metadata;
  const kept = finalizers.filter((name) => name !== trackingFinalizer);
  try {
    await client.patch(pods, nameOf(pod), { type: 'merge', body: { metadata: { uid, finalizers: kept } } });
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound')) throw thrown;
  }
}

/** Pods of a Job that is gone: nobody will count them, so nothing may hold them. */
async function releaseOrphans(context: ControllerContext, key: string): Promise<void> {
  const [namespace = '', name = ''] = key.split('/');
  for (const pod of context.informers.of(pods, options).list(namespace)) {
    const owner = controllerOf(pod);
    if (owner?.kind === 'Job' && owner.name === name) await releasePod(context, pod);
  }
}

async function writeStatus({ client }: ControllerContext, job: Job, status: JobStatus): Promise<Job> {
  if (isEqual(job.status, status) && job.status?.uncountedTerminatedPods !== undefined) return job;
  return client.update(jobs, { ...job, status }, { subresource: 'status' });
}

function tellEnd({ events }: ControllerContext, before: Job, now: Job, plan: JobPlan): void {
  const suspended = (job: Job) => findCondition(job.status?.conditions, 'Suspended')?.status;
  if (suspended(now) === 'True' && suspended(before) !== 'True') {
    events.event(now, 'Normal', 'Suspended', 'Job suspended');
  } else if (suspended(now) === 'False' && suspended(before) === 'True') {
    events.event(now, 'Normal', 'Resumed', 'Job resumed');
  }
  if (!plan.ended || !finishedCondition(now)) return;
  if (plan.ended.type === 'Complete') {
    events.event(now, 'Normal', 'Completed', 'Job completed');
    return;
  }
  events.event(now, 'Warning', plan.ended.reason ?? 'Failed', plan.ended.message ?? '');
}
