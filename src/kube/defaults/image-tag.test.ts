import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultPullPolicy, imageTag } from './image-tag.ts';

test('the tag of an image is read from its reference', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const cases: readonly (readonly [string, string])[] = [
    ['nginx', 'latest'],
    ['nginx:1.27', '1.27'],
    ['registry:5000/a/b', 'latest'],
    ['registry:5000/a/b:v1', 'v1'],
    [`nginx@${digest}`, ''],
    [`nginx:1@${digest}`, '1'],
    ['Bad Image', ''],
    ['', ''],
  ];
  for (const [image, tag] of cases) assert.equal(imageTag(image), tag, image);
  assert.equal(defaultPullPolicy('nginx'), 'Always');
  assert.equal(defaultPullPolicy('nginx:1'), 'IfNotPresent');
});
