import { findCondition, withCondition } from '../kube/conditions.ts';
import { completionIndexAnnotation, firstFreeIndexes, formatIndexes, parseIndexes } from '../kube/job-indexes.ts';
import { formatTime, parseTime } from '../kube/time.ts';
import type { Job, JobCondition, JobStatus, Pod } from '../kube/types.gen.ts';
import { judgeFailure } from './job-failure-policy.ts';
import { isPodActive, isPodReady, isPodTerminating } from './support/pods.ts';

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
const indexFailureCountAnnotation = 'batch.kubernetes.io/job-index-failure-count';
const indexIgnoredFailureAnnotation = 'batch.kubernetes.io/job-index-ignored-failure-count';
/** Pods that one status update counts; the next round goes on. */
const uncountedMax = 500;
/** Pods of one Job that one round makes (kube-controller-manager's MaxPodCreateDeletePerSync). */
const createMax = 500;
/** Delays after failures: 10 s, doubling up to ten minutes. */
const backoffBaseMs = 10_000;
const backoffCapMs = 600_000;

export interface JobWorld {
  readonly pods: readonly Pod[];
  readonly nowMs: number;
}

/** What is to happen, in this order: status (with what is now counted), finalizers, removals, creations, final status. */
export interface JobPlan {
  readonly status: JobStatus;
  /** Ended pods that the status counts: their finalizer goes once the status is written. */
  readonly release: readonly Pod[];
  readonly remove: readonly Pod[];
  /** False: the removed pods are given up by us, and are no failures. */
  readonly countsRemoved: boolean;
  readonly create: readonly NewPod[];
  /** The condition that ended (or will end) the Job in this round, for an Event. */
  readonly ended: JobCondition | null;
  readonly requeueAfterMs: number | undefined;
}

export interface NewPod {
  readonly index?: number;
  /** For backoffLimitPerIndex: failures of the index so far. */
  readonly failures?: number;
  readonly ignoredFailures?: number;
}

export function isIndexed(job: Job): boolean {
  return job.spec?.completionMode === 'Indexed';
}

export function isFinished(job: Job): boolean {
  return finishedCondition(job) !== undefined;
}

export function finishedCondition(job: Job): JobCondition | undefined {
  return job.status?.conditions?.find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
}

function isTracked(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(trackingFinalizer) ?? false;
}

export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[completionIndexAnnotation];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function annotatedCount(pod: Pod, annotation: string): number {
  const text = pod.metadata.annotations?.[annotation];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : 0;
}

/** The annotations of a new pod. */
export function newPodAnnotations(
  job: Job,
  { index, failures, ignoredFailures }: NewPod,
): Readonly<Record<string, string>> {
  return {
    ...(index === undefined ? {} : { [completionIndexAnnotation]: String(index) }),
    ...(job.spec?.backoffLimitPerIndex === undefined ? {} : { [indexFailureCountAnnotation]: String(failures ?? 0) }),
    ...(ignoredFailures ? { [indexIgnoredFailureAnnotation]: String(ignoredFailures) } : {}),
  };
}

/** A pod has failed when its phase says so, or when it is deleted before it ended and is not waited for. */
function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true;
  const waits = job.spec?.podReplacementPolicy === 'Failed' || job.spec?.podFailurePolicy !== undefined;
  return !waits && pod.metadata.deletionTimestamp !== undefined && pod.status?.phase !== 'Succeeded';
}

/** What the ended pods add up to, with those that former rounds have counted. */
class Tally {
  readonly succeeded: number;
  readonly failed: number;
  readonly completedIndexes: Set<number>;
  readonly failedIndexes: Set<number>;
  readonly counted: Pod[] = [];
  failJobMessage: string | undefined;

  constructor(job: Job, pods: readonly Pod[]) {
    const limit = job.spec?.completions ?? 0;
    const { status } = job;
    this.completedIndexes = parseIndexes(status?.completedIndexes, limit);
    this.failedIndexes = parseIndexes(status?.failedIndexes, limit);
    const already = new Set([
      ...(status?.uncountedTerminatedPods?.succeeded ?? []),
      ...(status?.uncountedTerminatedPods?.failed ?? []),
    ]);
    let succeeded = status?.succeeded ?? 0;
    let failed = status?.failed ?? 0;
    for (const pod of pods) {
      const uid = pod.metadata.uid ?? '';
      if (!isTracked(pod)) continue;
      const isSuccess = pod.status?.phase === 'Succeeded';
      if (!isSuccess && !hasFailed(job, pod)) continue;
      if (this.counted.length >= uncountedMax) break;
      this.counted.push(pod);
      if (already.has(uid)) continue;
      if (isSuccess) succeeded += this.#succeed(job, pod, limit);
      else failed += this.#fail(job, pod);
    }
    this.succeeded = isIndexed(job) ? this.completedIndexes.size : succeeded;
    this.failed = failed;
  }

