import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import { formatIndexes, parseIndexes } from '../kube/job-indexes.ts';
import type { Job, JobSpec, Pod } from '../kube/types.gen.ts';
import { newPodAnnotations, planJob, trackingFinalizer } from './job-plan.ts';

const nowMs = Date.parse('2026-01-01T00:00:00Z');

function job(spec: Partial<JobSpec>, status: Job['status'] = {}): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'j', namespace: 'n', uid: 'j' },
    spec: { parallelism: 1, backoffLimit: 6, template: {}, ...spec },
    status: { startTime: '2026-01-01T00:00:00Z', ...status },
  };
}

let serial = 0;
function pod(
  phase: string,
  extra: { readonly index?: number; readonly exitCode?: number; readonly annotations?: Record<string, string> } = {},
): Pod {
  const uid = `p${++serial}`;
  const index = extra.index === undefined ? {} : { 'batch.kubernetes.io/job-completion-index': String(extra.index) };
  const terminated = { exitCode: extra.exitCode ?? 1, finishedAt: '2025-12-31T00:00:00Z' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: uid,
      namespace: 'n',
      uid,
      finalizers: [trackingFinalizer],
      annotations: { ...index, ...extra.annotations },
    },
    status: {
      phase,
      ...(phase === 'Failed'
        ? {
            containerStatuses: [
              { name: 'c', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated } },
            ],
          }
        : {}),
    },
  };
}

const reasonOf = (plan: ReturnType<typeof planJob>, type: string) =>
  plan.status.conditions?.find((condition) => condition.type === type)?.reason;

test('index sets are written as ranges and read back', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 60 })), (indexes) => {
      const set = new Set(indexes);
      assert.deepEqual(
        [...parseIndexes(formatIndexes(set), 61)],
        indexes.sort((a, b) => a - b),
      );
    }),
  );
  assert.equal(formatIndexes(new Set([1, 3, 4, 5, 7, 8])), '1,3-5,7,8');
});

test('as many pods run as parallelism and what is left allow', () => {
  const cases: readonly (readonly [
    spec: Partial<JobSpec>,
    phases: readonly string[],
    create: number,
    remove: number,
  ])[] = [
    [{ completions: 5, parallelism: 2 }, [], 2, 0],
    [{ completions: 5, parallelism: 2 }, ['Running'], 1, 0],
    [{ completions: 2, parallelism: 5 }, ['Succeeded', 'Running'], 0, 0],
    [{ completions: 5, parallelism: 1 }, ['Running', 'Running', 'Pending'], 0, 2],
    [{ parallelism: 3 }, ['Running'], 2, 0],
    [{ parallelism: 3 }, ['Succeeded', 'Running'], 0, 0],
    [{ completions: 3, parallelism: 2, suspend: true }, ['Running', 'Running'], 0, 2],
  ];
  for (const [spec, phases, create, remove] of cases) {
    const plan = planJob(job(spec), { pods: phases.map((phase) => pod(phase)), nowMs });
    assert.deepEqual([plan.create.length, plan.remove.length], [create, remove], JSON.stringify([spec, phases]));
  }
});

test('an indexed Job never has two pods for one index, and none for an index that is done', () => {
  const phases = fc.constantFrom('Running', 'Pending', 'Succeeded');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(phases, fc.integer({ min: 0, max: 7 })), { maxLength: 12 }),
      fc.integer({ min: 0, max: 6 }),
      (states, parallelism) => {
        const pods = states.map(([phase, index]) => pod(phase, { index }));
        const plan = planJob(job({ completions: 6, parallelism, completionMode: 'Indexed' }), { pods, nowMs });
        const staying = pods.filter((one) => one.status?.phase !== 'Succeeded' && !plan.remove.includes(one));
        const indexOf = (one: Pod) => Number(one.metadata.annotations?.['batch.kubernetes.io/job-completion-index']);
        const all = [...staying.map(indexOf), ...plan.create.map(({ index = -1 }) => index)];
        assert.equal(new Set(all).size, all.length);
        assert.ok(all.length <= parallelism);
        const completed = parseIndexes(plan.status.completedIndexes, 6);
        assert.ok(all.every((index) => index >= 0 && index < 6 && !completed.has(index)));
      },
    ),
  );
});

