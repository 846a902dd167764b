import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import type { PolicyRule } from '../../kube/types.gen.ts';
import { bootstrapObjects, reconciled } from './bootstrap.ts';
import { breakDown, compactRules, compileRule, describeRule, missingRules, ruleAllows } from './rules.ts';

const some = (...values: string[]) => fc.subarray(values, { minLength: 1 });
const resourceRule: fc.Arbitrary<PolicyRule> = fc.record(
  {
    verbs: some('get', 'list', '*'),
    apiGroups: some('', 'apps', '*'),
    resources: some('pods', 'pods/log', '*/log', '*'),
    resourceNames: some('x', 'y'),
  },
  { requiredKeys: ['verbs', 'apiGroups', 'resources'] },
);
const urlRule: fc.Arbitrary<PolicyRule> = fc.record({
  verbs: some('get', '*'),
  nonResourceURLs: some('/a', '/a/*', '*'),
});
const rules = fc.array(fc.oneof(resourceRule, urlRule), { maxLength: 4 });

test('nothing is missing from what is held, and nothing given away exceeds it', () => {
  fc.assert(
    fc.property(rules, rules, (held, wanted) => {
      assert.deepEqual(missingRules(held, held), []);
      const missing = missingRules(held, wanted);
      // Whatever `wanted` allows beyond `held` must show in what is missing.
      const user = { name: 'u', groups: [] };
      for (const resource of ['pods', 'nodes']) {
        for (const subresource of ['', 'log']) {
          for (const [verb, group, name] of [
            ['get', '', 'x'],
            ['list', 'apps', 'z'],
            ['watch', 'other', ''],
          ] as const) {
            const ask = {
              user,
              verb,
              group,
              name,
              resource,
              subresource,
              namespace: '',
              version: '',
              path: '',
              isResource: true,
            };
            const allows = (list: readonly PolicyRule[]) => list.some((rule) => ruleAllows(compileRule(rule), ask));
            if (allows(wanted) && !allows(held)) assert.ok(allows(missing));
          }
        }
      }
    }),
  );
});

test('rules are joined by resource and shown as Kubernetes shows them', () => {
  const parts = breakDown({
    verbs: ['get', 'list'],
    apiGroups: ['apps'],
    resources: ['deployments'],
    resourceNames: ['a'],
  });
  assert.equal(parts.length, 2);
  const text = compactRules(parts).map(describeRule);
  assert.deepEqual(text, [
    '{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["a"], Verbs:["get" "list"]}',
  ]);
  assert.equal(describeRule({ verbs: ['*'], nonResourceURLs: ['*'] }), '{NonResourceURLs:["*"], Verbs:["*"]}');
});

test('bootstrap roles get back what they lost, keep what was added, and can be exempted', () => {
  const [, wanted] =
    bootstrapObjects().find(
      ([, object]) => object.metadata.name === 'system:discovery' && object.kind === 'ClusterRole',
    ) ?? [];
  assert.ok(wanted);
  assert.equal(reconciled(wanted, { ...wanted }), undefined);
  const own = { verbs: ['get'], nonResourceURLs: ['/own'] };
  const changed = { ...wanted, rules: [own] };
  const update = reconciled(changed, { ...wanted });
  assert.ok(update !== undefined && !update.replace);
  const kept: unknown = Reflect.get(update.object, 'rules');
  assert.ok(Array.isArray(kept) && kept.length > 1);
  assert.deepEqual(kept[0], own);
  const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' };
  const exempt = { ...changed, metadata: { ...changed.metadata, annotations } };
  assert.equal(reconciled(exempt, { ...wanted }), undefined);
});

test('a binding to another role is made anew, one that lacks subjects is updated', () => {
  const [, wanted] = bootstrapObjects().find(([, object]) => object.kind === 'ClusterRoleBinding') ?? [];
  assert.ok(wanted);
  const moved = { ...wanted, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'other' } };
  assert.equal(reconciled(moved, { ...wanted })?.replace, true);
  const empty = reconciled({ ...wanted, subjects: [] } as typeof wanted, { ...wanted });
  assert.equal(empty?.replace, false);
  assert.deepEqual(Reflect.get(empty?.object ?? {}, 'subjects'), Reflect.get(wanted, 'subjects'));
});
