import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import { WherryError } from '../core/errors.ts';
import { Attempts, groupOf } from './attempts.ts';
import { Accounts } from './exit/accounts.ts';
import { endToEnd } from './exit/forwarded.ts';
import { whatIsAsked } from './exit/http-proxy.ts';
import { RouteTable } from './exit/route-table.ts';
import { covers, hostOfHeader, parseHostPattern, patternsFor } from './host-names.ts';
import { dataProofOf, newNonce, proofOf, sameProof } from './proof.ts';
import { authorityOf, parseRemote } from './remote.ts';
import { TokenBucket } from './token-bucket.ts';
import { fullToken, parseTokenFile, type TokenSpec, whyForbidden } from './tokens.ts';
import { httpRoute, parseUpstreams, portRoute } from './upstream.ts';

class ManualClock implements Clock {
  ms = 0;
  now = () => this.ms;
  monotonic = () => this.ms;
  sleep = systemClock.sleep;
  after = systemClock.after;
}

test('upstreams are read as inlets reads them, and ports besides', () => {
  const told = (text: string, strict = true) =>
    parseUpstreams([text], strict).map(({ route, target }) =>
      target === null
        ? `${route.id} any`
        : `${route.id} ${target.protocol} ${target.host} ${target.port}${target.proxyProtocol ? ' proxy' : ''}`,
    );
  assert.deepEqual(told('http://172.30.1.50:80'), ['http/* http 172.30.1.50 80']);
  assert.deepEqual(told('127.0.0.1:3000'), ['http/* http 127.0.0.1 3000']);
  assert.deepEqual(told('a.example=http://10.0.0.1, B.example=https://web'), [
    'http/a.example http 10.0.0.1 80',
    'http/b.example https web 443',
  ]);
  assert.deepEqual(told('2222=tcp://10.0.0.1:22?proxy-protocol=v2,udp://[::1]:53'), [
    'tcp/2222 tcp 10.0.0.1 22 proxy',
    'udp/53 udp ::1 53',
  ]);
  assert.deepEqual(told('a.example=http://10.0.0.1', false), ['http/a.example http 10.0.0.1 80', 'http/* any']);
  for (const wrong of [
    'ftp://a',
    'http://a/path',
    'tcp://a',
    'x=tcp://a:1',
    '70000=tcp://a:1',
    'a=http://x,a=http://y',
    'a b=http://x',
    'http://a:0',
    'udp://a:1?proxy-protocol=v2',
    'tcp://a:1?proxy-protocol=v1',
  ])
    assert.throws(() => parseUpstreams([wrong]), { code: 'TUNNEL_UPSTREAM' }, wrong);
});

test('remotes are encrypted unless somebody says otherwise', () => {
  assert.deepEqual(parseRemote('mydomain.be:8080', false), { host: 'mydomain.be', port: 8080, encrypted: true });
  assert.deepEqual(parseRemote('mydomain.be', false), { host: 'mydomain.be', port: 8080, encrypted: true });
  assert.deepEqual(parseRemote('wss://[2001:db8::1]', false), { host: '2001:db8::1', port: 443, encrypted: true });
  assert.deepEqual(parseRemote('ws://a:1', true), { host: 'a', port: 1, encrypted: false });
  assert.equal(authorityOf({ host: '2001:db8::1', port: 1 }), '[2001:db8::1]:1');
  for (const wrong of ['ws://a:1', 'ftp://a', '', 'wss://a/b', 'a:99999', 'wss://u@a'])
    assert.throws(() => parseRemote(wrong, false), { code: 'TUNNEL_REMOTE' }, wrong);
});

test('a malformed token is left out by name, and the others stand', () => {
  const { tokens, problems } = parseTokenFile(`
tokens:
  - { name: a, token: aaaaaaaaaaaaaaaaaaaa, hostnames: ["*.a.example"], ports: [80, udp/1-9], bandwidth: 10Mi, connections: 5 }
  - { name: b, token: b b }
  - { name: c, token: cccccccccccccccccccc, ports: [9-1] }
  - { name: a, token: dddddddddddddddddddd }
  - { name: e, token: aaaaaaaaaaaaaaaaaaaa }
  - { name: f, token: ffffffffffffffffffff, bandwith: 1 }
  - { name: g, token: gggggggggggggggggggg, connections: -1 }
  - { name: h, token: short }
  - 7
`);
  assert.deepEqual(
    tokens.map(({ name }) => name),
    ['a', 'h'],
  );
  assert.deepEqual([tokens[0]?.bandwidth, tokens[0]?.connections], [10 * 1024 * 1024, 5]);
  assert.equal(problems.length, 8);
  assert.match(problems.join('\n'), /token "f" is left out: there is no field "bandwith"/);
  assert.match(problems.join('\n'), /token h has fewer than 16 characters/);
  assert.deepEqual(parseTokenFile('  0123456789abcdef\n').tokens, [fullToken('default', '0123456789abcdef')]);
  for (const wrong of ['', ' \n', 'two words', 'tokens:\n  a: [', 'tokens: 5'])
    assert.throws(() => parseTokenFile(wrong), { code: 'TUNNEL_TOKENS' }, wrong);
});

