import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ensureNodePassword, hashPassword, isPasswordOf } from './node-password.ts';

test('a machine keeps its password, which nobody else can read', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'wherry-password-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const password = await ensureNodePassword(directory);
  assert.match(password, /^[0-9a-f]{32}$/);
  assert.equal(await ensureNodePassword(directory), password);
  assert.equal(statSync(path.join(directory, 'node-password')).mode & 0o777, 0o600);
  writeFileSync(path.join(directory, 'node-password'), '');
  await assert.rejects(ensureNodePassword(directory), { code: 'NODE_PASSWORD_UNREADABLE' });
});

test('a hash is of one password, and of another salt each time', async () => {
  const hash = await hashPassword('secret');
  assert.match(hash, /^\$1:[0-9a-f]{16}:15:8:1:[A-Za-z0-9+/]{86}$/);
  assert.notEqual(hash, await hashPassword('secret'));
  assert.equal(await isPasswordOf('secret', hash), true);
  assert.equal(await isPasswordOf('Secret', hash), false);
});

test('a hash of another form, or one that asks for more work, is of no password', async () => {
  const hash = await hashPassword('secret');
  for (const text of ['', 'secret', hash.replace('$1', '$2'), hash.replace(':15:', ':30:'), hash.replace(/.{80}$/, '')])
    assert.equal(await isPasswordOf('secret', text), false, text);
});
