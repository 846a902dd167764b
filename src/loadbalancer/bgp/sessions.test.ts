import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BirdSession } from '../../engines/bird/status.ts';
import type { Peer } from './configuration.ts';
import { SessionTeller, sessionGraceMs, sessionStates, summaryOf } from './sessions.ts';

const peer = (name: string, more: Partial<Peer> = {}): Peer => ({
  ...{ name, myASN: 64_500, peerASN: 64_501, address: '192.0.2.254', interface: undefined, port: 179 },
  ...{ sourceAddress: undefined, holdTime: undefined, keepaliveTime: undefined, connectTime: undefined },
  ...{ routerID: undefined, nodeSelectors: [], password: undefined, passwordSecret: undefined, bfdProfile: undefined },
  ...{ gracefulRestart: false, multiHop: false, vrf: undefined, bothFamilies: false },
  ...more,
});
const session = (name: string, state: string, error = ''): BirdSession => ({
  ...{ name: `peer_${name}`, state, isEstablished: state === 'Established', error, exported: 0, bfd: 'none' },
});
const states = (...sessions: readonly BirdSession[]) => sessionStates([peer('a')], new Map(), sessions, 'BIRD is away');

test('what BIRD says is told with what it means', () => {
  for (const [error, words] of [
    ['', /^no answer from 192\.0\.2\.254$/],
    ['Socket: No route to host', /^no answer from/],
    ['Socket: Connection refused', /no BGP speaker listens there/],
    ['Socket: Connection closed', /does it expect this node as a neighbour in the autonomous system 64500/],
    ['BGP Error: Bad peer AS', /the router's autonomous system is not 64501/],
    ['Received: Bad peer AS', /the router expects another autonomous system than 64500/],
    ['Error: BFD session down', /does not speak BFD/],
    ['Received: Administrative shutdown', /^Received: Administrative shutdown$/],
  ] as const) {
    assert.match(states(session('a', 'Active', error))[0]?.why ?? '', words);
  }
  const secured = sessionStates([peer('a', { password: 'x' })], new Map(), [session('a', 'Connect')], '');
  assert.equal(secured[0]?.why, 'no answer from 192.0.2.254: is its password the same?');
  assert.equal(states()[0]?.why, 'BIRD is away');
  assert.equal(states(session('a', 'Down'))[0]?.bgp, 'Idle', 'a word of BGP');
});

test('a session that comes up in time is told once, and its end at once', () => {
  const teller = new SessionTeller();
  const told = (nowMs: number, ...sessions: readonly BirdSession[]) =>
    teller.news(states(...sessions), nowMs).map(({ type, reason, message }) => `${type} ${reason} ${message}`);
  assert.deepEqual(told(0, session('a', 'Connect')), []);
  assert.deepEqual(told(1000, session('a', 'Established')), ['Normal SessionUp the session is established']);
  assert.deepEqual(told(60_000, session('a', 'Established')), []);
  const down = session('a', 'Active', 'Error: BFD session down');
  assert.match(told(61_000, down).join(), /^Warning SessionDown the session has ended: Error: BFD session down: /);
  assert.deepEqual(told(62_000, down), []);
  assert.deepEqual(told(63_000, session('a', 'Established')), ['Normal SessionUp the session is established']);
});

test('a session that does not come up is told after a while, and again for another reason', () => {
  const teller = new SessionTeller();
  const count = (nowMs: number, error: string) => teller.news(states(session('a', 'Active', error)), nowMs).length;
  assert.equal(count(0, ''), 0);
  assert.equal(count(sessionGraceMs - 1, ''), 0);
  assert.equal(count(sessionGraceMs, ''), 1);
  assert.equal(count(sessionGraceMs * 2, ''), 0);
  assert.equal(count(sessionGraceMs * 3, 'Socket: Connection refused'), 1);
  assert.deepEqual(teller.news([], 0), [], 'a peer that is gone is forgotten');
  assert.equal(count(sessionGraceMs * 4, ''), 0, 'and has its time again when it comes back');
});

test('a line says how many sessions stand, and why others do not', () => {
  assert.deepEqual(summaryOf(states(session('a', 'Established'))), { ok: true, text: '1 of 1 sessions established' });
  assert.deepEqual(summaryOf(sessionStates([peer('a')], new Map([['a', 'no Secret']]), [], '')), {
    ok: false,
    text: '0 of 1 sessions established; a (192.0.2.254): no Secret',
  });
});