test('any text is tokens or refused', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `tokens:\n${text}`),
      ),
      (text) => {
        try {
          parseTokenFile(text);
        } catch (error) {
          assert.ok(error instanceof WherryError);
        }
      },
    ),
  );
});

test('wildcards cover names below and nothing else', () => {
  for (const [allowed, wanted, is] of [
    ['', 'a', true],
    ['a.b', 'a.b', true],
    ['*.b', 'a.b', true],
    ['*.b', 'c.a.b', true],
    ['*.b', '*.a.b', true],
    ['*.b', '*.b', true],
    ['*.b', 'b', false],
    ['*.b', 'ab', false],
    ['*.a.b', '*.b', false],
    ['*.b', '', false],
    ['a.b', '*.b', false],
  ] as const)
    assert.equal(covers(allowed, wanted), is, `${allowed} ${wanted}`);
  assert.deepEqual(patternsFor('a.b.c'), ['a.b.c', '*.b.c', '*.c', '']);
  assert.equal(hostOfHeader('Shop.Example.:8080'), 'shop.example');
  assert.equal(hostOfHeader('[2001:db8::1]:80'), '[2001:db8::1]');
  for (const wrong of [undefined, '', 'a b', 'a:b', 'a/b', 'a@b', `${'a'.repeat(64)}.b`, 'a..b', '[x]'])
    assert.equal(hostOfHeader(wrong), undefined, String(wrong));
  assert.equal(parseHostPattern('*'), '');
  assert.equal(parseHostPattern('*.*.a'), undefined);
});

test('what a token may not have is said with what it may', () => {
  const spec: TokenSpec = {
    name: 'n',
    token: 't',
    hostNames: ['*.a'],
    ports: [{ protocol: 'tcp', first: 80, last: 90 }],
  };
  assert.equal(whyForbidden(spec, httpRoute('x.a')), undefined);
  assert.equal(whyForbidden(spec, portRoute('tcp', 85)), undefined);
  assert.equal(whyForbidden(spec, httpRoute('')), 'token "n" may serve the host names *.a, not *');
  assert.equal(whyForbidden(spec, portRoute('udp', 85)), 'token "n" may open the ports tcp/80-90, not udp/85');
});

test('a route belongs to one token at a time, and to nobody when its clients are gone', () => {
  const tokens = ['a', 'b'].map((name) => fullToken(name, name));
  const hosts = ['', 'x.y', '*.y', 'z'];
  const step = fc.record({ session: fc.nat(5), routes: fc.array(fc.nat(3), { maxLength: 4 }), gone: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const table = new RouteTable<{ readonly id: string; readonly token: TokenSpec }>();
      const sessions = Array.from({ length: 6 }, (_, i) => ({
        id: `${i}`,
        token: tokens[i % 2] ?? fullToken('x', 'x'),
      }));
      const held = new Map(sessions.map((session) => [session, new Set<string>()]));
      for (const { session: index, routes, gone } of steps) {
        const session = sessions[index];
        if (session === undefined) continue;
        const wanted = gone ? [] : [...new Set(routes)].map((i) => httpRoute(hosts[i] ?? ''));
        table.release(session, new Set(wanted.map(({ id }) => id)));
        const open = wanted.filter((route) => table.claim(session, route).state === 'open').map(({ id }) => id);
        held.set(session, new Set(open));
        for (const host of hosts) {
          const { id } = httpRoute(host);
          const holders = sessions.filter((one) => held.get(one)?.has(id));
          assert.ok(new Set(holders.map(({ token }) => token.name)).size <= 1, 'one token a route');
          const listed = table.list().find(({ route }) => route === id);
          assert.equal(listed?.clients ?? 0, holders.length);
        }
      }
    }),
  );
});

