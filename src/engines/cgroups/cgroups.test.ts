import assert from 'node:assert/strict';
import { test } from 'node:test';
import { weightOfShares } from './pod-cgroups.ts';
import { podSlice, slicePath, sliceProperties } from './systemd.ts';

test('shares become weights over the whole range', () => {
  assert.deepEqual([0, 2, 1024, 262_144, 1e9].map(weightOfShares), [1, 1, 39, 10_000, 10_000]);
});

test('a pod has one slice below that of its service class', () => {
  const slice = podSlice('kubepods', { uid: '12-34', qos: 'Burstable' });
  assert.equal(slice, 'kubepods-burstable-pod12_34.slice');
  assert.equal(slicePath(slice), '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12_34.slice');
  assert.equal(podSlice('kubepods', { uid: '1', qos: 'Guaranteed' }), 'kubepods-pod1.slice');
});

test('limits become properties, and absent ones take the bound away', () => {
  assert.deepEqual(sliceProperties({ cpuShares: 512, cpuQuotaUs: 50_000, memoryBytes: 1 << 20, processes: 10 }, 2), [
    'CPUWeight=20',
    'CPUQuota=50%',
    'MemoryMax=1048576',
    'TasksMax=10',
  ]);
  assert.deepEqual(sliceProperties({ cpuShares: 2 }, 1), [
    'CPUShares=2',
    'CPUQuota=',
    'MemoryLimit=infinity',
    'TasksMax=infinity',
  ]);
});
