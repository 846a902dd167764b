import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../../kube/types.gen.ts';
import { containerResources, podLimits, qosClass } from './resources.ts';

const gibibyte = 1024 ** 3;
const container = (requests?: Record<string, string>, limits?: Record<string, string>): Container => ({
  name: 'c',
  resources: { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) },
});
const pod = (containers: readonly Container[], more: Partial<Pod['spec']> & object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {},
  spec: { containers, ...more },
});
const full = { cpu: '500m', memory: '1Gi' };

test('the quality of service class follows from requests and limits of all containers', () => {
  assert.equal(qosClass(pod([container()])), 'BestEffort');
  assert.equal(qosClass(pod([container(full, full)])), 'Guaranteed');
  assert.equal(qosClass(pod([container(full, full), container()])), 'Burstable');
  assert.equal(qosClass(pod([container({ cpu: '1' })])), 'Burstable');
  assert.equal(qosClass(pod([container(full, full)], { initContainers: [container()] })), 'Burstable');
});

test('a container’s requests become shares, its limits quota and memory', () => {
  assert.deepEqual(containerResources(pod([container(full, full)]), container(full, full), 4 * gibibyte), {
    cpuShares: 512,
    cpuQuota: 50_000,
    cpuPeriod: 100_000,
    memoryLimitInBytes: gibibyte,
    memorySwapLimitInBytes: gibibyte,
    oomScoreAdj: -997,
  });
  assert.deepEqual(containerResources(pod([container()]), container(), 4 * gibibyte), {
    cpuShares: 2,
    oomScoreAdj: 1000,
  });
  const burstable = container({ memory: '1Gi' });
  assert.equal(containerResources(pod([burstable]), burstable, 4 * gibibyte).oomScoreAdj, 750);
});

test('a pod is bounded when all of its containers are; sidecars count beside the others', () => {
  assert.deepEqual(podLimits(pod([container(full, full), container(full, full)])), {
    cpuShares: 1024,
    cpuQuotaUs: 100_000,
    memoryBytes: 2 * gibibyte,
  });
  assert.deepEqual(podLimits(pod([container(full, full), container(full)])), { cpuShares: 1024 });
  const sidecar = { ...container(full, full), restartPolicy: 'Always' };
  const init = container({ cpu: '2', memory: '1Gi' }, { cpu: '2', memory: '1Gi' });
  assert.equal(podLimits(pod([container(full, full)], { initContainers: [sidecar, init] })).cpuQuotaUs, 250_000);
});
