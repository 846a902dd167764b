import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldLabelError } from './field-labels.ts';
import { builtinKinds } from './kinds/all.ts';
import { configmaps, jobs, nodes, pods, resourceslices } from './resources.gen.ts';

test('a field that a kind has no selector for is refused in its own words', () => {
  assert.equal(fieldLabelError(pods, 'spec.nodeName'), undefined);
  assert.equal(fieldLabelError(configmaps, 'metadata.name'), undefined);
  assert.equal(fieldLabelError(pods, 'spec.hostname'), 'field label not supported: spec.hostname');
  assert.equal(fieldLabelError(nodes, 'status.phase'), 'field label not supported: status.phase');
  assert.equal(fieldLabelError(jobs, 'status.failed'), 'field label "status.failed" not supported for Job');
  assert.equal(
    fieldLabelError(resourceslices, 'spec.pool'),
    'field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.pool',
  );
  assert.equal(
    fieldLabelError(configmaps, 'data.k'),
    '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"',
  );
});

test('what the kinds offer to selectors is what is accepted', () => {
  for (const { resource, strategy } of builtinKinds) {
    const empty = { metadata: {}, involvedObject: {}, regarding: {}, spec: {} };
    for (const label of Object.keys(strategy.selectableFields?.(empty as never) ?? {})) {
      assert.equal(fieldLabelError(resource, label), undefined, `${resource.plural} ${label}`);
    }
  }
});
