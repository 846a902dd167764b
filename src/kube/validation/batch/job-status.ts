import { duplicate, type FieldError, invalid, omitted, required } from '../../field-error.ts';
import { countIndexes, IndexesError, overlappingIndex } from '../../job-indexes.ts';
import type { Job, JobSpec, JobStatus } from '../../types.gen.ts';
import { type Errors, nonNegative } from '../common.ts';
import { equalInternally, internalForm } from '../internal-form.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';

const conditions = 'status.conditions';

/** Whatever controls a Job, other clients must be able to rely on its status. */
export function validateJobStatusUpdate(job: Job, old: Job): readonly FieldError[] {
  const status = job.status ?? {};
  const oldStatus = old.status ?? {};
  const changes = changesOf(status, oldStatus);
  const spec = job.spec ?? { template: {} };
  return [
    ...validateMetaUpdateOfKind(job.metadata, old.metadata),
    ...countErrors(status),
    ...completionErrors(status, changes),
    ...finishedErrors(status, spec, changes),
    ...indexErrors(status, spec, changes),
    ...podErrors(status, changes),
    ...successErrors(status, spec),
    ...transitionErrors(status, oldStatus, spec),
  ];
}

/** True when a condition of this type is there and holds. */
export function isJobConditionTrue(status: JobStatus, type: string): boolean {
  return (status.conditions ?? []).some((condition) => condition.type === type && condition.status === 'True');
}

const isComplete = (status: JobStatus) => isJobConditionTrue(status, 'Complete');
const isFailed = (status: JobStatus) => isJobConditionTrue(status, 'Failed');
const isFailureTarget = (status: JobStatus) => isJobConditionTrue(status, 'FailureTarget');
const isSuccessCriteriaMet = (status: JobStatus) => isJobConditionTrue(status, 'SuccessCriteriaMet');
const isFinished = (status: JobStatus) => isComplete(status) || isFailed(status);

/** Most rules apply only to what changes, so that a status that was wrong before can be set right piece by piece. */
type Changes = ReturnType<typeof changesOf>;

function changesOf(status: JobStatus, old: JobStatus) {
  const differ = (of: (status: JobStatus) => unknown) => of(status) !== of(old);
  return {
    finished: differ(isFinished),
    complete: differ(isComplete),
    failed: differ(isFailed),
    failureTarget: differ(isFailureTarget),
    successCriteriaMet: differ(isSuccessCriteriaMet),
    completedIndexes: differ((of) => of.completedIndexes ?? ''),
    failedIndexes: differ((of) => of.failedIndexes),
    active: differ((of) => of.active ?? 0),
    ready: differ((of) => of.ready),
    terminating: differ((of) => of.terminating),
    startTime: differ((of) => of.startTime),
    completionTime: differ((of) => of.completionTime),
    uncounted: !equalInternally('UncountedTerminatedPods', status.uncountedTerminatedPods, old.uncountedTerminatedPods),
  };
}

function* countErrors(status: JobStatus): Errors {
  for (const name of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const) {
    yield* nonNegative(status[name], `status.${name}`);
  }
  const { succeeded, failed } = status.uncountedTerminatedPods ?? {};
  const seen = new Set<string>();
  for (const [name, uids] of Object.entries({ succeeded, failed })) {
    for (const [index, uid] of (uids ?? []).entries()) {
      const field = `status.uncountedTerminatedPods.${name}[${index}]`;
      if (uid === '') yield invalid(field, uid, 'must not be empty');
      else if (seen.has(uid)) yield duplicate(field, uid);
      seen.add(uid);
    }
  }
}

function* completionErrors(status: JobStatus, changes: Changes): Errors {
  const { startTime, completionTime } = status;
  if ((changes.complete || changes.failed) && isComplete(status) && isFailed(status)) {
    yield invalid(conditions, omitted, 'cannot set Complete=True and Failed=true conditions');
  }
  if ((changes.complete || changes.failureTarget) && isComplete(status) && isFailureTarget(status)) {
    yield invalid(conditions, omitted, 'cannot set Complete=True and FailureTarget=true conditions');
  }
  if (changes.complete || changes.completionTime) {
    if (completionTime !== undefined && !isComplete(status)) {
      const detail = 'cannot set completionTime when there is no Complete=True condition';
      yield invalid('status.completionTime', completionTime, detail);
    }
    if (completionTime === undefined && isComplete(status)) {
      yield required('status.completionTime', 'completionTime is required for Complete jobs');
    }
  }
  if (!changes.startTime && !changes.completionTime) return;
  if (startTime !== undefined && completionTime !== undefined && Date.parse(completionTime) < Date.parse(startTime)) {
    yield invalid('status.completionTime', completionTime, 'must be equal to or after `startTime`');
  }
}

