import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../kube/types.gen.ts';
import { mayLetOthersFit } from './scheduler.ts';

function pod(status: Pod['status'], metadata: Partial<Pod['metadata']> = {}, nodeName = 'a'): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', labels: { app: 'x' }, generation: 1, ...metadata },
    spec: { containers: [], nodeName },
    status: status ?? {},
  };
}
const running = { phase: 'Running' };

test('a change of status alone wakes nobody', () => {
  assert.equal(mayLetOthersFit(pod({ phase: 'Pending' }), pod(running)), false);
});

test('a pod that comes, ends, goes, is resized or gets other labels wakes those that wait', () => {
  assert.equal(mayLetOthersFit(undefined, pod(running)), true);
  assert.equal(mayLetOthersFit(pod(running), undefined), true);
  assert.equal(mayLetOthersFit(pod(running), pod({ phase: 'Succeeded' })), true);
  assert.equal(mayLetOthersFit(pod(running), pod(running, { deletionTimestamp: '2026-01-01T00:00:00Z' })), true);
  assert.equal(mayLetOthersFit(pod(running), pod(running, { generation: 2 })), true);
  assert.equal(mayLetOthersFit(pod(running), pod(running, { labels: { app: 'y' } })), true);
});
