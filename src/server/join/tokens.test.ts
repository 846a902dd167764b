import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type SecuredServer, startSecuredServer } from '../../../test/testbed/secured-server.ts';
import { secrets } from '../../kube/resources.gen.ts';
import { type BootstrapToken, checkTokenChoices } from './bootstrap-token.ts';
import { joinGroup } from './join-group.ts';
import { tokenIdOf } from './token.ts';
import { createToken, listTokens, removeToken } from './tokens.ts';

let world: SecuredServer;
before(async () => {
  world = await startSecuredServer();
});
after(() => world[Symbol.asyncDispose]());

const token = (id: string, more: Partial<BootstrapToken> = {}): BootstrapToken => ({
  credentials: { id, secret: '0123456789abcdef' },
  description: '',
  expiresAt: undefined,
  usages: ['authentication', 'signing'],
  groups: [joinGroup],
  ...more,
});

test('what was made is listed as it was made, until it is revoked', async () => {
  const short = token('abcdef', { expiresAt: Date.parse('2030-01-01T00:00:00Z'), description: 'for the shed' });
  const plain = token('aaaaaa', { usages: ['authentication'], groups: [] });
  await createToken(world.client, short);
  await createToken(world.client, plain);
  await world.client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: 'kube-system', name: 'other' },
  });
  assert.deepEqual(await listTokens(world.client), [plain, short]);
  await assert.rejects(createToken(world.client, plain), { code: 'TOKEN_EXISTS', hint: /token delete aaaaaa/ });
  await removeToken(world.client, 'aaaaaa');
  assert.deepEqual(await listTokens(world.client), [short]);
  await assert.rejects(removeToken(world.client, 'aaaaaa'), { code: 'NO_SUCH_TOKEN', hint: /token list/ });
});

test('a token is named by its id or by the whole of it', () => {
  assert.equal(tokenIdOf('abcdef'), 'abcdef');
  assert.equal(tokenIdOf('abcdef.0123456789abcdef'), 'abcdef');
  assert.equal(tokenIdOf(`K10${'0'.repeat(64)}::abcdef.0123456789abcdef`), 'abcdef');
});

test('groups and usages that no token can have are refused', () => {
  assert.deepEqual(checkTokenChoices([joinGroup], ['signing']), ['signing']);
  assert.throws(() => checkTokenChoices(['system:masters'], []), { code: 'INVALID_OPTION', message: /--groups/ });
  assert.throws(() => checkTokenChoices([], ['everything']), { code: 'INVALID_OPTION', message: /--usages/ });
});