  #succeed(job: Job, pod: Pod, limit: number): number {
    if (!isIndexed(job)) return 1;
    const index = indexOf(pod);
    if (index !== undefined && index < limit) this.completedIndexes.add(index);
    return 1;
  }

  #fail(job: Job, pod: Pod): number {
    const verdict = judgeFailure(job, pod);
    if (verdict.action === 'FailJob') this.failJobMessage ??= verdict.message;
    const index = indexOf(pod);
    const { backoffLimitPerIndex } = job.spec ?? {};
    if (backoffLimitPerIndex !== undefined && index !== undefined) {
      const isLast = annotatedCount(pod, indexFailureCountAnnotation) >= backoffLimitPerIndex;
      if (verdict.action === 'FailIndex' || (verdict.action === 'Count' && isLast)) {
        if (!this.completedIndexes.has(index)) this.failedIndexes.add(index);
      }
    }
    return verdict.action === 'Ignore' ? 0 : 1;
  }
}

/** What a Job does next. Pure. */
export function planJob(job: Job, world: JobWorld): JobPlan {
  const { pods, nowMs } = world;
  const tally = new Tally(job, pods);
  const active = pods.filter((pod) => isPodActive(pod));
  const terminating = pods.filter((pod) => isPodTerminating(pod)).length;
  const suspended = job.spec?.suspend === true;
  let conditions = job.status?.conditions ?? [];
  let startTime = job.status?.startTime;
  if (startTime === undefined && !suspended) startTime = formatTime(nowMs);
  const pending = findCondition(conditions, 'FailureTarget') ?? findCondition(conditions, 'SuccessCriteriaMet');
  const target = pending?.status === 'True' ? pending : endOf(job, tally, active.length, startTime, nowMs);
  const set = (type: string, status: string, reason: string, message: string) => {
    const time = formatTime(nowMs);
    const next = { type, status, reason, message, lastProbeTime: time, lastTransitionTime: time };
    conditions = withCondition<JobCondition>(conditions, next);
  };
  let remove: readonly Pod[] = [];
  let create: readonly NewPod[] = [];
  let requeueAfterMs: number | undefined;
  let ended: JobCondition | null = null;

  if (target) {
    set(target.type, 'True', target.reason ?? '', target.message ?? '');
    remove = active;
    const isQuiet = active.length === 0 && terminating === 0 && pods.filter(isTracked).length <= tally.counted.length;
    if (isQuiet) {
      const type = target.type === 'FailureTarget' ? 'Failed' : 'Complete';
      set(type, 'True', target.reason ?? '', target.message ?? '');
      ended = findCondition(conditions, type) ?? null;
    }
  } else if (suspended) {
    remove = active;
    const isMarked = findCondition(conditions, 'Suspended')?.status === 'True';
    if (!isMarked) set('Suspended', 'True', 'JobSuspended', 'Job suspended');
    startTime = undefined;
  } else {
    if (findCondition(conditions, 'Suspended')?.status === 'True') {
      set('Suspended', 'False', 'JobResumed', 'Job resumed');
      startTime = formatTime(nowMs);
    }
    const counts = planCounts(job, tally, active, terminating, pods, nowMs);
    remove = counts.remove;
    create = counts.create;
    requeueAfterMs = earliest(counts.waitMs, deadlineWaitMs(job, startTime, nowMs));
  }
  const isComplete = ended?.type === 'Complete';
  const stillActive = active.length - remove.length;
  const indexed = isIndexed(job);
  const status: JobStatus = {
    ...(startTime === undefined ? {} : { startTime }),
    ...(isComplete ? { completionTime: formatTime(nowMs) } : {}),
    ...(stillActive > 0 || create.length > 0 ? { active: stillActive } : {}),
    terminating: terminating + remove.length,
    ready: active.filter((pod) => !remove.includes(pod) && isPodReady(pod)).length,
    ...(tally.succeeded > 0 ? { succeeded: tally.succeeded } : {}),
    ...(tally.failed > 0 ? { failed: tally.failed } : {}),
    ...(indexed && tally.completedIndexes.size > 0 ? { completedIndexes: formatIndexes(tally.completedIndexes) } : {}),
    ...(job.spec?.backoffLimitPerIndex === undefined ? {} : { failedIndexes: formatIndexes(tally.failedIndexes) }),
    ...(conditions.length > 0 ? { conditions } : {}),
    uncountedTerminatedPods: uncounted(tally.counted),
  };
  return { status, release: tally.counted, remove, countsRemoved: target !== undefined, create, ended, requeueAfterMs };
}

