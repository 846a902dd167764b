import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { compileTunnel, needsSync, parseDump, type WireGuardTunnel } from './config.ts';
import { nodeKeys } from './keys.ts';

const key = (letter: string) => `${letter.repeat(43)}=`;
const tunnel: WireGuardTunnel = {
  name: 'flannel-wg',
  privateKey: key('P'),
  port: 51820,
  peers: [
    {
      publicKey: key('B'),
      endpoint: '2001:db8::2',
      port: 51821,
      allowed: ['10.42.2.0/24', 'fd00:42:0:2::/64'],
      presharedKey: key('S'),
      keepalive: 25,
    },
  ],
};

test('a tunnel is what wg setconf reads', () => {
  assert.equal(
    compileTunnel(tunnel),
    `[Interface]
PrivateKey = ${key('P')}
ListenPort = 51820

[Peer]
PublicKey = ${key('B')}
PresharedKey = ${key('S')}
AllowedIPs = 10.42.2.0/24, fd00:42:0:2::/64
Endpoint = [2001:db8::2]:51821
PersistentKeepalive = 25
`,
  );
});

test('what wg shows is compared: a peer that moved is left alone while its session stands', () => {
  const dump = (endpoint: string, handshake: number, keepalive = '25') =>
    parseDump(
      `${key('P')}\t${key('Q')}\t51820\toff\n${key('B')}\t${key('S')}\t${endpoint}\tfd00:42:0:2::/64,10.42.2.0/24\t${handshake}\t0\t0\t${keepalive}\n`,
    );
  const now = 10_000;
  assert.equal(needsSync(tunnel, dump('[2001:db8::2]:51821', 0), now), false);
  assert.equal(needsSync(tunnel, dump('[2001:db8::99]:4000', now - 20), now), false);
  assert.equal(needsSync(tunnel, dump('[2001:db8::99]:4000', now - 500), now), true);
  assert.equal(needsSync(tunnel, dump('[2001:db8::2]:51821', now, 'off'), now), true);
  assert.equal(needsSync({ ...tunnel, peers: [] }, dump('[2001:db8::2]:51821', now), now), true);
});

test('a node’s key is made once, for its owner only, and fits its public half', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'wherry-wg-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'deep', 'wireguard.key');
  const made = await nodeKeys(file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual(await nodeKeys(file), made);
  assert.match(made.publicKey, /^[A-Za-z0-9+/]{43}=$/);
  assert.notEqual(made.publicKey, made.privateKey);
});
