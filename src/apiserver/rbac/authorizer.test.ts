import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryReader } from '../../../test/testbed/memory-reader.ts';
import { fc } from '../../../tools/property.ts';
import type { KubeObject } from '../../kube/object.ts';
import { clusterrolebindings, clusterroles, rolebindings, roles } from '../../kube/resources.gen.ts';
import type { PolicyRule, RbacV1Subject } from '../../kube/types.gen.ts';
import type { AuthorizationAttributes } from '../request.ts';
import { RbacAuthorizer } from './authorizer.ts';
import { bootstrapObjects } from './bootstrap.ts';

const rbacGroup = 'rbac.authorization.k8s.io';

function attributes(over: Partial<AuthorizationAttributes>): AuthorizationAttributes {
  const resource = { group: '', version: 'v1', resource: 'pods', subresource: '', namespace: '', name: '' };
  return { user: { name: 'alice', groups: [] }, verb: 'get', isResource: true, path: '', ...resource, ...over };
}

interface World {
  readonly roles: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly rules: readonly PolicyRule[];
  }[];
  readonly bindings: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly roleKind: string;
    readonly roleName: string;
    readonly subjects: readonly RbacV1Subject[];
  }[];
}

/** RBAC as its documentation tells it, without any index: every binding, every rule, every time. */
function naive(world: World, request: AuthorizationAttributes): boolean {
  const covers = (list: readonly string[] | undefined, value: string) =>
    (list ?? []).some((item) => item === '*' || item === value);
  const ruleAllows = (rule: PolicyRule): boolean => {
    if (!covers(rule.verbs, request.verb)) return false;
    if (!request.isResource) {
      return (rule.nonResourceURLs ?? []).some((url) =>
        url.endsWith('*') ? request.path.startsWith(url.slice(0, -1)) : url === request.path,
      );
    }
    const whole = request.subresource === '' ? request.resource : `${request.resource}/${request.subresource}`;
    const named = (rule.resourceNames ?? []).length === 0 || (rule.resourceNames ?? []).includes(request.name);
    const inResources =
      covers(rule.resources, whole) ||
      (request.subresource !== '' && (rule.resources ?? []).includes(`*/${request.subresource}`));
    return named && covers(rule.apiGroups, request.group) && inResources;
  };
  const appliesTo = (subject: RbacV1Subject, bindingNamespace: string): boolean => {
    if (subject.kind === 'User') return subject.name === request.user.name;
    if (subject.kind === 'Group') return request.user.groups.includes(subject.name);
    return request.user.name === `system:serviceaccount:${subject.namespace || bindingNamespace}:${subject.name}`;
  };
  return world.bindings.some((binding) => {
    if (binding.namespace !== '' && binding.namespace !== request.namespace) return false;
    if (!binding.subjects.some((subject) => appliesTo(subject, binding.namespace))) return false;
    const roleNamespace = binding.roleKind === 'Role' ? binding.namespace : '';
    const role = world.roles.find((one) => one.namespace === roleNamespace && one.name === binding.roleName);
    return (role?.rules ?? []).some(ruleAllows);
  });
}

const some = (...values: string[]) => fc.subarray(values, { minLength: 0 });
const namespaceName = fc.constantFrom('a', 'b');
const rule: fc.Arbitrary<PolicyRule> = fc.record(
  {
    verbs: some('get', 'list', '*', 'delete'),
    apiGroups: some('', 'apps', '*'),
    resources: some('pods', 'pods/log', '*/scale', '*', 'deployments'),
    resourceNames: some('x', 'y'),
    nonResourceURLs: some('/healthz', '/api/*', '*'),
  },
  { requiredKeys: ['verbs'] },
);
const subject: fc.Arbitrary<RbacV1Subject> = fc.oneof(
  fc.record({ kind: fc.constant('User'), name: fc.constantFrom('alice', 'bob', 'system:serviceaccount:a:sa') }),
  fc.record({ kind: fc.constant('Group'), name: fc.constantFrom('g', 'h') }),
  fc.record({ kind: fc.constant('ServiceAccount'), name: fc.constant('sa'), namespace: fc.constantFrom('a', 'b', '') }),
);
const world: fc.Arbitrary<World> = fc.record({
  roles: fc.uniqueArray(
    fc.record({
      namespace: fc.constantFrom('', 'a', 'b'),
      name: fc.constantFrom('r', 's'),
      rules: fc.array(rule, { maxLength: 3 }),
    }),
    {
      selector: ({ namespace, name }) => `${namespace}/${name}`,
      maxLength: 6,
    },
  ),
  bindings: fc.uniqueArray(
    fc
      .record({
        namespace: fc.constantFrom('', 'a', 'b'),
        name: fc.constantFrom('p', 'q'),
        roleKind: fc.constantFrom('Role', 'ClusterRole'),
        roleName: fc.constantFrom('r', 's'),
        subjects: fc.array(subject, { maxLength: 3 }),
      })
      .map((binding) => (binding.namespace === '' ? { ...binding, roleKind: 'ClusterRole' } : binding)),
    { selector: ({ namespace, name }) => `${namespace}/${name}`, maxLength: 5 },
  ),
});
const request: fc.Arbitrary<AuthorizationAttributes> = fc
  .record({
    user: fc.record({
      name: fc.constantFrom('alice', 'bob', 'system:serviceaccount:a:sa', 'system:serviceaccount:b:sa'),
      groups: some('g', 'h'),
    }),
    verb: fc.constantFrom('get', 'list', 'delete'),
    isResource: fc.boolean(),
    path: fc.constantFrom('/healthz', '/api/v1', '/'),
    group: fc.constantFrom('', 'apps'),
    resource: fc.constantFrom('pods', 'deployments'),
    subresource: fc.constantFrom('', 'log', 'scale'),
    namespace: fc.oneof(fc.constant(''), namespaceName),
    name: fc.constantFrom('', 'x', 'z'),
  })
  .map(attributes);

