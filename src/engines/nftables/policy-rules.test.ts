import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePolicies, compilePolicyChange, type PolicyRules } from './policy-rules.ts';
import { generationMark, generationMask, generationMax, generationOf } from './policy-skeleton.ts';

const empty: PolicyRules = {
  families: [4],
  ownRanges: ['10.42.0.0/24'],
  dns: ['10.43.0.10'],
  sets: new Map(),
  chains: new Map(),
  pods: new Map([['10.42.0.5', { ingress: null, egress: null, node: null }]]),
};
const guarded: PolicyRules = {
  ...empty,
  sets: new Map([
    ['pods-1', { kind: 'addresses', elements: new Set(['10.42.1.7', 'fd42::7']) }],
    ['ports-1', { kind: 'ports', elements: new Set(['80', '90-99']) }],
  ]),
  chains: new Map([
    [
      'ingress-1',
      {
        direction: 'ingress',
        rules: [
          {
            when: [
              { side: 'client', in: 'pods-1' },
              { protocol: 'tcp', ports: { set: 'ports-1' } },
            ],
            verdict: 'allow',
          },
          { when: [{ protocol: 'sctp', ports: { from: 80, to: 80 } }], verdict: 'allow' },
          { when: [], verdict: 'deny' },
        ],
      },
    ],
  ]),
  pods: new Map([['10.42.0.5', { ingress: 'ingress-1', egress: null, node: null }]]),
};
const stamp = (mark: string) => [
  'flush chain inet t current',
  `add rule inet t current ct mark & 0xff000fff == ${mark} accept`,
  'flush chain inet t allow',
  `add rule inet t allow ct mark set ct mark & 0x00fff000 | ${mark}`,
  'add rule inet t allow accept',
];

test('a policy that comes is its sets, its chain and the pod’s way to it, and a new generation', () => {
  assert.deepEqual(compilePolicyChange('t', empty, guarded, 4097).trimEnd().split('\n'), [
    'add set inet t pods-1-4 { type ipv4_addr; }',
    'add element inet t pods-1-4 { 10.42.1.7 }',
    'add set inet t ports-1 { type inet_service; flags interval; }',
    'add element inet t ports-1 { 80, 90-99 }',
    'add chain inet t ingress-1',
    'add rule inet t ingress-1 ct original ip saddr @pods-1-4 meta l4proto tcp ct reply proto-src @ports-1 goto allow',
    'add rule inet t ingress-1 meta l4proto sctp ct reply proto-src 80 goto allow',
    'add rule inet t ingress-1 goto deny-ingress',
    'delete element inet t clients-4 { 10.42.0.5 }',
    'delete element inet t servers-4 { 10.42.0.5 }',
    'delete element inet t node-clients-4 { 10.42.0.5 }',
    'delete element inet t selves-4 { 10.42.0.5 . 10.42.0.5 }',
    'delete element inet t free-4 { 10.42.0.5 }',
    'add element inet t clients-4 { 10.42.0.5 : goto server-of-pod }',
    'add element inet t servers-4 { 10.42.0.5 : goto ingress-1 }',
    'add element inet t node-clients-4 { 10.42.0.5 : goto allow }',
    'add element inet t selves-4 { 10.42.0.5 . 10.42.0.5 }',
    'add element inet t bound-4 { 10.42.0.5 }',
    ...stamp('0x01000001'),
  ]);
});

test('a pod that comes to a selector is one element', () => {
  const elements = new Set(['10.42.1.7', 'fd42::7', '10.42.1.8']);
  const more = { ...guarded, sets: new Map([...guarded.sets, ['pods-1', { kind: 'addresses' as const, elements }]]) };
  assert.deepEqual(compilePolicyChange('t', guarded, more, 2).trimEnd().split('\n'), [
    'add element inet t pods-1-4 { 10.42.1.8 }',
    ...stamp('0x00000002'),
  ]);
});

test('the same state is no command; other ranges are none that can be reached', () => {
  assert.equal(compilePolicyChange('t', guarded, { ...guarded }, 2), '');
  assert.throws(() => compilePolicyChange('t', guarded, { ...guarded, ownRanges: ['10.42.1.0/24'] }, 2));
});

test('what a policy needed goes with it, rules before what they lead to', () => {
  const lines = compilePolicyChange('t', guarded, empty, 2).split('\n');
  const at = (line: string) => {
    assert.ok(lines.includes(line), line);
    return lines.indexOf(line);
  };
  assert.ok(at('delete element inet t servers-4 { 10.42.0.5 }') < at('delete chain inet t ingress-1'));
  assert.ok(at('flush chain inet t ingress-1') < at('delete chain inet t ingress-1'));
  assert.ok(at('delete chain inet t ingress-1') < at('delete set inet t pods-1-4'));
});

test('the whole table replaces what stands in its place', () => {
  const text = compilePolicies('t', guarded, 1);
  assert.match(text, /^add table inet t\ndelete table inet t\ntable inet t \{/);
  assert.match(text, /elements = \{ 10\.42\.0\.0\/24 \}/);
  assert.doesNotMatch(text, /ip6/);
});

test('generations go into their bits of the mark and come out again', () => {
  for (const generation of [1, 0xfff, 0x1000, 0x12345, generationMax]) {
    const mark = generationMark(generation);
    assert.equal((mark & ~generationMask) >>> 0, 0);
    assert.equal(generationOf(mark), generation);
    assert.equal(generationOf((mark | 0x00fff000) >>> 0), generation);
  }
});
