import { describeError } from '../core/errors.ts';
import { type CronSchedule, parseCronSchedule } from '../kube/cron.ts';
import { keyOf } from '../kube/resource.ts';
import { cronjobs, jobs } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { formatTime, parseTime } from '../kube/time.ts';
import { isTimeZone } from '../kube/time-zone.ts';
import type { CronJob, CronJobStatus, Job, ObjectReference } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import { nextTime } from './cron-schedule.ts';
import { finishedCondition } from './job-plan.ts';
import { isEqual } from './support/equality.ts';
import {
  controllerOf,
  controllerReference,
  isControlledBy,
  nameOf,
  owned,
  ownershipIndexes,
} from './support/ownership.ts';

const options = { indexes: ownershipIndexes };
const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** A CronJob that missed more times than this is told so; it goes on with the newest. */
const missedMax = 100;

export interface Due {
  /** The newest time that was missed since the last run; undefined when none is due. */
  readonly dueMs: number | undefined;
  readonly nextMs: number | undefined;
  readonly missed: number;
}

/** Which scheduled time is due. Pure. */
export function planSchedule(cronJob: CronJob, schedule: CronSchedule, nowMs: number): Due {
  const timeZone = cronJob.spec?.timeZone ?? 'UTC';
  const deadline = cronJob.spec?.startingDeadlineSeconds;
  const last = parseTime(cronJob.status?.lastScheduleTime ?? cronJob.metadata.creationTimestamp) ?? nowMs;
  let from = deadline === undefined ? last : Math.max(last, nowMs - deadline * 1000);
  let dueMs: number | undefined;
  let missed = 0;
  for (;;) {
    const next = nextTime(schedule, from, timeZone);
    if (next === undefined || next > nowMs) return { dueMs, nextMs: next, missed };
    dueMs = next;
    missed++;
    from = next;
    // After a long pause the steps are lengthened, so that a schedule of minutes does not count through a year.
    if (missed === missedMax) from = Math.max(from, newestBefore(schedule, nowMs, timeZone));
  }
}

/** A time not long before `nowMs` from which few steps lead to the newest due one. */
function newestBefore(schedule: CronSchedule, nowMs: number, timeZone: string): number {
  for (let backMs = 3_600_000; backMs < 400 * 86_400_000; backMs *= 4) {
    const found = nextTime(schedule, nowMs - backMs, timeZone);
    if (found !== undefined && found <= nowMs) return found - 1;
  }
  return Number.NEGATIVE_INFINITY;
}

/** Finished Jobs that the history limits leave no room for. Pure. */
export function planJobHistory(cronJob: CronJob, children: readonly Job[]): readonly Job[] {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cronJob.spec ?? {};
  const surplus = (type: string, limit: number) => {
    const finished = children.filter((job) => finishedCondition(job)?.type === type).sort(byStart);
    return finished.slice(0, Math.max(0, finished.length - limit));
  };
  return [...surplus('Complete', successfulJobsHistoryLimit), ...surplus('Failed', failedJobsHistoryLimit)];
}

function byStart(a: Job, b: Job): number {
  const time = ({ status, metadata }: Job) => `${status?.startTime ?? ''}\0${metadata.name ?? ''}`;
  return time(a) < time(b) ? -1 : 1;
}

async function reconcile(key: string, context: ControllerContext): Promise<Outcome> {
  const { informers, client, clock, events } = context;
  const cronJob = informers.of(cronjobs).get(key);
  if (!cronJob?.spec) return done;
  const children = owned(informers.of(jobs, options), cronJob);
  for (const job of planJobHistory(cronJob, children)) await removeJob(context, cronJob, job);
  let current = await writeStatus(context, cronJob, observe(context, cronJob, children));
  if (cronJob.metadata.deletionTimestamp !== undefined || cronJob.spec.suspend) return done;
  const schedule = scheduleOf(context, cronJob);
  if (!schedule) return done;
  const now = clock.now();
  const due = planSchedule(current, schedule, now);
  const wait: Outcome = due.nextMs === undefined ? done : { requeueAfterMs: Math.max(100, due.nextMs - now) };
  if (due.missed > missedMax) {
    const message = `too many missed start times: ${due.missed}. Set or decrease .spec.startingDeadlineSeconds or check clock skew`;
    events.event(cronJob, 'Warning', 'TooManyMissedTimes', message);
  }
  if (due.dueMs === undefined) return wait;
  const deadline = cronJob.spec.startingDeadlineSeconds;
  if (deadline !== undefined && due.dueMs + deadline * 1000 < now) {
    events.event(cronJob, 'Warning', 'MissSchedule', `Missed scheduled time to start a job: ${formatTime(due.dueMs)}`);
    return wait;
  }
  const active = children.filter((job) => !finishedCondition(job));
  if (cronJob.spec.concurrencyPolicy === 'Forbid' && active.length > 0) {
    const message = 'Not starting job because prior execution is running and concurrency policy is Forbid';
    events.event(cronJob, 'Normal', 'JobAlreadyActive', message);
    return wait;
  }
  if (cronJob.spec.concurrencyPolicy === 'Replace') for (const job of active) await removeJob(context, cronJob, job);
  const job = await createJob(context, current, due.dueMs);
  const kept = cronJob.spec.concurrencyPolicy === 'Replace' ? [] : (current.status?.active ?? []);
  const isListed = kept.some(({ uid }) => uid === job.metadata.uid);
  current = await client.update(
    cronjobs,
    {
      ...current,
      status: {
        ...current.status,
        active: isListed ? kept : [...kept, referenceTo(job)],
        lastScheduleTime: formatTime(due.dueMs),
      },
    },
    { subresource: 'status' },
  );
  return wait;
}

