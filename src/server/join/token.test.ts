import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorityHashOf, formatJoinToken, newCredentials, parseJoinToken } from './token.ts';

const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

test('what the server writes is what the agent reads', () => {
  const credentials = newCredentials();
  assert.match(`${credentials.id}.${credentials.secret}`, /^[a-z0-9]{6}\.[a-z0-9]{16}$/);
  const text = formatJoinToken(pem, credentials);
  assert.match(text, /^K10[0-9a-f]{64}::[a-z0-9]{6}\.[a-z0-9]{16}$/);
  assert.deepEqual(parseJoinToken(`${text}\n`), { authorityHash: authorityHashOf(pem), credentials });
});

test('a secret of the user becomes the same bootstrap token on both sides, and its id tells nothing of it', () => {
  const server = parseJoinToken('correct horse');
  assert.deepEqual(parseJoinToken(formatJoinToken(pem, server.credentials)).credentials, server.credentials);
  assert.equal(server.authorityHash, undefined);
  const other = parseJoinToken('battery staple').credentials;
  assert.equal(other.id, server.credentials.id);
  assert.notEqual(other.secret, server.credentials.secret);
  assert.match(other.secret, /^[a-z0-9]{16}$/);
});

test('a bootstrap token is taken as it is', () => {
  assert.deepEqual(parseJoinToken('abcdef.0123456789abcdef').credentials, { id: 'abcdef', secret: '0123456789abcdef' });
});

test('half a token is refused with where to find the whole', () => {
  for (const text of [
    '',
    'K10',
    'K10abc::abcdef.0123456789abcdef',
    `K10${'0'.repeat(64)}`,
    `K10${'0'.repeat(64)}::`,
    `10${'0'.repeat(64)}::a`,
  ]) {
    assert.throws(() => parseJoinToken(text), { code: 'JOIN_TOKEN_MALFORMED', hint: /server\/token/ });
  }
});
