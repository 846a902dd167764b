import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isReason } from '../../kube/status-error.ts';
import type { UserInfo } from '../../kube/user.ts';
import type { AuthorizationAttributes } from '../request.ts';
import { impersonated } from './impersonation.ts';

const requester: UserInfo = { name: 'agent', groups: ['system:authenticated'] };

function attributes(user: UserInfo = requester): AuthorizationAttributes {
  const target = { group: '', version: 'v1', resource: 'pods', subresource: '', namespace: 'n', name: '' };
  return { user, verb: 'list', isResource: true, path: '/api/v1/namespaces/n/pods', ...target };
}

/** Allows what is listed, as `verb group/resource[/subresource] name`. */
function allowing(...permissions: readonly string[]) {
  const asked: string[] = [];
  const decide = ({ verb, group, resource, subresource, name }: AuthorizationAttributes) => {
    const text = `${verb} ${group}/${resource}${subresource === '' ? '' : `/${subresource}`} ${name}`.trim();
    asked.push(text);
    return { allowed: permissions.includes(text), reason: '' };
  };
  return { decide, asked };
}

test('without headers nothing changes and nobody is asked', () => {
  const authorizer = allowing();
  assert.equal(impersonated({}, attributes(), authorizer), requester);
  assert.deepEqual(authorizer.asked, []);
});

test('the old permission covers user, uid, groups and extra', () => {
  const authorizer = allowing(
    'impersonate /users jane',
    'impersonate authentication.k8s.io/uids 7',
    'impersonate /groups dev',
    'impersonate authentication.k8s.io/userextras/scopes view',
  );
  const headers = {
    'impersonate-user': ['jane'],
    'impersonate-uid': ['7'],
    'impersonate-group': ['dev'],
    'impersonate-extra-scopes': ['view'],
  };
  assert.deepEqual(impersonated(headers, attributes(), authorizer), {
    name: 'jane',
    uid: '7',
    groups: ['dev', 'system:authenticated'],
    extra: { scopes: ['view'] },
  });
});

test('service accounts get their groups, anonymous its own', () => {
  const account = allowing('impersonate /serviceaccounts sa');
  const headers = { 'impersonate-user': ['system:serviceaccount:n:sa'] };
  const groups = ['system:serviceaccounts', 'system:serviceaccounts:n', 'system:authenticated'];
  assert.deepEqual(impersonated(headers, attributes(), account).groups, groups);
  const anonymous = allowing('impersonate /users system:anonymous');
  const nobody = impersonated({ 'impersonate-user': ['system:anonymous'] }, attributes(), anonymous);
  assert.deepEqual(nobody.groups, ['system:unauthenticated']);
});

test('the constrained mode asks for who and for what', () => {
  const headers = { 'impersonate-user': ['jane'] };
  const both = allowing(
    'impersonate-on:user-info:list /pods',
    'impersonate:user-info authentication.k8s.io/users jane',
  );
  assert.equal(impersonated(headers, attributes(), both).name, 'jane');
  for (const one of ['impersonate-on:user-info:list /pods', 'impersonate:user-info authentication.k8s.io/users jane']) {
    assert.throws(
      () => impersonated(headers, attributes(), allowing(one)),
      (error) => isReason(error, 'Forbidden'),
    );
  }
});

test('the constrained mode never gives the superuser group', () => {
  const headers = { 'impersonate-user': ['jane'], 'impersonate-group': ['system:masters'] };
  const authorizer = allowing(
    'impersonate-on:user-info:list /pods',
    'impersonate:user-info authentication.k8s.io/users jane',
    'impersonate:user-info authentication.k8s.io/groups system:masters',
  );
  assert.throws(
    () => impersonated(headers, attributes(), authorizer),
    /impersonating the system:masters group is not allowed/,
  );
});

test('a pod may act as the node it runs on, and as no other', () => {
  const pod: UserInfo = {
    name: 'system:serviceaccount:n:agent',
    groups: [],
    extra: { 'authentication.kubernetes.io/node-name': ['a'] },
  };
  const rights = [
    'impersonate-on:associated-node:list /pods',
    'impersonate:associated-node authentication.k8s.io/nodes *',
  ];
  const own = impersonated({ 'impersonate-user': ['system:node:a'] }, attributes(pod), allowing(...rights));
  assert.deepEqual(own, { name: 'system:node:a', groups: ['system:nodes', 'system:authenticated'] });
  const other = { 'impersonate-user': ['system:node:b'] };
  assert.throws(
    () => impersonated(other, attributes(pod), allowing(...rights)),
    (error) => isReason(error, 'Forbidden'),
  );
});

test('headers without a user are a bad request that shows what was asked', () => {
  assert.throws(() => impersonated({ 'impersonate-extra-a': ['b'] }, attributes(), allowing()), {
    message:
      'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string(nil), Extra:map[string][]string{"a":[]string{"b"}}} without impersonating a user name',
  });
});
