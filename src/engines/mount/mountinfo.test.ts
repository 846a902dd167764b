import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mountsBelow, parseMountinfo } from './mountinfo.ts';

const text = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:35 / /pods/a/volumes/x rw,nosuid shared:7 master:2 - tmpfs tmpfs rw,size=64k
41 22 254:0 /srv/my\\040data /pods/a/volumes/with\\040space\\134 rw - ext4 /dev/vda rw
42 40 0:36 / /pods/a/volumes/x/deeper rw - tmpfs tmpfs rw
43 22 0:37 / /pods/ab/volumes/x rw - tmpfs tmpfs rw

`;

test('mounts are read with their escapes undone, whatever optional fields they have', () => {
  const mounts = parseMountinfo(text);
  assert.equal(mounts.length, 5);
  assert.deepEqual(mounts[2], {
    id: 41,
    parentId: 22,
    device: '254:0',
    root: '/srv/my data',
    mountPoint: '/pods/a/volumes/with space\\',
    options: ['rw'],
    fileSystem: 'ext4',
    source: '/dev/vda',
    superOptions: ['rw'],
  });
});

test('mounts below a directory come newest first and without those of a neighbour with the same beginning', () => {
  assert.deepEqual(
    mountsBelow(parseMountinfo(text), '/pods/a').map(({ id }) => id),
    [42, 41, 40],
  );
});
