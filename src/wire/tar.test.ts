import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { writeOciArchive } from './oci-archive.ts';
import { writeTar } from './tar.ts';

const content = new TextEncoder().encode('hello\n');
const long = `${'folder/'.repeat(40)}${'n'.repeat(120)}`;

test('tar reads what was written: files, folders, links, modes and long names', () => {
  const archive = writeTar([
    { path: 'd/', mode: 0o1777 },
    { path: 'd/file', mode: 0o640, content, uid: 5, gid: 6 },
    { path: 'd/link', mode: 0o777, linkTo: 'file' },
    { path: long, mode: 0o644, content },
  ]);
  const listed = execFileSync('tar', ['tvf', '-', '--numeric-owner'], { input: archive, encoding: 'utf8' });
  assert.deepEqual(
    listed
      .trim()
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' ').replace(/ 1970-01-01 \S+/, '')),
    ['drwxrwxrwt 0/0 0 d/', '-rw-r----- 5/6 6 d/file', 'lrwxrwxrwx 0/0 0 d/link -> file', `-rw-r--r-- 0/0 6 ${long}`],
  );
  assert.equal(execFileSync('tar', ['xOf', '-', long], { input: archive, encoding: 'utf8' }), 'hello\n');
});

test('an image archive is the same bytes each time and names its images', () => {
  const image = {
    names: ['docker.io/library/a:1', 'docker.io/library/a:2'],
    architecture: 'amd64',
    layers: [[{ path: 'file', mode: 0o644, content }]],
    config: { Cmd: ['/file'] },
  };
  const archive = writeOciArchive(image);
  assert.deepEqual(archive, writeOciArchive(image));
  const index = JSON.parse(execFileSync('tar', ['xOf', '-', 'index.json'], { input: archive, encoding: 'utf8' }));
  assert.deepEqual(
    index.manifests.map(
      (entry: { annotations: Record<string, string> }) => entry.annotations['io.containerd.image.name'],
    ),
    image.names,
  );
});
