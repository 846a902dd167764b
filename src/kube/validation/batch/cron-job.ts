import { CronError, parseCronSchedule } from '../../cron.ts';
import { type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import { isTimeZone } from '../../time-zone.ts';
import type { CronJob, CronJobSpec, JobTemplateSpec } from '../../types.gen.ts';
import { selectorForm } from '../apps/replica-template.ts';
import { type Errors, nonNegative, requiredValue } from '../common.ts';
import { type PodRules, templateRules } from '../core/pod/rules.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { validateJobSpecOfTemplate } from './job-spec.ts';

// A Job has the name of its CronJob, a dash and ten digits.
const nameBytesMax = 52;

const timeZonePart = /^[A-Za-z._0-9+][A-Za-z._\-0-9+]{0,13}$/;

/** A CronJob without a spec is one with an empty one. */
const noSpec: CronJobSpec = { schedule: '', jobTemplate: {} };

export function validateCronJob({ metadata, spec = noSpec }: CronJob): readonly FieldError[] {
  const errors = [...specErrors(spec, undefined)];
  const { name = '' } = metadata;
  if (Buffer.byteLength(name) > nameBytesMax) {
    errors.push(invalid('metadata.name', name, `must be no more than ${nameBytesMax} characters`));
  }
  return errors;
}

export function validateCronJobUpdate({ metadata, spec = noSpec }: CronJob, old: CronJob): readonly FieldError[] {
  return [...validateMetaUpdateOfKind(metadata, old.metadata), ...specErrors(spec, old.spec ?? noSpec)];
}

function* specErrors(spec: CronJobSpec, old: CronJobSpec | undefined): Errors {
  const { schedule = '', timeZone } = spec;
  if (schedule === '') yield required('spec.schedule');
  else yield* scheduleErrors(schedule, timeZone, (old?.schedule ?? '').includes('TZ'));
  yield* nonNegative(spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds');
  if (timeZone !== undefined && timeZone !== old?.timeZone) yield* timeZoneErrors(timeZone, 'spec.timeZone');
  yield* requiredValue(spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'], 'spec.concurrencyPolicy');
  const rules = templateRules(old?.jobTemplate?.spec?.template);
  yield* templateErrors(spec.jobTemplate ?? {}, 'spec.jobTemplate.spec', rules);
  yield* nonNegative(spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit');
  yield* nonNegative(spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit');
}

function* scheduleErrors(schedule: string, timeZone: string | undefined, mayHaveZone: boolean): Errors {
  try {
    parseCronSchedule(schedule);
  } catch (error) {
    if (!(error instanceof CronError)) throw error;
    yield invalid('spec.schedule', schedule, error.message);
  }
  if (!schedule.includes('TZ')) return;
  if (!mayHaveZone) {
    yield invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead');
  } else if (timeZone !== undefined) {
    yield invalid('spec.schedule', schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule');
  }
}

function* timeZoneErrors(timeZone: string, field: string): Errors {
  if (timeZone === '') {
    yield invalid(field, timeZone, 'timeZone must be nil or non-empty string');
    return;
  }
  const unknown = `unknown time zone ${timeZone}`;
  if (timeZone.split('/').some((part) => part === '.' || part === '..' || !timeZonePart.test(part))) {
    yield invalid(field, timeZone, unknown);
    return;
  }
  if (timeZone.toLowerCase() === 'local') {
    const where = 'https://www.iana.org/time-zones';
    yield invalid(field, timeZone, `timeZone must be an explicit time zone as defined in ${where}`);
  }
  if (timeZone !== 'Local' && !isTimeZone(timeZone)) yield invalid(field, timeZone, unknown);
}

function* templateErrors({ spec = { template: {} } }: JobTemplateSpec, field: string, rules: PodRules): Errors {
  yield* validateJobSpecOfTemplate(spec, field, rules);
  if (spec.selector !== undefined) {
    yield invalid(`${field}.selector`, selectorForm(spec.selector), '`selector` will be auto-generated');
  }
  if (spec.manualSelector === true) yield notSupported(`${field}.manualSelector`, true, ['nil', 'false']);
}
