import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Secret } from '../../kube/types.gen.ts';
import { credentialsFor } from './credentials.ts';
import { planImageCollection } from './image-gc.ts';
import { formatImageName, parseImageName } from './image-name.ts';

test('short names are completed as Docker does', () => {
  const full = (name: string) => formatImageName(parseImageName(name));
  assert.equal(full('busybox'), 'docker.io/library/busybox:latest');
  assert.equal(full('team/app:1'), 'docker.io/team/app:1');
  assert.equal(full('localhost/app'), 'localhost/app:latest');
  assert.equal(full('registry.example:5000/a/b:v'), 'registry.example:5000/a/b:v');
  assert.equal(full('index.docker.io/nginx'), 'docker.io/library/nginx:latest');
  const digest = `sha256:${'a'.repeat(64)}`;
  assert.equal(full(`nginx@${digest}`), `docker.io/library/nginx@${digest}`);
  assert.equal(full(`nginx:1@${digest}`), `docker.io/library/nginx:1@${digest}`);
});

test('names that are none are refused in kubelet’s words', () => {
  assert.throws(() => parseImageName('Nginx'), {
    message:
      'Failed to apply default image tag "Nginx": couldn\'t parse image name "Nginx": invalid reference format: repository name must be lowercase',
  });
  for (const name of ['', ':tag', 'a//b', 'a:b:c', 'a@sha256:12', '-a', 'a b'])
    assert.throws(() => parseImageName(name), /invalid reference format/);
});

function secret(auths: Record<string, object>): Secret {
  const text = Buffer.from(JSON.stringify({ auths })).toString('base64');
  return { apiVersion: 'v1', kind: 'Secret', metadata: {}, data: { '.dockerconfigjson': text } };
}

test('credentials match by host, pattern and path, the longest path first', () => {
  const auth = (user: string) => ({ auth: Buffer.from(`${user}:pw`).toString('base64') });
  const secrets = [
    secret({
      'registry.example': auth('host'),
      'registry.example/team': auth('team'),
      '*.other.example': auth('glob'),
    }),
    secret({ 'https://index.docker.io/v1/': { username: 'hub', password: 'pw' } }),
  ];
  const users = (name: string) => credentialsFor(parseImageName(name), secrets).map(({ username }) => username);
  assert.deepEqual(users('registry.example/team/app'), ['team', 'host']);
  assert.deepEqual(users('registry.example/app'), ['host']);
  assert.deepEqual(users('eu.other.example/app'), ['glob']);
  assert.deepEqual(users('a.b.other.example/app'), []);
  assert.deepEqual(users('busybox'), ['hub']);
});

test('above 85 % of the disk the images unused for longest go, until 80 %', () => {
  const image = (id: string, size: number) => ({
    id,
    size,
    repoTags: [],
    repoDigests: [],
    uid: undefined,
    username: '',
    spec: undefined,
    pinned: false,
  });
  const age = (id: string, lastUsedAt: number, isInUse = false, firstSeenAt = 0) => ({
    image: image(id, 10),
    lastUsedAt,
    isInUse,
    firstSeenAt,
  });
  const images = [age('newer', 50), age('used', 1, true), age('older', 10), age('fresh', 5, false, 990_000)];
  const disk = (available: number) => ({ capacityBytes: 100, availableBytes: available, inodes: 1, inodesFree: 1 });
  const removed = (available: number) => planImageCollection(images, disk(available), 1_000_000).map(({ id }) => id);
  assert.deepEqual(removed(16), []);
  assert.deepEqual(removed(14), ['older']);
  assert.deepEqual(removed(1), ['older', 'newer']);
});
