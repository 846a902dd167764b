import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../kube/types.gen.ts';
import { nodeProblem } from './node-health.ts';

const nodeWith = (conditions: Readonly<Record<string, string>>): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n' },
  status: { conditions: Object.entries(conditions).map(([type, status]) => ({ type, status, message: 'because' })) },
});

test('a node without trouble has no problem', () => {
  assert.equal(nodeProblem(nodeWith({ Ready: 'True', DiskPressure: 'False' })), null);
});

test('what is wrong is told with its reason', () => {
  assert.equal(nodeProblem(nodeWith({ Ready: 'False' })), 'n is not Ready: because');
  assert.equal(nodeProblem(nodeWith({})), 'n is not Ready: it has not reported');
  assert.match(
    nodeProblem(nodeWith({ Ready: 'True', DiskPressure: 'True' })) ?? '',
    /^n has DiskPressure \(less than a/,
  );
});
