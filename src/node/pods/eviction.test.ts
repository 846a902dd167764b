import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseVictim, type EvictionCandidate } from './eviction.ts';

const candidate = (
  name: string,
  request: string,
  workingSetBytes: number,
  priority = 0,
  phase = 'Running',
): EvictionCandidate => ({
  pod: {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { priority, containers: [{ name: 'c', resources: { requests: { memory: request } } }] },
    status: { phase },
  },
  workingSetBytes,
});
const victim = (...candidates: readonly EvictionCandidate[]) => chooseVictim(candidates)?.pod.metadata.name;

test('pods above their request go first, then those of low priority, then the greediest', () => {
  assert.equal(victim(candidate('modest', '500', 400), candidate('greedy', '100', 200)), 'greedy');
  assert.equal(victim(candidate('greedy', '100', 900), candidate('low', '100', 200, -1)), 'low');
  assert.equal(victim(candidate('a', '100', 200), candidate('b', '100', 300)), 'b');
});

test('critical pods and those that have ended are left alone', () => {
  assert.equal(
    victim(candidate('critical', '1', 900, 2_000_001_000), candidate('ended', '1', 900, 0, 'Succeeded')),
    undefined,
  );
});
