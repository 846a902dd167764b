import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type SecuredServer, startSecuredServer } from '../../../test/testbed/secured-server.ts';
import { configmaps, serviceaccounts } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { UserInfo } from '../../kube/user.ts';
import { ensureExtensionAuthentication } from '../authn/extension-config.ts';
import { ensureBootstrapObjects } from '../rbac/bootstrap.ts';

let world: SecuredServer;
before(async () => {
  world = await startSecuredServer();
});
after(() => world[Symbol.asyncDispose]());

const alice: UserInfo = { name: 'alice', uid: '7', groups: ['dev', 'system:authenticated'], extra: { a: ['b'] } };

/** Posts a review; the answer's status. */
async function review(user: UserInfo, group: string, kind: string, spec: object): Promise<Record<string, unknown>> {
  const path = `/apis/${group}.k8s.io/v1/${kind.toLowerCase()}s`;
  const body = { apiVersion: `${group}.k8s.io/v1`, kind, spec };
  const answer: unknown = await world.server.transport(user).call({ method: 'POST', path, body });
  return Reflect.get(answer as object, 'status') as Record<string, unknown>;
}

const pods = { namespace: 'default', verb: 'get', resource: 'pods' };

test('somebody asks for themselves, and an administrator for anybody', async () => {
  assert.deepEqual(await review(alice, 'authorization', 'SelfSubjectAccessReview', { resourceAttributes: pods }), {
    allowed: false,
  });
  const admin = { name: 'admin', groups: ['system:masters'] };
  const spec = { user: 'x', groups: ['system:masters'], resourceAttributes: pods };
  assert.deepEqual(await review(admin, 'authorization', 'SubjectAccessReview', spec), { allowed: true });
  await assert.rejects(review(alice, 'authorization', 'SubjectAccessReview', spec), (error) =>
    isReason(error, 'Forbidden'),
  );
});

test('a selector that cannot be read is left out, and told', async () => {
  const resourceAttributes = { ...pods, verb: 'list', labelSelector: { rawSelector: 'a in' } };
  const status = await review(alice, 'authorization', 'SelfSubjectAccessReview', { resourceAttributes });
  assert.equal(status['evaluationError'], 'spec.resourceAttributes.labelSelector ignored due to parse error');
});

test('whoami says all that is known of a user', async () => {
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const answer = await world.server.transport(alice).call({ method: 'POST', path, body: {} });
  const userInfo = { username: 'alice', uid: '7', groups: ['dev', 'system:authenticated'], extra: { a: ['b'] } };
  assert.deepEqual(Reflect.get(answer as object, 'status'), { userInfo });
});

test('a token is reviewed as the API server would take it', async () => {
  await world.namespace('tokens');
  const key = { namespace: 'tokens', name: 'default' };
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } };
  const issued = await world.client.createSubresource(serviceaccounts, key, 'token', request);
  const { token } = Reflect.get(issued as object, 'status') as { readonly token: string };
  const admin = { name: 'admin', groups: ['system:masters'] };
  const status = await review(admin, 'authentication', 'TokenReview', { token });
  assert.equal(status['authenticated'], true);
  assert.deepEqual(status['audiences'], ['https://issuer']);
  await world.client.delete(serviceaccounts, key);
  const ended = await review(admin, 'authentication', 'TokenReview', { token });
  assert.deepEqual(ended, { user: {}, error: '[invalid bearer token, serviceaccounts "default" not found]' });
});

test('the keys and the issuer of tokens are published', async () => {
  const discovery = await world.client.raw('/.well-known/openid-configuration');
  assert.equal(Reflect.get(discovery as object, 'issuer'), 'https://issuer');
  const text: unknown = await world.client.raw('/openid/v1/jwks');
  const { keys } = JSON.parse(String(text)) as { readonly keys: readonly { readonly alg: string }[] };
  assert.deepEqual(
    keys.map(({ alg }) => alg),
    ['ES256'],
  );
});

test('a second start changes nothing of the bootstrap objects', async () => {
  const before = world.server.hub.revision;
  await ensureBootstrapObjects(world.client);
  assert.equal(world.server.hub.revision, before);
});

test('what aggregated API servers must know is published, and put back', async () => {
  const settings = { clientAuthority: 'pem-1', requestHeaderAuthority: 'pem-2', allowedNames: ['system:auth-proxy'] };
  await ensureExtensionAuthentication(world.client, settings);
  const key = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
  const made = await world.client.get(configmaps, key);
  await world.client.update(configmaps, { ...made, data: { ...made.data, 'client-ca-file': 'other', own: 'x' } });
  await ensureExtensionAuthentication(world.client, settings);
  const { data } = await world.client.get(configmaps, key);
  assert.equal(data?.['client-ca-file'], 'pem-1');
  assert.equal(data?.['own'], 'x');
});
