import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import { ensurePki, type Pki } from '../pki/pki.ts';
import { findAuthority, keepAuthority } from './authority.ts';
import { formatJoinToken, newCredentials, parseJoinToken } from './token.ts';

const signal = new AbortController().signal;
const folder = mkdtempSync(path.join(tmpdir(), 'wherry-authority-'));
const stack = new DisposableStack();
let pki: Pki;
let server: string;

before(async () => {
  pki = await ensurePki({
    directory: path.join(folder, 'tls'),
    subjectAltNames: [],
    serviceAddresses: ['10.43.0.1'],
    clusterDomain: 'cluster.local',
    nowMs: Date.now(),
  });
  const { certificate: cert, key } = pki.apiServer;
  const listening = createServer({ cert, key }, (_request, response) => response.end(pki.serverAuthority.certificate));
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  stack.defer(() => {
    listening.close();
    listening.closeAllConnections();
  });
  server = `https://127.0.0.1:${(listening.address() as AddressInfo).port}`;
});
after(() => {
  stack.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const directory = path.join(folder, 'new');
const tokenOf = (pem: string) => parseJoinToken(formatJoinToken(pem, newCredentials()));
const find = (options: Partial<Parameters<typeof findAuthority>[0]> = {}) =>
  findAuthority({
    server,
    directory,
    token: tokenOf(pki.serverAuthority.certificate),
    clock: systemClock,
    signal,
    ...options,
  });

test('the authority is the one that the token names', async () => {
  assert.deepEqual(await find(), { certificate: pki.serverAuthority.certificate, isVerified: true, isKept: false });
  assert.equal((await find({ token: parseJoinToken('correct horse') })).isVerified, false);
});

test('the token of another cluster is refused', async () => {
  await assert.rejects(find({ token: tokenOf('another') }), { code: 'WRONG_CLUSTER', hint: /compare --server/ });
});

test('a node of one cluster does not become one of another by a new token', async () => {
  const kept = path.join(folder, 'kept');
  await keepAuthority(kept, pki.serverAuthority.certificate);
  const found = await find({ directory: kept, token: undefined, server: 'https://127.0.0.1:1' });
  assert.deepEqual(found, { certificate: pki.serverAuthority.certificate, isVerified: true, isKept: true });
  await assert.rejects(find({ directory: kept, token: tokenOf('another') }), { code: 'OTHER_CLUSTER', hint: /reset/ });
});

test('a machine whose clock is off is told by how much', async () => {
  const off = (ms: number) => ({ ...systemClock, now: () => systemClock.now() + ms });
  const hourMs = 3_600_000;
  await assert.rejects(find({ clock: off(-(50 * 24 + 1) * hourMs) }), {
    code: 'CLOCK_SKEW',
    message: /50d behind the server's/,
  });
  await assert.rejects(find({ clock: off(3 * hourMs) }), { code: 'CLOCK_SKEW', message: /ahead of the server's/ });
  assert.ok(await find({ clock: off(60_000) }));
});

test('without a token nobody is asked', async () => {
  await assert.rejects(find({ token: undefined }), { code: 'NO_TOKEN', hint: /server\/token/ });
});
