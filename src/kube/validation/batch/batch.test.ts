import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFieldError } from '../../field-error.ts';
import { countIndexes, overlappingIndex } from '../../job-indexes.ts';
import type { CronJob, CronJobSpec, Job, JobSpec, JobStatus } from '../../types.gen.ts';
import { validateCronJob, validateCronJobUpdate } from './cron-job.ts';
import { validateJob, validateJobUpdate } from './job.ts';
import { validateJobStatusUpdate } from './job-status.ts';

const podSpec = {
  containers: [
    {
      name: 'c',
      image: 'i',
      imagePullPolicy: 'Always',
      terminationMessagePolicy: 'File',
      terminationMessagePath: '/x',
    },
  ],
  restartPolicy: 'Never',
  dnsPolicy: 'ClusterFirst',
  terminationGracePeriodSeconds: 30,
  schedulerName: 'default-scheduler',
};

function job(spec: Partial<JobSpec> = {}, status: JobStatus = {}): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'j', namespace: 'n', uid: 'u', resourceVersion: '1' },
    spec: {
      manualSelector: true,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: podSpec },
      completionMode: 'NonIndexed',
      ...spec,
    },
    status,
  };
}

const failing = { containerName: 'c', operator: 'In', values: [1] };
const indexed = { completionMode: 'Indexed', completions: 3 };

const jobCases: readonly (readonly [Partial<JobSpec>, readonly string[]])[] = [
  [{}, []],
  [{ parallelism: -1 }, ['spec.parallelism: Invalid value: -1: must be greater than or equal to 0']],
  [{ completionMode: 'Indexed' }, ['spec.completions: Required value: when completion mode is Indexed']],
  [
    { maxFailedIndexes: 1 },
    [
      'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
      'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode',
    ],
  ],
  [
    { managedBy: 'me' },
    ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'],
  ],
  [
    { podReplacementPolicy: 'Never' },
    ['spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", "TerminatingOrFailed"'],
  ],
  [
    { podFailurePolicy: { rules: [{ action: 'FailIndex', onExitCodes: failing }] } },
    ['spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set'],
  ],
  [
    { podFailurePolicy: { rules: [{ action: 'Count', onExitCodes: { ...failing, values: [3, 0, 3] } }] } },
    [
      'spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator',
      'spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 3',
      'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0,3]: must be ordered',
    ],
  ],
  [
    { ...indexed, successPolicy: { rules: [{ succeededIndexes: '0,2-1' }] } },
    [
      'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0,2-1": error parsing succeededIndexes: non-increasing order, previous: 2, current: 1',
    ],
  ],
  [
    { template: { metadata: { labels: { a: 'c' } }, spec: podSpec } },
    ['spec.template.metadata.labels: Invalid value: {"a":"c"}: `selector` does not match template `labels`'],
  ],
];

test('Jobs', () => {
  for (const [spec, messages] of jobCases) {
    assert.deepEqual(validateJob(job(spec)).map(renderFieldError), messages, JSON.stringify(spec));
  }
});

test('an indexed Job grows with its parallelism only', () => {
  const old = job({ ...indexed, parallelism: 3 });
  assert.deepEqual(validateJobUpdate(job({ ...indexed, completions: 5, parallelism: 5 }), old), []);
  assert.deepEqual(validateJobUpdate(job({ ...indexed, completions: 5, parallelism: 3 }), old).map(renderFieldError), [
    'spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism',
  ]);
});

test('a template changes only where a suspended Job has no pods', () => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { ...podSpec, nodeSelector: { d: 'ssd' } } };
  const fields = (old: Job) => validateJobUpdate(job({ suspend: true, template }), old).map(({ field }) => field);
  assert.deepEqual(fields(job({ suspend: true })), []);
  assert.deepEqual(fields(job({ suspend: true }, { active: 1 })), ['spec.template']);
  assert.deepEqual(fields(job({ suspend: false })), ['spec.template']);
});

const done = { type: 'Complete', status: 'True' };
const met = { type: 'SuccessCriteriaMet', status: 'True' };
const times = { startTime: '2020-01-01T00:00:00Z', completionTime: '2020-01-01T00:00:01Z' };

test('what a status may become', () => {
  const errors = (status: JobStatus, old: JobStatus) =>
    validateJobStatusUpdate(job({}, status), job({}, old)).map(renderFieldError);
  assert.deepEqual(errors({ ...times, conditions: [met, done] }, {}), []);
  assert.deepEqual(errors({ ...times, conditions: [done] }, {}), [
    'status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
  ]);
  assert.deepEqual(errors({}, { failed: 1, conditions: [met] }), [
    'status.failed: Invalid value: 0: cannot decrease the failed counter',
    'status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition',
  ]);
  assert.deepEqual(errors({ ready: 2, active: 1 }, {}), [
    'status.ready: Invalid value: 2: cannot set more ready pods than active',
  ]);
  // A status that was wrong before stays out of the way.
  assert.deepEqual(errors({ ready: 2, active: 1, failed: 1 }, { ready: 2, active: 1 }), []);
});

test('indexes', () => {
  assert.equal(countIndexes('0,2-4', 5), 4);
  assert.throws(() => countIndexes('0,5', 5), { message: 'too large index: "5"' });
  assert.throws(() => countIndexes('1-2-3', 5), /at most two parts/);
  assert.equal(overlappingIndex('0-2,4', '3,4', 5), 4);
  assert.equal(overlappingIndex('0-2', '3,x', 5), undefined);
});

function cronJob(spec: Partial<CronJobSpec> = {}, name = 'c'): CronJob {
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name, namespace: 'n', uid: 'u', resourceVersion: '1' },
    spec: {
      schedule: '* * * * *',
      concurrencyPolicy: 'Allow',
      jobTemplate: { spec: { template: { spec: podSpec } } },
      ...spec,
    },
  };
}

const cronCases: readonly (readonly [Partial<CronJobSpec>, readonly string[]])[] = [
  [{}, []],
  [{ schedule: '' }, ['spec.schedule: Required value']],
  [{ timeZone: 'Europe/Berlin' }, []],
  [{ timeZone: '' }, ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']],
  [{ timeZone: '../x' }, ['spec.timeZone: Invalid value: "../x": unknown time zone ../x']],
  [{ timeZone: 'europe/berlin' }, ['spec.timeZone: Invalid value: "europe/berlin": unknown time zone europe/berlin']],
  [
    { schedule: 'TZ=UTC * * * * *' },
    [
      'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ],
  ],
  [
    { concurrencyPolicy: 'x' },
    ['spec.concurrencyPolicy: Unsupported value: "x": supported values: "Allow", "Forbid", "Replace"'],
  ],
];

test('CronJobs', () => {
  for (const [spec, messages] of cronCases) {
    assert.deepEqual(validateCronJob(cronJob(spec)).map(renderFieldError), messages, JSON.stringify(spec));
  }
  assert.deepEqual(
    validateCronJob(cronJob({}, 'a'.repeat(53))).map(({ message }) => message.slice(-33)),
    ['must be no more than 52 characters'.slice(-33)],
  );
});

test('a schedule keeps its time zone until the field takes over', () => {
  const old = cronJob({ schedule: 'TZ=UTC * * * * *' });
  assert.deepEqual(validateCronJobUpdate(old, old), []);
  assert.equal(validateCronJobUpdate(cronJob({ schedule: 'TZ=UTC * * * * *', timeZone: 'UTC' }), old).length, 1);
});
