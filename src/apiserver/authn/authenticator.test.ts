import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { MemoryReader } from '../../../test/testbed/memory-reader.ts';
import { fc } from '../../../tools/property.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { nodes, pods, secrets, serviceaccounts } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import { encodeName, signCertificate } from '../../wire/x509.ts';
import { RequestAuthenticator } from './authenticator.ts';
import { decodeJwt, jwkOf, signingKey, verificationKey } from './jwt.ts';
import { TokenError } from './token.ts';
import { defaultVolumeSeconds, TokenIssuer } from './token-request.ts';

const issuer = 'https://kubernetes.default.svc.cluster.local';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const start = Date.UTC(2026, 5, 1);

function world(privateKey = ec.privateKey) {
  const reader = new MemoryReader();
  const time = { now: start };
  const clock: Clock = { ...systemClock, now: () => time.now };
  reader.put(serviceaccounts, { metadata: { namespace: 'n', name: 'sa', uid: 'sa-1' } });
  reader.put(nodes, { metadata: { name: 'node', uid: 'node-1' } });
  const spec = { containers: [], serviceAccountName: 'sa', nodeName: 'node' };
  reader.put(pods, { metadata: { namespace: 'n', name: 'p', uid: 'p-1' }, spec });
  const apiAudiences = [issuer];
  const tokens = new TokenIssuer({ issuer, apiAudiences, key: signingKey(privateKey), reader, clock });
  const staticTokens = new Map([['admin-token', { name: 'admin', groups: ['system:masters'] }]]);
  const serviceAccountKeys = [verificationKey(privateKey)];
  const options = { reader, clock, issuer, apiAudiences, serviceAccountKeys, staticTokens, anonymous: true };
  const authenticator = new RequestAuthenticator(options);
  const issue = (spec: object): string => {
    const answer = tokens.create('n', 'sa', { apiVersion: '', kind: '', metadata: {}, spec } as never);
    const status: unknown = Reflect.get(answer, 'status');
    assert.ok(typeof status === 'object' && status !== null && 'token' in status && typeof status.token === 'string');
    return status.token;
  };
  const user = (token: string) =>
    authenticator.identify({ authorization: `Bearer ${token}`, peerCertificate: undefined });
  const refuses = (token: string) =>
    assert.throws(
      () => user(token),
      (error) => isReason(error, 'Unauthorized'),
    );
  return { reader, time, tokens, authenticator, issue, user, refuses };
}

const boundToPod = { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p' } };

for (const [name, pair] of [
  ['RS256', rsa],
  ['ES256', ec],
] as const) {
  test(`a bound token (${name}) names the account and what it is bound to`, () => {
    const { issue, user } = world(pair.privateKey);
    const found = user(issue(boundToPod));
    assert.equal(found?.name, 'system:serviceaccount:n:sa');
    assert.equal(found.uid, 'sa-1');
    assert.deepEqual(found.groups, ['system:serviceaccounts', 'system:serviceaccounts:n', 'system:authenticated']);
    assert.deepEqual(found.extra?.['authentication.kubernetes.io/pod-uid'], ['p-1']);
    assert.deepEqual(found.extra?.['authentication.kubernetes.io/node-name'], ['node']);
    assert.match(found.extra?.['authentication.kubernetes.io/credential-id']?.[0] ?? '', /^JTI=[0-9a-f-]{36}$/);
  });
}

test('a token ends at once with the pod that it is bound to, also after it was used', () => {
  const { reader, issue, user, refuses } = world();
  const token = issue(boundToPod);
  assert.ok(user(token));
  reader.remove(pods, { namespace: 'n', name: 'p' });
  refuses(token);
  reader.put(pods, { metadata: { namespace: 'n', name: 'p', uid: 'p-2' } });
  refuses(token);
});

test('a token ends with its account, and an account of the same name does not revive it', () => {
  const { reader, issue, refuses, user } = world();
  const token = issue({});
  assert.ok(user(token));
  reader.remove(serviceaccounts, { namespace: 'n', name: 'sa' });
  refuses(token);
  reader.put(serviceaccounts, { metadata: { namespace: 'n', name: 'sa', uid: 'sa-2' } });
  refuses(token);
});

test('tokens bound to a node or a Secret end with it', () => {
  const { reader, issue, refuses, user } = world();
  reader.put(secrets, { metadata: { namespace: 'n', name: 's', uid: 's-1' } });
  const onNode = issue({ boundObjectRef: { kind: 'Node', apiVersion: 'v1', name: 'node' } });
  const onSecret = issue({ boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 's', uid: 's-1' } });
  assert.ok(user(onNode) && user(onSecret));
  reader.remove(nodes, { name: 'node' });
  reader.remove(secrets, { namespace: 'n', name: 's' });
  refuses(onNode);
  refuses(onSecret);
});

test('tokens expire', () => {
  const { time, issue, refuses, user } = world();
  const token = issue({ expirationSeconds: 600 });
  time.now += 599_000;
  assert.ok(user(token));
  time.now += 120_000;
  refuses(token);
});

test("a default volume's token lives a year, and says when it should have been renewed", () => {
  const { time, issue, user } = world();
  const token = issue({ ...boundToPod, expirationSeconds: defaultVolumeSeconds });
  const own = decodeJwt(token)?.claims['kubernetes.io'];
  assert.deepEqual(Reflect.get(own as object, 'warnafter'), start / 1000 + defaultVolumeSeconds);
  time.now += 364 * 24 * 3600_000;
  assert.ok(user(token));
});