function load(reader: MemoryReader, { roles: all, bindings }: World): void {
  for (const { namespace, name, rules } of all) {
    if (namespace === '') reader.put(clusterroles, { metadata: { name }, rules });
    else reader.put(roles, { metadata: { namespace, name }, rules });
  }
  for (const { namespace, name, roleKind, roleName, subjects } of bindings) {
    const body = { roleRef: { apiGroup: rbacGroup, kind: roleKind, name: roleName }, subjects };
    if (namespace === '') reader.put(clusterrolebindings, { metadata: { name }, ...body });
    else reader.put(rolebindings, { metadata: { namespace, name }, ...body });
  }
}

function unload(reader: MemoryReader, { roles: all, bindings }: World): void {
  for (const { namespace, name } of all) reader.remove(namespace === '' ? clusterroles : roles, { namespace, name });
  for (const { namespace, name } of bindings)
    reader.remove(namespace === '' ? clusterrolebindings : rolebindings, { namespace, name });
}

test('decisions are those of a reading of every rule, also after everything changed', () => {
  fc.assert(
    fc.property(world, world, fc.array(request, { minLength: 5, maxLength: 20 }), (before, after, requests) => {
      const reader = new MemoryReader();
      load(reader, before);
      using authorizer = new RbacAuthorizer(reader);
      for (const one of requests) assert.equal(authorizer.decide(one).allowed, naive(before, one));
      unload(reader, before);
      for (const one of requests) assert.equal(authorizer.decide(one).allowed, false);
      load(reader, after);
      load(reader, after);
      for (const one of requests) assert.equal(authorizer.decide(one).allowed, naive(after, one));
    }),
    { numRuns: 500 },
  );
});

test('the reason names the binding, the role and the subject', () => {
  const reader = new MemoryReader();
  reader.put(roles, {
    metadata: { namespace: 'n', name: 'r' },
    rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
  });
  const roleRef = { apiGroup: rbacGroup, kind: 'Role', name: 'r' };
  reader.put(rolebindings, {
    metadata: { namespace: 'n', name: 'b' },
    roleRef,
    subjects: [{ kind: 'ServiceAccount', name: 'sa' }],
  });
  using authorizer = new RbacAuthorizer(reader);
  const decision = authorizer.decide(
    attributes({ user: { name: 'system:serviceaccount:n:sa', groups: [] }, namespace: 'n' }),
  );
  assert.deepEqual(decision, {
    allowed: true,
    reason: 'RBAC: allowed by RoleBinding "b/n" of Role "r" to ServiceAccount "sa/n"',
  });
});

test('a binding to a role that is missing is told', () => {
  const reader = new MemoryReader();
  const roleRef = { apiGroup: rbacGroup, kind: 'ClusterRole', name: 'gone' };
  reader.put(clusterrolebindings, { metadata: { name: 'b' }, roleRef, subjects: [{ kind: 'User', name: 'alice' }] });
  using authorizer = new RbacAuthorizer(reader);
  assert.equal(
    authorizer.decide(attributes({})).reason,
    'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
  );
});

test('rules are listed in the order of their bindings, each binding once', () => {
  const reader = new MemoryReader();
  for (const name of ['b', 'a']) {
    reader.put(clusterroles, { metadata: { name }, rules: [{ verbs: [name] }] });
    const subjects = [
      { kind: 'User', name: 'alice' },
      { kind: 'Group', name: 'g' },
    ];
    reader.put(clusterrolebindings, {
      metadata: { name },
      roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name },
      subjects,
    });
  }
  using authorizer = new RbacAuthorizer(reader);
  assert.deepEqual(authorizer.rulesFor({ name: 'alice', groups: ['g'] }, ''), [{ verbs: ['a'] }, { verbs: ['b'] }]);
});

test('with the roles of a fresh cluster a decision takes microseconds', () => {
  const reader = new MemoryReader();
  for (const [resource, object] of bootstrapObjects()) reader.put(resource, object as KubeObject);
  using authorizer = new RbacAuthorizer(reader);
  const user = { name: 'system:kube-scheduler', groups: ['system:authenticated'] };
  const ask = attributes({ user, verb: 'list', resource: 'nodes' });
  const rounds = 20_000;
  for (let index = 0; index < rounds; index++) authorizer.decide(ask);
  const start = performance.now();
  for (let index = 0; index < rounds; index++) assert.ok(authorizer.decide(ask).allowed);
  const microseconds = ((performance.now() - start) * 1000) / rounds;
  // Ten times what it takes, so that a busy machine doesn't fail the test while an index that is gone does.
  assert.ok(microseconds < 20, `${microseconds} us`);
});
