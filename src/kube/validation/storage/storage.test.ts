import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFieldError } from '../../field-error.ts';
import type { CSINode, CSINodeDriver, StorageClass } from '../../types.gen.ts';
import { validateCsiNodeUpdate } from './csi-node.ts';
import { validateStorageClass, validateStorageClassUpdate } from './storage-class.ts';

const metadata = { name: 's', uid: 'u', resourceVersion: '1' };

function storageClass(more: Partial<StorageClass> = {}): StorageClass {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata,
    provisioner: 'example.com/p',
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'Immediate',
    ...more,
  };
}

test('a storage class keeps what its volumes were made of', () => {
  assert.deepEqual(validateStorageClass(storageClass()), []);
  assert.deepEqual(
    validateStorageClassUpdate(storageClass({ parameters: { a: 'b' } }), storageClass()).map(renderFieldError),
    ['parameters: Invalid value: {"a":"b"}: field is immutable'],
  );
  assert.deepEqual(validateStorageClassUpdate(storageClass({ allowVolumeExpansion: true }), storageClass()), []);
});

test('only the number of volumes that a driver takes may change on a node', () => {
  const node = (driver: Partial<CSINodeDriver>): CSINode => ({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSINode',
    metadata,
    spec: { drivers: [{ name: 'd.example.com', nodeID: 'n', ...driver }] },
  });
  assert.deepEqual(validateCsiNodeUpdate(node({ allocatable: { count: 5 } }), node({})), []);
  const [error] = validateCsiNodeUpdate(node({ nodeID: 'm' }), node({}));
  assert.equal(error?.field, 'CSINodeDriver');
});