test('requests go to the most specific name, in turn among the clients of a token', () => {
  const table = new RouteTable<{ readonly id: string; readonly token: TokenSpec }>();
  const token = fullToken('t', 't');
  const [a, b] = [
    { id: 'a', token },
    { id: 'b', token },
  ];
  table.claim(a, httpRoute(''));
  table.claim(a, httpRoute('*.y'));
  table.claim(a, httpRoute('x.y'));
  table.claim(b, httpRoute('x.y'));
  const first = (host: string) => table.forHost(host)[0]?.session.id;
  const turns = [first('x.y'), first('x.y'), first('x.y'), first('x.y')];
  assert.deepEqual(turns.sort(), ['a', 'a', 'b', 'b']);
  assert.equal(table.forHost('w.y')[0]?.route, 'http/*.y');
  assert.equal(table.forHost('w.z')[0]?.route, 'http/*');
});

test('a proof fits its token, its role and its connection alone', () => {
  const transcript = {
    exitNonce: newNonce(),
    clientNonce: newNonce(),
    binding: 'tls-exporter' as const,
    shared: Buffer.from('s'),
  };
  const accounts = new Accounts([fullToken('a', 'token-a'), fullToken('b', 'token-b')], systemClock);
  const proof = proofOf('client', 'token-b', transcript);
  assert.equal(accounts.find(proof, transcript)?.spec.name, 'b');
  // Somebody in between shares something else with the exit.
  assert.equal(accounts.find(proof, { ...transcript, shared: Buffer.from('other') }), undefined);
  assert.equal(accounts.find(proof, { ...transcript, binding: 'none' }), undefined);
  assert.equal(accounts.find(proofOf('exit', 'token-b', transcript), transcript), undefined);
  assert.ok(!sameProof(proof, ''));
  assert.notEqual(dataProofOf(Buffer.from('k'), 's', 1), dataProofOf(Buffer.from('k'), 's', 2));
  const gone = accounts.update([fullToken('a', 'token-a2'), fullToken('b', 'token-b')]);
  assert.deepEqual(
    gone.map(({ spec }) => spec.token),
    ['token-a'],
  );
});

test('whoever comes with wrong tokens waits longer each time, with his whole subnet in IPv6', () => {
  const clock = new ManualClock();
  const attempts = new Attempts(clock);
  assert.deepEqual(
    [attempts.failed('192.0.2.1'), attempts.failed('192.0.2.1'), attempts.failed('192.0.2.1')],
    [1000, 2000, 4000],
  );
  assert.equal(attempts.blockedMs('192.0.2.1'), 4000);
  assert.equal(attempts.blockedMs('::ffff:192.0.2.1'), 4000);
  assert.equal(attempts.blockedMs('192.0.2.2'), 0);
  clock.ms = 4000;
  assert.equal(attempts.blockedMs('192.0.2.1'), 0);
  attempts.succeeded('192.0.2.1');
  assert.equal(attempts.failed('192.0.2.1'), 1000);
  for (let i = 0; i < 20; i++) attempts.failed('192.0.2.9');
  assert.equal(attempts.blockedMs('192.0.2.9'), 60_000);
  assert.equal(groupOf('2001:db8::1'), groupOf('2001:db8::ffff'));
  assert.notEqual(groupOf('2001:db8::1'), groupOf('2001:db8:0:1::1'));
});

test('a rate holds over any pattern of use', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ bytes: fc.nat(100_000), gapMs: fc.nat(200) }), { minLength: 1, maxLength: 100 }),
      (uses) => {
        const clock = new ManualClock();
        const bucket = new TokenBucket(100_000, clock);
        let total = 0;
        for (const { bytes, gapMs } of uses) {
          clock.ms += gapMs;
          clock.ms += bucket.take(bytes);
          total += bytes;
        }
        // What a burst allows comes on top once.
        assert.ok(total <= (clock.ms / 1000) * 100_000 + 25_000 + 1, `${total} bytes in ${clock.ms} ms`);
      },
    ),
  );
});

test('a request that could be read in two ways is not passed on', () => {
  const asked = (url: string, ...rawHeaders: string[]) => whatIsAsked({ url, rawHeaders });
  assert.deepEqual(asked('/a?b', 'Host', 'X.y:1'), { host: 'x.y', authority: 'X.y:1', path: '/a?b' });
  assert.deepEqual(asked('http://z.y/p', 'Host', 'x.y'), { host: 'z.y', authority: 'z.y', path: '/p' });
  assert.deepEqual(asked('http://z.y?q', 'host', 'x.y'), { host: 'z.y', authority: 'z.y', path: '/?q' });
  assert.equal(asked('/', 'Host', 'a', 'hOst', 'b'), undefined);
  assert.equal(asked('/'), undefined);
  assert.equal(asked('x', 'Host', 'a'), undefined);
  assert.equal(asked('/', 'Host', 'a/b'), undefined);
  assert.deepEqual(endToEnd(['Connection', 'close, X-Own', 'x-own', '1', 'Keep-Alive', 'x', 'A', 'b']), ['A', 'b']);
});
