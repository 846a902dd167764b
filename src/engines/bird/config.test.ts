/** Configurations as they are written, each of which BIRD itself accepts too. `node config.test.ts --write` writes them anew, to be read in the diff. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { run } from '../process/run.ts';
import { type BirdConfig, type BirdPeer, compileBird, protocolName } from './config.ts';

const golden = (name: string) => path.join(import.meta.dirname, 'golden', `${name}.conf`);
const peer = (name: string, address: string, more: Partial<BirdPeer> = {}): BirdPeer => ({
  ...{ name: protocolName(name), address, localAsn: 64_500, peerAsn: 64_501, localAddress: undefined, port: 179 },
  ...{ routerId: undefined, holdTime: undefined, keepaliveTime: undefined, connectTime: undefined },
  ...{ password: undefined, bfd: undefined, gracefulRestart: false, reach: undefined, vrf: undefined },
  channels: [{ family: address.includes(':') ? 'ipv6' : 'ipv4', nextHop: undefined }],
  routes: [],
  ...more,
});
const route = (prefix: string) => ({ prefix, localPref: undefined, communities: [] });
const base = { routerId: '192.0.2.1', logFile: '/run/example/sessions.log' };

const configurations: Readonly<Record<string, BirdConfig>> = {
  plain: { ...base, peers: [peer('rack', '192.0.2.254', { routes: [route('198.51.100.7/32')] })] },
  'without-routes': { ...base, peers: [peer('rack', '192.0.2.254'), peer('other', '2001:db8::fe')] },
  internal: {
    ...base,
    peers: [
      peer('a', '192.0.2.254', {
        ...{ peerAsn: 'internal', reach: 'direct' },
        bfd: { receiveInterval: 50, transmitInterval: 60, multiplier: 3, passive: true },
        routes: [{ ...route('198.51.100.0/24'), localPref: 200 }],
      }),
    ],
  },
  everything: {
    ...base,
    peers: [
      peer('rack-1.example', '192.0.2.254', {
        ...{ peerAsn: 'external', port: 1179, routerId: '192.0.2.9', localAddress: '192.0.2.1', reach: 'multihop' },
        ...{
          holdTime: 9,
          keepaliveTime: 3,
          connectTime: 7,
          password: "it's \\ a $ecret",
          vrf: 'red',
          gracefulRestart: true,
        },
        bfd: { receiveInterval: 300, transmitInterval: 300, multiplier: 3, passive: false },
        channels: [
          { family: 'ipv4', nextHop: undefined },
          { family: 'ipv6', nextHop: '2001:db8::1' },
        ],
        routes: [
          {
            prefix: '198.51.100.7/32',
            localPref: 100,
            communities: [
              [64_500, 1],
              [65_535, 65_281],
              [64_500, 2, 3],
            ],
          },
          route('2001:db8:1::/64'),
          route('198.51.100.0/24'),
        ],
      }),
      peer('rack 2', '2001:db8::fe', {
        channels: [
          { family: 'ipv4', nextHop: undefined },
          { family: 'ipv6', nextHop: undefined },
        ],
        routes: [route('198.51.100.7/32'), route('2001:db8:1::7/128')],
      }),
    ],
  },
};

for (const [name, configuration] of Object.entries(configurations)) {
  test(`the configuration "${name}" is as it was, and BIRD accepts it`, async () => {
    const text = compileBird(configuration);
    if (process.argv.includes('--write')) writeFileSync(golden(name), text);
    assert.equal(text, readFileSync(golden(name), 'utf8'));
    await run('bird', ['-p', '-c', golden(name)], { timeoutMs: 10_000 });
  });
}

test('the order of peers and routes changes nothing', () => {
  const { everything } = configurations;
  assert.ok(everything);
  const turned = everything.peers.toReversed().map((one) => ({ ...one, routes: one.routes.toReversed() }));
  assert.equal(compileBird({ ...everything, peers: turned }), compileBird(everything));
});

test('names of protocols are words that BIRD takes, and different for different peers', () => {
  const name = fc.oneof(fc.string(), fc.string({ minLength: 30, maxLength: 253 }));
  fc.assert(
    fc.property(name, name, (a, b) => {
      assert.match(protocolName(a), /^\w{1,47}$/);
      assert.equal(protocolName(a) === protocolName(b), a === b);
    }),
  );
});
