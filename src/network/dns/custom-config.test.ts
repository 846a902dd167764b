import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { CorefileError, parseServerBlocks } from './corefile.ts';
import { configurationOf, parseCustomKey } from './custom-config.ts';

const machine = [{ host: '192.0.2.53', port: 53 }];

function blocksOf(source: string) {
  const part = parseCustomKey('a.server', source);
  return configurationOf(part === null ? [] : [part], [], machine).blocks;
}

function refusal(key: string, source: string): string {
  try {
    parseCustomKey(key, source);
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof CorefileError);
    return error.message;
  }
}

test('a stub domain has servers of its own, a policy and a cache', () => {
  const [block] = blocksOf(`
    # of the office
    Example.local:53 other.test {
      errors
      cache 10
      forward . 10.0.0.1 10.0.0.2:5353 [fd00::1]:54 fd00::2 dns://10.0.0.3 {
        policy sequential
        force_tcp
      }
    }`);
  assert.equal(block?.zone, 'example.local.');
  assert.equal(block?.cacheSeconds, 10);
  assert.deepEqual(block?.forwards, [
    {
      from: '.',
      servers: [
        { host: '10.0.0.1', port: 53 },
        { host: '10.0.0.2', port: 5353 },
        { host: 'fd00::1', port: 54 },
        { host: 'fd00::2', port: 53 },
        { host: '10.0.0.3', port: 53 },
      ],
      policy: 'sequential',
      overTcp: true,
    },
  ]);
  assert.equal(blocksOf('a.test, b.test { forward . 10.0.0.1 }').length, 2);
});

test('hosts stand in a block, alone or before a server', () => {
  const [alone] = blocksOf('home.test { hosts {\n 10.0.0.5 nas.home.test nas\n ttl 7\n } }'.replace('} }', '}\n}'));
  assert.deepEqual(alone?.hosts, [{ address: '10.0.0.5', names: ['nas.home.test', 'nas'] }]);
  assert.equal(alone?.hostsTtl, 7);
  assert.equal(alone?.isHostsFinal, true);
  const [before] = blocksOf(
    'home.test {\n hosts {\n 10.0.0.5 nas.home.test\n fallthrough\n }\n forward . /etc/resolv.conf\n}',
  );
  assert.equal(before?.isHostsFinal, false);
  assert.deepEqual(before?.forwards[0]?.servers, machine);
});

test('an override stands before what the cluster does by itself', () => {
  const part = parseCustomKey('a.override', 'forward corp.test 10.0.0.9\nlog\nhosts {\n 10.0.0.5 nas.test\n}');
  assert.ok(part !== null);
  const { main } = configurationOf([part], [{ address: '10.0.0.1', names: ['node-1'] }], machine);
  assert.deepEqual(
    main.forwards.map(({ from, servers }) => [from, servers[0]?.host]),
    [
      ['corp.test.', '10.0.0.9'],
      ['.', '192.0.2.53'],
    ],
  );
  assert.deepEqual(
    main.hosts.map(({ names }) => names[0]),
    ['node-1', 'nas.test'],
  );
  assert.equal(main.isLogged, true);
  assert.equal(main.cacheSeconds, 30);
  assert.equal(parseCustomKey('README', '}{'), null);
});

test('what can not be done is refused, and says where and what', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    [
      'a.test {\n rewrite name a b\n forward . 10.0.0.1\n}',
      /^line 2: the directive "rewrite" is not supported; there are forward/,
    ],
    ['a.test {\n forward . tls://1.1.1.1\n}', /^line 2: tls:\/\/1\.1\.1\.1: encrypted questions are not supported/],
    ['a.test {\n forward . 10.0.0.1 {\n  tls_servername x\n }\n}', /^line 3: forward: the option "tls_servername"/],
    ['a.test {\n forward . ten\n}', /"ten" is not the address of a name server/],
    ['a.test {\n forward .\n}', /write forward ZONE SERVER/],
    ['a.test:5353 {\n forward . 10.0.0.1\n}', /port 53 only/],
    ['. {\n forward . 10.0.0.1\n}', /\*\.override/],
    ['tls://a.test {\n forward . 10.0.0.1\n}', /is not a zone/],
    ['a.test {\n errors\n}', /nothing answers for a\.test\./],
    ['a.test {\n hosts /etc/hosts\n}', /can't read files/],
    ['a.test {\n hosts {\n  nas 10.0.0.1\n }\n}', /^line 3: hosts: "nas 10.0.0.1"/],
    ['a.test {\n cache many\n}', /cache: "many" is not a number of seconds/],
    ['a.test {\n forward . 10.0.0.1', /never closed/],
    ['a.test', /no "\{" follows "a.test"/],
    ['}', /"\}" without its "\{"/],
    ['a.test {\n forward . "10.0.0.1\n}', /quotation mark/],
    ['(snippet) {\n log\n}', /is not a zone/],
  ];
  for (const [source, expected] of wrong) assert.match(refusal('a.server', source), expected, source);
  assert.match(refusal('a.override', 'log }'), /"\}" without its "\{"/);
  assert.match(refusal('a.override', 'template IN A\n'), /^line 1: the directive "template"/);
});

test('any text is read or refused with a line', () => {
  const word = fc.constantFrom(
    'a.test',
    '{',
    '}',
    '\n',
    'forward',
    '.',
    '10.0.0.1',
    '"',
    '#',
    'hosts',
    'cache',
    '30',
    'policy',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), (words) => {
      for (const key of ['a.server', 'a.override'])
        assert.match(refusal(key, words.join(' ')), /^(accepted|line \d+: .+)$/s);
    }),
    { numRuns: 2000 },
  );
  assert.deepEqual(parseServerBlocks(''), []);
});