test('a token for another audience is no good here, and a review tells why', () => {
  const { authenticator, issue, refuses } = world();
  const token = issue({ audiences: ['a', 'b'] });
  refuses(token);
  assert.deepEqual(authenticator.reviewToken(token, ['b', 'c']).audiences, ['b']);
  assert.throws(() => authenticator.reviewToken(token, [issuer]), {
    message: `[invalid bearer token, token audiences ["a" "b"] is invalid for the target audiences ["${issuer}"]]`,
  });
});

test('a Secret of type service-account-token holds a token for ever, while it holds it', () => {
  const { reader, refuses, user, time, tokens } = world();
  const account = reader.get(serviceaccounts, { namespace: 'n', name: 'sa' });
  assert.ok(account);
  const token = tokens.secretToken(account, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: 'n', name: 's' },
  });
  refuses(token);
  reader.put(secrets, {
    metadata: { namespace: 'n', name: 's' },
    data: { token: Buffer.from(token).toString('base64') },
  });
  time.now += 5 * 365 * 24 * 3600_000;
  assert.equal(user(token)?.uid, 'sa-1');
  reader.put(secrets, { metadata: { namespace: 'n', name: 's' }, data: { token: 'b3RoZXI=' } });
  refuses(token);
});

test('whatever is changed in a token makes it worthless', () => {
  const { issue, refuses } = world();
  const token = issue({});
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(...'AQgw.-_'), (at, character) => {
      fc.pre(token[at] !== character);
      const changed = token.slice(0, at) + character + token.slice(at + 1);
      // The last character of a signature has bits that mean nothing.
      fc.pre(at < token.length - 1);
      refuses(changed);
    }),
  );
});

test('arbitrary text is refused as a token, never a crash', () => {
  const { authenticator } = world();
  const texts = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc.array(fc.base64String({ maxLength: 40 }), { maxLength: 4 }).map((parts) => parts.join('.')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      assert.throws(() => authenticator.reviewToken(text, [issuer]), TokenError);
    }),
  );
});

test('a token that names no algorithm, or another one, is refused', () => {
  const { issue, refuses } = world();
  const [, claims] = issue({}).split('.');
  for (const header of [{ alg: 'none' }, { alg: 'HS256' }, { alg: 'RS256' }]) {
    refuses(`${Buffer.from(JSON.stringify(header)).toString('base64url')}.${claims}.`);
  }
});

test('bootstrap tokens: good, expired, for another use', () => {
  const { reader, user, refuses } = world();
  const put = (over: Record<string, string>) => {
    const data = {
      'token-id': 'abcdef',
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-authentication': 'true',
      ...over,
    };
    reader.put(secrets, {
      metadata: { namespace: 'kube-system', name: 'bootstrap-token-abcdef' },
      type: 'bootstrap.kubernetes.io/token',
      data: Object.fromEntries(
        Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
      ),
    });
  };
  const token = 'abcdef.0123456789abcdef';
  refuses(token);
  put({ 'auth-extra-groups': 'system:bootstrappers:k' });
  const groups = ['system:bootstrappers', 'system:bootstrappers:k', 'system:authenticated'];
  assert.deepEqual(user(token), { name: 'system:bootstrap:abcdef', groups });
  refuses('abcdef.0123456789abcdee');
  put({ expiration: '2026-05-31T00:00:00Z' });
  refuses(token);
  put({ expiration: 'soon' });
  refuses(token);
  put({ 'usage-bootstrap-authentication': 'false' });
  refuses(token);
  put({ 'auth-extra-groups': 'system:masters' });
  refuses(token);
});

test('client certificates: name, groups, purpose, time', () => {
  const { authenticator, time } = world();
  const subject = { commonName: 'jane', organizations: ['dev'] };
  const ca = { subject: encodeName({ commonName: 'ca', organizations: [] }), ...ec };
  const validity = { notBefore: start - 1000, notAfter: start + 1000 };
  const make = (usages: readonly ('clientAuth' | 'serverAuth')[]) =>
    signCertificate({ subject, publicKey: ec.publicKey, usages, ...validity }, ca);
  const identify = (der: Uint8Array) => authenticator.identify({ authorization: undefined, peerCertificate: der });
  const der = make(['clientAuth']);
  assert.equal(identify(der)?.name, 'jane');
  assert.deepEqual(identify(der)?.groups, ['dev', 'system:authenticated']);
  assert.match(
    identify(der)?.extra?.['authentication.kubernetes.io/credential-id']?.[0] ?? '',
    /^X509SHA256=[0-9a-f]{64}$/,
  );
  assert.throws(
    () => identify(make(['serverAuth'])),
    (error) => isReason(error, 'Unauthorized'),
  );
  assert.throws(
    () => identify(Buffer.from('garbage')),
    (error) => isReason(error, 'Unauthorized'),
  );
  time.now += 2000;
  assert.throws(
    () => identify(der),
    (error) => isReason(error, 'Unauthorized'),
  );
});

test('without credentials a request is anonymous, with a static token it is who the token says', () => {
  const { authenticator, user } = world();
  const anonymous = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
  assert.deepEqual(authenticator.identify({ authorization: undefined, peerCertificate: undefined }), anonymous);
  assert.deepEqual(authenticator.identify({ authorization: 'Basic eDp5', peerCertificate: undefined }), anonymous);
  assert.deepEqual(user('admin-token')?.groups, ['system:masters', 'system:authenticated']);
});

test('the published keys check the tokens', () => {
  for (const pair of [rsa, ec]) {
    const jwk = jwkOf(verificationKey(pair.publicKey));
    assert.equal(jwk['use'], 'sig');
    assert.ok(!('d' in jwk));
    assert.equal(jwk['kid'], signingKey(pair.privateKey).keyId);
  }
});
