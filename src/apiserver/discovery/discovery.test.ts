import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Kind } from '../../kube/kind.ts';
import { builtinKinds } from '../../kube/kinds/all.ts';
import { builtinResources } from '../../kube/resources.gen.ts';
import { ResourceCache } from '../cache/resource-cache.ts';
import { ServedKind } from '../kind-registry.ts';
import { catalogOf } from './catalog.ts';
import { apiGroup, apiGroupDiscoveryList, apiGroupList, apiResourceList } from './documents.ts';

const served = (kind: Kind) =>
  new ServedKind(kind, { type: 'any', atomic: false }, new ResourceCache(kind.resource.group, kind.resource.plural, 0));
const groups = catalogOf(builtinResources, builtinKinds.map(served));
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

const factsFile = new URL('../../../../shared/kubernetes-1.36/facts/discovery.json', import.meta.url);
const hasFacts = existsSync(factsFile);

test('discovery shows what a Kubernetes 1.36 shows', { skip: !hasFacts && 'the recorded facts are not here' }, () => {
  const facts = JSON.parse(readFileSync(factsFile, 'utf8'));
  const named = groups.filter(({ name }) => name !== '');
  const core = groups.filter(({ name }) => name === '');
  assert.deepEqual(plain(apiGroupList(named)), facts.legacy['/apis']);
  assert.deepEqual(plain(apiGroupDiscoveryList(named)), facts.aggregated['/apis']);
  assert.deepEqual(plain(apiGroupDiscoveryList(core)), facts.aggregated['/api']);
  for (const group of groups) {
    const base = group.name === '' ? '/api' : `/apis/${group.name}`;
    if (group.name !== '') assert.deepEqual(plain(apiGroup(group)), facts.legacy[base]);
    for (const version of group.versions) {
      assert.deepEqual(plain(apiResourceList(group, version)), facts.legacy[`${base}/${version.version}`]);
    }
  }
});

test('groups come by priority, then by name', () => {
  const names = groups.map(({ name }) => name);
  assert.deepEqual(names.slice(0, 3), ['apiregistration.k8s.io', '', 'apps']);
  assert.deepEqual(
    groups.find(({ name }) => name === 'autoscaling')?.versions.map(({ version }) => version),
    ['v2', 'v1'],
  );
});
