import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nfsOptions } from './mount.ts';

const source = { server: 'files', path: '/export', readOnly: false, options: [] };

test('an NFS mount names the server by address and asks for version 4.2', () => {
  assert.deepEqual(nfsOptions(source, '10.0.0.9'), { type: 'nfs4', options: ['vers=4.2', 'addr=10.0.0.9'] });
});

test('a version and an address that the user chose stand; version 3 does without a lock daemon', () => {
  const options = ['nfsvers=3', 'addr=10.0.0.8'];
  assert.deepEqual(nfsOptions({ ...source, readOnly: true, options }, '10.0.0.9'), {
    type: 'nfs',
    options: ['ro', 'nolock', 'nfsvers=3', 'addr=10.0.0.8'],
  });
});
