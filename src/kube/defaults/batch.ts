import type { Draft } from '../draft.ts';
import type { CronJob, Job, JobSpec } from '../types.gen.ts';
import { setPodSpecDefaults } from './pod-spec.ts';

/** With a limit for each index, the limit for the whole job is out of reach. */
const unlimited = 2147483647;

export function setJobDefaults(job: Draft<Job>): void {
  const { spec } = job;
  if (spec === undefined) return;
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : unlimited;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
  setNestedJobDefaults(spec);
}

// What holds for the spec of a job also where it is a CronJob's template.
function setNestedJobDefaults(spec: Draft<JobSpec>): void {
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) if (!pattern.status) pattern.status = 'True';
  }
  if (spec.template?.spec !== undefined) setPodSpecDefaults(spec.template.spec);
}

export function setCronJobDefaults({ spec }: Draft<CronJob>): void {
  if (spec === undefined) return;
  spec.concurrencyPolicy ??= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  if (spec.jobTemplate?.spec !== undefined) setNestedJobDefaults(spec.jobTemplate.spec);
}
