import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { builtinResources } from '../../kube/resources.gen.ts';
import { builtinDocument, pathDocument } from './documents.ts';

const facts = new URL('../../../../shared/kubernetes-1.36/facts/openapi-v3/', import.meta.url);
const without = !existsSync(facts) && 'the recorded facts are not here';

/**
 * The same document in one form: a reference alone or in allOf is the same, `atomic` is what a list without a type is,
 * `granular` a map,
 * unions are a remark that no client reads, and required members and parameters of one name have no order.
 */
const isSet = (key: string, member: unknown): member is string[] => key === 'required' && Array.isArray(member);

const isGranular = (value: object) => Reflect.get(value, 'x-kubernetes-map-type') === 'granular';

function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key, member]) => !(key === 'x-kubernetes-list-type' && member === 'atomic'))
    .filter(([key]) => !(key === 'x-kubernetes-map-type' && 'additionalProperties' in value && isGranular(value)))
    .filter(([key]) => key !== 'x-kubernetes-unions')
    .map(([key, member]) => [key, isSet(key, member) ? [...member].sort() : normal(member)] as const);
  const [only] = entries;
  if (entries.length === 1 && only?.[0] === 'allOf' && Array.isArray(only[1]) && only[1].length === 1)
    return only[1][0];
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const read = (name: string) => JSON.parse(readFileSync(new URL(`${name}.json`, facts), 'utf8'));
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

const groupVersions = new Map<string, { readonly group: string; readonly version: string }>();
for (const { group, version } of builtinResources) {
  groupVersions.set(group === '' ? `api__${version}` : `apis__${group}__${version}`, { group, version });
}

for (const [name, { group, version }] of groupVersions) {
  test(`the document of ${group || 'core'}/${version} is that of a Kubernetes 1.36`, { skip: without }, () => {
    const resources = builtinResources.filter((one) => one.group === group && one.version === version);
    const made = plain(builtinDocument(group, version, resources));
    const recorded = read(name);
    assert.deepEqual(Object.keys(made.paths).sort(), Object.keys(recorded.paths).sort());
    for (const path of Object.keys(recorded.paths)) {
      assert.deepEqual(normal(made.paths[path]), normal(recorded.paths[path]), path);
    }
    assert.deepEqual(normal(made.components), normal(recorded.components));
  });
}

test('paths without resources have documents too', { skip: without }, () => {
  for (const path of ['api', 'apis', 'apis/apps', 'apis/rbac.authorization.k8s.io', 'version']) {
    assert.deepEqual(normal(plain(pathDocument(path))), normal(read(path.replaceAll('/', '__'))), path);
  }
});
