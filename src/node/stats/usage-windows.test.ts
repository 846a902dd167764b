import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../../kube/time.ts';
import type { StatsSummary } from './stats.ts';
import { UsageWindows } from './usage-windows.ts';

const start = Date.parse('2026-05-01T10:00:00Z');
const cpu = (usageCoreNanoSeconds: number) => ({ time: '', usageCoreNanoSeconds });
const memory = (workingSetBytes: number) => ({ time: '', workingSetBytes });

/** A node that has used `seconds` of processor time, with a pod of some containers: name, seconds, started at. */
function summary(seconds: number, containers: readonly (readonly [string, number, number])[]): StatsSummary {
  return {
    node: { nodeName: 'n', startTime: '', cpu: cpu(seconds * 1e9), memory: memory(1000) },
    pods: [
      {
        podRef: { name: 'web', namespace: 'default', uid: 'u' },
        startTime: '',
        containers: containers.map(([name, used, startedAt]) => ({
          name,
          startTime: formatTime(startedAt),
          cpu: cpu(used * 1e9),
          memory: memory(500),
        })),
      },
    ],
  };
}

test('the use is that between the last two samples', () => {
  const windows = new UsageWindows();
  windows.add('n', summary(100, [['a', 10, start - 1000]]), start);
  assert.equal(windows.isReady, false);
  assert.equal(windows.node('n'), undefined);
  assert.equal(windows.pod('default', 'web'), undefined);
  windows.add('n', summary(115, [['a', 13, start - 1000]]), start + 15_000);
  assert.equal(windows.isReady, true);
  assert.deepEqual(windows.node('n'), { at: start + 15_000, windowMs: 15_000, nanocores: 1e9, memoryBytes: 1000 });
  const pod = windows.pod('default', 'web');
  assert.equal(pod?.windowMs, 15_000);
  assert.equal(pod?.containers.get('a')?.nanocores, 2e8);
  windows.add('n', summary(115, [['a', 13, start - 1000]]), start + 30_000);
  assert.equal(windows.node('n')?.nanocores, 0);
  windows.forget('n');
  assert.equal(windows.node('n'), undefined);
  assert.equal(windows.pod('default', 'web'), undefined);
});

test('a container that was seen once is measured since its start, once it has run for 10 s; the pod waits for all', () => {
  const windows = new UsageWindows();
  windows.add('n', summary(0, [['a', 1, start - 60_000]]), start);
  const young = start + 6000;
  windows.add(
    'n',
    summary(0, [
      ['a', 2, start - 60_000],
      ['b', 1, young],
    ]),
    start + 15_000,
  );
  assert.equal(windows.pod('default', 'web'), undefined);
  const old = start + 5000;
  windows.add(
    'n',
    summary(0, [
      ['a', 2, start - 60_000],
      ['b', 1, old],
    ]),
    start + 15_000,
  );
  // Nothing can be told between two samples of one moment.
  assert.equal(windows.pod('default', 'web'), undefined);
  windows.add(
    'n',
    summary(0, [
      ['a', 3, start - 60_000],
      ['b', 2, old],
    ]),
    start + 30_000,
  );
  const later = windows.pod('default', 'web');
  assert.equal(later?.windowMs, 15_000);
  assert.equal(later?.containers.size, 2);
});

test('a restarted container does not count back to its former run, nor a machine to its former boot', () => {
  const windows = new UsageWindows();
  windows.add('n', summary(100, [['a', 50, start - 60_000]]), start);
  windows.add('n', summary(10, [['a', 2, start + 3000]]), start + 15_000);
  assert.equal(windows.node('n'), undefined);
  const pod = windows.pod('default', 'web');
  assert.equal(pod?.windowMs, 12_000);
  assert.equal(Math.round(pod?.containers.get('a')?.nanocores ?? 0), Math.round(2e9 / 12));
});