test('an ended pod is counted once, whichever write was the last before a crash', () => {
  const ended = pod('Succeeded');
  const first = planJob(job({ completions: 3 }), { pods: [ended], nowMs });
  assert.equal(first.status.succeeded, 1);
  assert.deepEqual(first.status.uncountedTerminatedPods, { succeeded: [ended.metadata.uid] });
  const again = planJob(job({ completions: 3 }, first.status), { pods: [ended], nowMs });
  assert.equal(again.status.succeeded, 1);
  const released = { ...ended, metadata: { ...ended.metadata, finalizers: [] } };
  const after = planJob(job({ completions: 3 }, { ...first.status, uncountedTerminatedPods: {} }), {
    pods: [released],
    nowMs,
  });
  assert.equal(after.status.succeeded, 1);
});

test('a Job ends with its reason', () => {
  const failing = { action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } };
  const cases: readonly (readonly [
    spec: Partial<JobSpec>,
    pods: readonly Pod[],
    type: string,
    reason: string | undefined,
  ])[] = [
    [{ completions: 1 }, [pod('Succeeded')], 'Complete', 'CompletionsReached'],
    [{ completions: 2 }, [pod('Succeeded')], 'Complete', undefined],
    [{ backoffLimit: 1 }, [pod('Failed'), pod('Failed')], 'Failed', 'BackoffLimitExceeded'],
    [{ backoffLimit: 2 }, [pod('Failed'), pod('Failed')], 'Failed', undefined],
    [{ podFailurePolicy: { rules: [failing] } }, [pod('Failed', { exitCode: 42 })], 'Failed', 'PodFailurePolicy'],
    [{ podFailurePolicy: { rules: [failing] } }, [pod('Failed', { exitCode: 1 })], 'Failed', undefined],
    [
      { podFailurePolicy: { rules: [{ ...failing, action: 'Ignore' }] }, backoffLimit: 0 },
      [pod('Failed', { exitCode: 42 })],
      'Failed',
      undefined,
    ],
    [
      { completions: 3, completionMode: 'Indexed', successPolicy: { rules: [{ succeededIndexes: '1' }] } },
      [pod('Succeeded', { index: 1 })],
      'Complete',
      'SuccessPolicy',
    ],
    [
      { completions: 2, completionMode: 'Indexed', backoffLimitPerIndex: 0 },
      [pod('Succeeded', { index: 0 }), pod('Failed', { index: 1 })],
      'Failed',
      'FailedIndexes',
    ],
  ];
  for (const [spec, pods, type, reason] of cases) {
    assert.equal(reasonOf(planJob(job(spec), { pods, nowMs }), type), reason, JSON.stringify(spec));
  }
  const late = job({ activeDeadlineSeconds: 10 });
  const running = pod('Running');
  const plan = planJob(late, { pods: [running], nowMs: nowMs + 10_000 });
  assert.equal(reasonOf(plan, 'FailureTarget'), 'DeadlineExceeded');
  assert.equal(reasonOf(plan, 'Failed'), undefined);
  assert.deepEqual(plan.remove, [running]);
});

test('after failures the next pod waits, ten seconds and then twice as long each time', () => {
  const failedAt = (finishedAt: string) => {
    const one = pod('Failed');
    const status = {
      ...one.status,
      containerStatuses:
        one.status?.containerStatuses?.map((each) => ({
          ...each,
          state: { terminated: { exitCode: 1, finishedAt } },
        })) ?? [],
    };
    return { ...one, status };
  };
  const failures = [failedAt('2025-12-31T23:59:50Z'), failedAt('2025-12-31T23:59:55Z')];
  const plan = planJob(job({ completions: 1 }), { pods: failures, nowMs });
  assert.deepEqual([plan.create.length, plan.requeueAfterMs], [0, 15_000]);
});

test('the failures of an index travel with its pods', () => {
  const spec = { completions: 1, completionMode: 'Indexed', backoffLimitPerIndex: 2 };
  const failed = pod('Failed', { index: 0, annotations: { 'batch.kubernetes.io/job-index-failure-count': '1' } });
  const [next] = planJob(job(spec), { pods: [failed], nowMs }).create;
  assert.ok(next);
  assert.equal(newPodAnnotations(job(spec), next)['batch.kubernetes.io/job-index-failure-count'], '2');
});