function uncounted(counted: readonly Pod[]) {
  const uids = (phase: 'Succeeded' | 'other') =>
    counted
      .filter(({ status }) => (status?.phase === 'Succeeded') === (phase === 'Succeeded'))
      .map(({ metadata }) => metadata.uid ?? '');
  const [succeeded, failed] = [uids('Succeeded'), uids('other')];
  return { ...(succeeded.length > 0 ? { succeeded } : {}), ...(failed.length > 0 ? { failed } : {}) };
}

interface Target {
  readonly type: 'FailureTarget' | 'SuccessCriteriaMet';
  readonly reason: string;
  readonly message: string;
}

/** Why the Job ends now, if it does. */
function endOf(
  job: Job,
  tally: Tally,
  active: number,
  startTime: string | undefined,
  nowMs: number,
): Target | undefined {
  const { spec } = job;
  const fail = (reason: string, message: string): Target => ({ type: 'FailureTarget', reason, message });
  const succeed = (reason: string, message: string): Target => ({ type: 'SuccessCriteriaMet', reason, message });
  if (tally.failJobMessage !== undefined) return fail('PodFailurePolicy', tally.failJobMessage);
  const backoffLimit = spec?.backoffLimit ?? (spec?.backoffLimitPerIndex === undefined ? 6 : 2_147_483_647);
  if (tally.failed > backoffLimit) return fail('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  if (!spec?.suspend && deadlineWaitMs(job, startTime, nowMs) === 0) {
    return fail('DeadlineExceeded', 'Job was active longer than specified deadline');
  }
  const { completions, maxFailedIndexes } = spec ?? {};
  if (maxFailedIndexes !== undefined && tally.failedIndexes.size > maxFailedIndexes) {
    return fail('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  }
  if (isIndexed(job)) {
    const policy = matchSuccessPolicy(job, tally.completedIndexes);
    if (policy !== undefined) return succeed('SuccessPolicy', policy);
    const done = tally.completedIndexes.size + tally.failedIndexes.size;
    if (tally.failedIndexes.size > 0 && done >= (completions ?? 0) && active === 0) {
      return fail('FailedIndexes', 'Job has failed indexes');
    }
  }
  const enough = completions === undefined ? tally.succeeded > 0 && active === 0 : tally.succeeded >= completions;
  const never = completions === undefined && spec?.parallelism === 0 && tally.succeeded > 0;
  if ((enough || never) && !(spec?.suspend && completions === undefined && tally.succeeded === 0)) {
    return succeed('CompletionsReached', 'Reached expected number of succeeded pods');
  }
  return undefined;
}

function matchSuccessPolicy(job: Job, completed: ReadonlySet<number>): string | undefined {
  const limit = job.spec?.completions ?? 0;
  for (const [at, { succeededCount, succeededIndexes }] of (job.spec?.successPolicy?.rules ?? []).entries()) {
    const wanted = succeededIndexes === undefined ? null : parseIndexes(succeededIndexes, limit);
    const matching = wanted === null ? completed.size : [...wanted].filter((index) => completed.has(index)).length;
    if (matching >= (succeededCount ?? wanted?.size ?? limit)) return `Matched rules at index ${at}`;
  }
  return undefined;
}

/** Milliseconds until activeDeadlineSeconds is over; undefined when there is none. */
function deadlineWaitMs(job: Job, startTime: string | undefined, nowMs: number): number | undefined {
  const seconds = job.spec?.activeDeadlineSeconds;
  const started = parseTime(startTime);
  if (seconds === undefined || started === undefined) return undefined;
  return Math.max(0, started + seconds * 1000 - nowMs);
}

function earliest(...waits: readonly (number | undefined)[]): number | undefined {
  const known = waits.filter((wait) => wait !== undefined);
  return known.length === 0 ? undefined : Math.max(1, Math.min(...known));
}

function planCounts(
  job: Job,
  tally: Tally,
  active: readonly Pod[],
  terminating: number,
  pods: readonly Pod[],
  nowMs: number,
): { readonly remove: readonly Pod[]; readonly create: readonly NewPod[]; readonly waitMs: number | undefined } {
  const { completions } = job.spec ?? {};
  const parallelism = job.spec?.parallelism ?? 1;
  const duplicates = isIndexed(job) ? surplusOfIndexes(job, active, tally) : [];
  const running = active.filter((pod) => !duplicates.includes(pod));
  const wanted =
    completions === undefined
      ? tally.succeeded > 0
        ? Math.min(running.length, parallelism)
        : parallelism
      : Math.max(0, Math.min(completions - tally.succeeded - tally.failedIndexes.size, parallelism));
  if (running.length > wanted) {
    return {
      remove: [...duplicates, ...leastWorthFirst(running).slice(0, running.length - wanted)],
      create: [],
      waitMs: undefined,
    };
  }
  const waits = job.spec?.podReplacementPolicy === 'Failed' || job.spec?.podFailurePolicy !== undefined;
  const missing = Math.min(wanted - running.length - (waits ? terminating : 0), createMax);
  if (missing <= 0) return { remove: duplicates, create: [], waitMs: undefined };
  if (isIndexed(job)) return { remove: duplicates, ...planIndexes(job, tally, running, missing, pods, nowMs) };
  const waitMs = backoffWaitMs(pods, nowMs);
  return waitMs > 0
    ? { remove: duplicates, create: [], waitMs }
    : { remove: duplicates, create: Array.from({ length: missing }, () => ({})), waitMs: undefined };
}

function planIndexes(
  job: Job,
  tally: Tally,
  running: readonly Pod[],
  missing: number,
  pods: readonly Pod[],
  nowMs: number,
): { readonly create: readonly NewPod[]; readonly waitMs: number | undefined } {
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
  const wholeWaitMs = perIndex ? 0 : backoffWaitMs(pods, nowMs);
  if (wholeWaitMs > 0) return { create: [], waitMs: wholeWaitMs };
  const waits = job.spec?.podReplacementPolicy === 'Failed' || job.spec?.podFailurePolicy !== undefined;
  const holding = [...running, ...(waits ? pods.filter(isPodTerminating) : [])];
  const busy = new Set(holding.map(indexOf).filter((index) => index !== undefined));
  const free = firstFreeIndexes(job.spec?.completions ?? 0, job.spec?.completions ?? 0, [
    tally.completedIndexes,
    tally.failedIndexes,
    busy,
  ]);
  const create: NewPod[] = [];
  let waitMs: number | undefined;
  for (const index of free) {
    if (create.length >= missing) break;
    const failures = pods.filter((pod) => indexOf(pod) === index && hasFailed(job, pod));
    const indexWaitMs = perIndex ? backoffWaitMs(failures, nowMs) : 0;
    if (indexWaitMs > 0) waitMs = earliest(waitMs, indexWaitMs);
    else create.push({ index, ...indexFailures(job, failures) });
  }
  return { create, waitMs };
}

/** How often an index failed: what its last pod knew, and that pod. */
function indexFailures(
  job: Job,
  failures: readonly Pod[],
): { readonly failures: number; readonly ignoredFailures: number } {
  let count = 0;
  let ignored = 0;
  for (const pod of failures) {
    const isIgnored = judgeFailure(job, pod).action === 'Ignore';
    count = Math.max(count, annotatedCount(pod, indexFailureCountAnnotation) + (isIgnored ? 0 : 1));
    ignored = Math.max(ignored, annotatedCount(pod, indexIgnoredFailureAnnotation) + (isIgnored ? 1 : 0));
  }
  return { failures: count, ignoredFailures: ignored };
}

/** Active pods whose index is done, failed, out of range, or held by an older pod. */
function surplusOfIndexes(job: Job, active: readonly Pod[], tally: Tally): readonly Pod[] {
  const held = new Set<number>();
  const byAge = [...active].sort((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
  return byAge.filter((pod) => {
    const index = indexOf(pod);
    if (index === undefined || index >= (job.spec?.completions ?? 0)) return true;
    if (tally.completedIndexes.has(index) || tally.failedIndexes.has(index) || held.has(index)) return true;
    held.add(index);
    return false;
  });
}

function ageOf({ metadata }: Pod): string {
  return `${metadata.creationTimestamp ?? ''}\0${metadata.name ?? ''}`;
}

function leastWorthFirst(pods: readonly Pod[]): readonly Pod[] {
  const worth = (pod: Pod) =>
    (pod.spec?.nodeName ? 1 : 0) + (pod.status?.phase === 'Running' ? 2 : 0) + (isPodReady(pod) ? 4 : 0);
  return [...pods].sort((a, b) => worth(a) - worth(b) || (ageOf(a) > ageOf(b) ? -1 : 1));
}

/** Time left of the pause after the failures since the last success. */
function backoffWaitMs(pods: readonly Pod[], nowMs: number): number {
  const endedAt = (pod: Pod) => {
    const times = (pod.status?.containerStatuses ?? []).map(
      ({ state }) => parseTime(state?.terminated?.finishedAt) ?? 0,
    );
    const ready = findCondition(pod.status?.conditions, 'Ready');
    return (
      Math.max(0, ...times) ||
      (parseTime(pod.metadata.deletionTimestamp) ?? parseTime(ready?.lastTransitionTime) ?? nowMs)
    );
  };
  const succeededAt = Math.max(0, ...pods.filter(({ status }) => status?.phase === 'Succeeded').map(endedAt));
  const failures = pods
    .filter(({ status }) => status?.phase === 'Failed')
    .map(endedAt)
    .filter((at) => at > succeededAt);
  if (failures.length === 0) return 0;
  const pauseMs = Math.min(backoffCapMs, backoffBaseMs * 2 ** Math.min(failures.length - 1, 10));
  return Math.max(0, Math.max(...failures) + pauseMs - nowMs);
}
