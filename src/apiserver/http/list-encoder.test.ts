import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configmaps } from '../../kube/resources.gen.ts';
import type { ListAnswer } from '../answer.ts';
import { encodeEntry } from '../cache/entry.ts';
import { ResourceCache } from '../cache/resource-cache.ts';
import { keptListBytes, ListEncoder } from './list-encoder.ts';

const served = {
  resource: configmaps,
  apiVersion: 'v1',
  isCustom: false,
  kind: { table: { columns: [], row: () => [] } },
} as unknown as ListAnswer['served'];

function cacheOf(...names: readonly string[]): ResourceCache {
  const cache = new ResourceCache('', 'configmaps', 1);
  for (const name of names) put(cache, name, {});
  return cache;
}

function put(cache: ResourceCache, name: string, data: Readonly<Record<string, string>>, revision = 1): void {
  const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name, namespace: 'a' }, data };
  cache.apply('a', name, encodeEntry('a', name, revision, object), revision, 0);
}

function list(cache: ResourceCache, resourceVersion: string): ListAnswer {
  return { type: 'list', served, entries: cache.snapshot('a'), metadata: { resourceVersion } };
}

test('a list is valid JSON whose items leave out kind and apiVersion', () => {
  const value = JSON.parse(new ListEncoder().encode(list(cacheOf('x', 'y'), '7')).toString());
  assert.equal(value.kind, 'ConfigMapList');
  assert.deepEqual(value.metadata, { resourceVersion: '7' });
  assert.deepEqual(
    value.items.map((item: { metadata: { name: string } }) => [Object.keys(item), item.metadata.name]),
    [
      [['metadata', 'data'], 'x'],
      [['metadata', 'data'], 'y'],
    ],
  );
  assert.deepEqual(JSON.parse(new ListEncoder().encode(list(cacheOf(), '7')).toString()).items, []);
});

test('a list that is asked for again is encoded once, until something changes', () => {
  const encoder = new ListEncoder();
  const cache = cacheOf('x');
  encoder.encode(list(cache, '7'));
  const kept = encoder.encode(list(cache, '7'));
  assert.equal(encoder.encode(list(cache, '7')), kept);
  // Another resource has changed: the same items at a newer revision.
  assert.equal(JSON.parse(encoder.encode(list(cache, '8')).toString()).metadata.resourceVersion, '8');
  put(cache, 'x', { a: 'b' }, 9);
  assert.deepEqual(JSON.parse(encoder.encode(list(cache, '9')).toString()).items[0].data, { a: 'b' });
  cache.apply('a', 'x', null, 10, 0);
  assert.deepEqual(JSON.parse(encoder.encode(list(cache, '10')).toString()).items, []);
});

test('lists are kept up to a bound, and the one that was not used for longest goes first', () => {
  const encoder = new ListEncoder();
  const asked = (name: string) => {
    const cache = cacheOf();
    put(cache, name, { padding: 'x'.repeat(keptListBytes / 3) });
    encoder.encode(list(cache, '7'));
    return { cache, bytes: encoder.encode(list(cache, '7')) };
  };
  const first = asked('x');
  const second = asked('y');
  assert.equal(encoder.encode(list(first.cache, '7')), first.bytes);
  asked('z');
  assert.equal(encoder.encode(list(first.cache, '7')), first.bytes);
  assert.notEqual(encoder.encode(list(second.cache, '7')), second.bytes);
});