/** Which Jobs are still active, and when one last succeeded. */
function observe({ events }: ControllerContext, cronJob: CronJob, children: readonly Job[]): CronJobStatus {
  const listed = cronJob.status?.active ?? [];
  const active: ObjectReference[] = [];
  let lastSuccessfulTime = cronJob.status?.lastSuccessfulTime;
  for (const reference of listed) {
    const job = children.find(({ metadata }) => metadata.uid === reference.uid);
    const condition = job && finishedCondition(job);
    if (!job) events.event(cronJob, 'Normal', 'MissingJob', `Active job went missing: ${reference.name}`);
    else if (!condition) active.push(reference);
    else {
      const message = `Saw completed job: ${reference.name}, condition: ${condition.type}`;
      events.event(cronJob, 'Normal', 'SawCompletedJob', message);
    }
  }
  for (const job of children) {
    const completed = job.status?.completionTime;
    if (finishedCondition(job)?.type === 'Complete' && completed !== undefined) {
      if (lastSuccessfulTime === undefined || completed > lastSuccessfulTime) lastSuccessfulTime = completed;
    }
    if (finishedCondition(job) || listed.some(({ uid }) => uid === job.metadata.uid)) continue;
    const message = `Saw a job that the controller did not create or forgot: ${job.metadata.name}`;
    events.event(cronJob, 'Warning', 'UnexpectedJob', message);
  }
  const { active: _, lastSuccessfulTime: _time, ...rest } = cronJob.status ?? {};
  return { ...rest, ...(active.length > 0 ? { active } : {}), ...(lastSuccessfulTime ? { lastSuccessfulTime } : {}) };
}

function scheduleOf({ events }: ControllerContext, cronJob: CronJob): CronSchedule | undefined {
  const { schedule = '', timeZone } = cronJob.spec ?? {};
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    const message = `invalid timeZone: "${timeZone}": unknown time zone ${timeZone}`;
    events.event(cronJob, 'Warning', 'UnknownTimeZone', message);
    return undefined;
  }
  try {
    return parseCronSchedule(schedule);
  } catch (thrown) {
    const message = `unparseable schedule: "${schedule}" : ${describeError(thrown)}`;
    events.event(cronJob, 'Warning', 'UnparseableSchedule', message);
    return undefined;
  }
}

async function createJob({ client, events }: ControllerContext, cronJob: CronJob, dueMs: number): Promise<Job> {
  const { metadata: templateMetadata, spec } = cronJob.spec?.jobTemplate ?? {};
  const name = `${cronJob.metadata.name}-${Math.floor(dueMs / 60_000)}`;
  const job: Job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: cronJob.metadata.namespace ?? '',
      ...(templateMetadata?.labels ? { labels: templateMetadata.labels } : {}),
      annotations: { ...templateMetadata?.annotations, [scheduledAnnotation]: formatTime(dueMs) },
      ownerReferences: [controllerReference(cronJob)],
    },
    ...(spec ? { spec } : {}),
  };
  try {
    const created = await client.create(jobs, job);
    events.event(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${name}`);
    return created;
  } catch (thrown) {
    if (isReason(thrown, 'AlreadyExists')) {
      const standing = await client.get(jobs, nameOf(job));
      if (isControlledBy(standing, cronJob)) return standing;
    }
    events.event(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${describeError(thrown)}`);
    throw thrown;
  }
}

async function removeJob({ client, events }: ControllerContext, cronJob: CronJob, job: Job): Promise<void> {
  try {
    await client.delete(jobs, nameOf(job), { propagationPolicy: 'Background' });
    events.event(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`);
  } catch (thrown) {
    if (isReason(thrown, 'NotFound')) return;
    events.event(cronJob, 'Warning', 'FailedDelete', `Deleted job: ${describeError(thrown)}`);
    throw thrown;
  }
}

async function writeStatus({ client }: ControllerContext, cronJob: CronJob, status: CronJobStatus): Promise<CronJob> {
  if (isEqual(status, cronJob.status)) return cronJob;
  return client.update(cronjobs, { ...cronJob, status }, { subresource: 'status' });
}

function referenceTo(job: Job): ObjectReference {
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = job.metadata;
  return { kind: 'Job', apiVersion: 'batch/v1', namespace, name, uid, resourceVersion };
}

/** Makes Jobs at their times. */
export const cronJobController: Controller = {
  name: 'cronjob-controller',
  watches: [
    watchOf(cronjobs, (cronJob) => [keyOf(cronJob)]),
    watchOf(
      jobs,
      (job) => {
        const owner = controllerOf(job);
        return owner?.kind === 'CronJob' ? [`${job.metadata.namespace}/${owner.name}`] : [];
      },
      options,
    ),
  ],
  reconcile,
};