function* finishedErrors(status: JobStatus, spec: JobSpec, changes: Changes): Errors {
  const { active = 0, uncountedTerminatedPods: uncounted } = status;
  if ((changes.failed || changes.failureTarget) && isFailed(status) && !isFailureTarget(status)) {
    yield invalid(conditions, omitted, 'cannot set Failed=True condition without the FailureTarget=true condition');
  }
  if ((changes.complete || changes.successCriteriaMet) && isComplete(status) && !isSuccessCriteriaMet(status)) {
    const detail = 'cannot set Complete=True condition without the SuccessCriteriaMet=true condition';
    yield invalid(conditions, omitted, detail);
  }
  if (!isFinished(status)) return;
  if ((changes.finished || changes.active) && active > 0) {
    yield invalid('status.active', active, 'active>0 is invalid for finished job');
  }
  const neverStarts = spec.suspend === true && spec.completions === 0;
  if ((changes.finished || changes.startTime) && !neverStarts && status.startTime === undefined) {
    yield required('status.startTime', 'startTime is required for finished job');
  }
  const uncountedPods = (uncounted?.failed ?? []).length + (uncounted?.succeeded ?? []).length;
  if ((changes.finished || changes.uncounted) && uncountedPods > 0) {
    const form = internalForm('UncountedTerminatedPods', uncounted);
    yield invalid('status.uncountedTerminatedPods', form, 'uncountedTerminatedPods needs to be empty for finished job');
  }
}

function* indexErrors(status: JobStatus, spec: JobSpec, changes: Changes): Errors {
  const { completedIndexes: completed = '', failedIndexes: failed } = status;
  const { completions, backoffLimitPerIndex } = spec;
  if (changes.completedIndexes && completions !== undefined) {
    yield* unreadableIndexes('completedIndexes', completed, completions);
  }
  if (changes.failedIndexes && completions !== undefined && backoffLimitPerIndex !== undefined) {
    yield* unreadableIndexes('failedIndexes', failed ?? '', completions);
  }
  if (changes.completedIndexes && completed !== '' && spec.completionMode !== 'Indexed') {
    const detail = 'cannot set non-empty completedIndexes when non-indexed completion mode';
    yield invalid('status.completedIndexes', completed, detail);
  }
  if (failed === undefined) return;
  if (changes.failedIndexes && backoffLimitPerIndex === undefined) {
    yield invalid(
      'status.failedIndexes',
      failed,
      'cannot set non-null failedIndexes when backoffLimitPerIndex is null',
    );
  }
  if (!(changes.failedIndexes || changes.completedIndexes) || completions === undefined) return;
  const overlap = overlappingIndex(completed, failed, completions);
  if (overlap !== undefined) {
    yield invalid('status.failedIndexes', failed, `failedIndexes and completedIndexes overlap at index: ${overlap}`);
  }
}

function* unreadableIndexes(name: string, text: string, completions: number): Errors {
  try {
    countIndexes(text, completions);
  } catch (error) {
    if (!(error instanceof IndexesError)) throw error;
    yield invalid(`status.${name}`, text, `error parsing ${name}: ${error.message}`);
  }
}

function* podErrors({ active = 0, ready, terminating = 0, ...status }: JobStatus, changes: Changes): Errors {
  if ((changes.finished || changes.terminating) && terminating > 0 && isFinished(status)) {
    yield invalid('status.terminating', terminating, 'terminating>0 is invalid for finished job');
  }
  if ((changes.ready || changes.active) && ready !== undefined && ready > active) {
    yield invalid('status.ready', ready, 'cannot set more ready pods than active');
  }
}

function* successErrors(status: JobStatus, spec: JobSpec): Errors {
  const isMet = isSuccessCriteriaMet(status);
  if (isMet && isFailed(status)) {
    yield invalid(conditions, omitted, 'cannot set SuccessCriteriaMet=True and Failed=true conditions');
  }
  if (isMet && isFailureTarget(status)) {
    yield invalid(conditions, omitted, 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions');
  }
  if (spec.successPolicy !== undefined && !isMet && isComplete(status)) {
    const detail = 'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True';
    yield invalid(conditions, omitted, detail);
  }
}

function* transitionErrors(status: JobStatus, old: JobStatus, spec: JobSpec): Errors {
  for (const type of ['Failed', 'Complete', 'FailureTarget']) {
    if (isJobConditionTrue(old, type) && !isJobConditionTrue(status, type)) {
      yield invalid(conditions, omitted, `cannot disable the terminal ${type}=True condition`);
    }
  }
  const { failed = 0, succeeded = 0, completionTime } = status;
  if (failed < (old.failed ?? 0)) yield invalid('status.failed', failed, 'cannot decrease the failed counter');
  // Jobs whose size follows their parallelism can shrink.
  const mayShrink = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism;
  if (!mayShrink && succeeded < (old.succeeded ?? 0)) {
    yield invalid('status.succeeded', succeeded, 'cannot decrease the succeeded counter');
  }
  if (completionTime !== undefined && old.completionTime !== undefined && completionTime !== old.completionTime) {
    yield invalid('status.completionTime', completionTime, 'field is immutable');
  }
  if (old.startTime !== undefined && old.startTime !== status.startTime && spec.suspend !== true) {
    const detail = 'field is immutable for unsuspended job once set';
    yield invalid('status.startTime', status.startTime ?? null, detail);
  }
  if (isSuccessCriteriaMet(old) && !isSuccessCriteriaMet(status)) {
    yield invalid(conditions, omitted, 'cannot disable the SuccessCriteriaMet=True condition');
  }
  if (isComplete(old) && !isSuccessCriteriaMet(old) && isSuccessCriteriaMet(status)) {
    const detail = 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions';
    yield invalid(conditions, omitted, detail);
  }
}
