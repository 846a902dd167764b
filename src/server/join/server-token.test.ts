import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { type SecuredServer, startSecuredServer } from '../../../test/testbed/secured-server.ts';
import { tokenreviews } from '../../kube/resources.gen.ts';
import { joinGroup } from './join-group.ts';
import { ensureServerToken } from './server-token.ts';
import { authorityHashOf, parseJoinToken } from './token.ts';

const authority = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
let world: SecuredServer;

before(async () => {
  world = await startSecuredServer();
});
after(() => world[Symbol.asyncDispose]());

function tokenFile(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-server-token-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'server', 'token');
}

/** The groups of whoever shows this token; undefined when it does not hold. */
async function groupsOf(text: string): Promise<readonly string[] | undefined> {
  const { id, secret } = parseJoinToken(text).credentials;
  const { status } = await world.client.create(tokenreviews, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    metadata: {},
    spec: { token: `${id}.${secret}` },
  });
  return status?.authenticated ? status.user?.groups : undefined;
}

test('the token in the file is the one that the API server accepts, and a restart keeps it', async (t) => {
  const file = tokenFile(t);
  await ensureServerToken(world.client, { file, given: undefined, authority });
  const text = readFileSync(file, 'utf8');
  assert.equal(parseJoinToken(text).authorityHash, authorityHashOf(authority));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.ok((await groupsOf(text))?.includes(joinGroup));
  await ensureServerToken(world.client, { file, given: undefined, authority });
  assert.equal(readFileSync(file, 'utf8'), text);
});

test('another --token takes the place of the former one, which no longer holds', async (t) => {
  const file = tokenFile(t);
  await ensureServerToken(world.client, { file, given: undefined, authority });
  const former = readFileSync(file, 'utf8');
  await ensureServerToken(world.client, { file, given: 'correct horse', authority });
  assert.equal(await groupsOf(former), undefined);
  assert.ok((await groupsOf('correct horse'))?.includes(joinGroup));
  await ensureServerToken(world.client, { file, given: 'battery staple', authority });
  assert.equal(await groupsOf('correct horse'), undefined);
  assert.ok((await groupsOf(readFileSync(file, 'utf8')))?.includes(joinGroup));
});

test('a damaged file is told, not replaced', async (t) => {
  const file = tokenFile(t);
  await ensureServerToken(world.client, { file, given: undefined, authority });
  writeFileSync(file, 'K10\n');
  await assert.rejects(ensureServerToken(world.client, { file, given: undefined, authority }), {
    code: 'JOIN_TOKEN_UNREADABLE',
    hint: /remove/,
  });
});
