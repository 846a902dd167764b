import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../core/json.ts';
import type { ManagedFieldsEntry } from '../object.ts';
import { schemaOf } from '../schema/builtin.ts';
import { managedFieldsOf } from './object-fields.ts';
import { parentManagedFields, scaleManagedFields } from './scale.ts';
import { updateManagedFields } from './update.ts';

const paths = new Map([['apps/v1', ['f:spec', 'f:replicas']]]);
const entry = (manager: string, fieldsV1: JsonObject, rest: Partial<ManagedFieldsEntry> = {}): ManagedFieldsEntry => ({
  manager,
  operation: 'Update',
  apiVersion: 'apps/v1',
  time: '2026-01-01T00:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1,
  ...rest,
});
const parent = [
  entry('m', { 'f:spec': { 'f:replicas': {}, 'f:paused': {} } }),
  entry('other', { 'f:spec': { 'f:x': {} } }),
];

test('a Scale shows the owners of the replicas only', () => {
  assert.deepEqual(scaleManagedFields(parent, paths), [
    entry('m', { 'f:spec': { 'f:replicas': {} } }, { apiVersion: 'autoscaling/v1' }),
  ]);
});

test('who scales takes the replicas, and nothing else, from their owner', () => {
  const managedFields = scaleManagedFields(parent, paths) as unknown as JsonObject[];
  const live: JsonObject = { metadata: { uid: 'u', managedFields }, spec: { replicas: 1 } };
  const scaled = updateManagedFields(
    live,
    { ...live, spec: { replicas: 2 } },
    {
      schema: schemaOf('io.k8s.api.autoscaling.v1.Scale'),
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      manager: 'kubectl',
      subresource: 'scale',
      now: '2026-01-02T00:00:00Z',
    },
  );
  assert.deepEqual(parentManagedFields(parent, managedFieldsOf(scaled) ?? [], paths, 'apps/v1'), [
    entry('m', { 'f:spec': { 'f:paused': {} } }),
    entry('other', { 'f:spec': { 'f:x': {} } }),
    entry('kubectl', { 'f:spec': { 'f:replicas': {} } }, { subresource: 'scale', time: '2026-01-02T00:00:00Z' }),
  ]);
});

test('a Scale that nobody changed leaves its object as it was', () => {
  assert.deepEqual(parentManagedFields(parent, scaleManagedFields(parent, paths), paths, 'apps/v1'), parent);
});
