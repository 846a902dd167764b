import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FieldError, renderFieldError } from '../../field-error.ts';
import { nameIsIpAddress } from '../../ip-address-name.ts';
import { canonicalCidrProblem, cidrProblem, ipProblem } from '../../ip-text.ts';
import type { Ingress, IngressSpec, NetworkPolicy, NetworkPolicyPeer, ServiceCIDR } from '../../types.gen.ts';
import { validateIngress } from './ingress.ts';
import { validateNetworkPolicy, validateNetworkPolicyUpdate } from './network-policy.ts';
import { validateServiceCidrUpdate } from './service-cidr.ts';

const metadata = { name: 'x', namespace: 'n', uid: 'u', resourceVersion: '1' };

function texts(errors: readonly FieldError[]): readonly string[] {
  return errors.map(renderFieldError);
}

test('addresses and prefixes are written in one way only', () => {
  assert.equal(ipProblem('10.0.0.1'), undefined);
  assert.equal(ipProblem('fd00::1'), undefined);
  assert.equal(ipProblem('010.0.0.1'), 'must not have leading 0s');
  assert.equal(ipProblem('::ffff:10.0.0.1'), 'must not be an IPv4-mapped IPv6 address');
  assert.equal(cidrProblem('10.0.0.0/8'), undefined);
  assert.equal(cidrProblem('10.0.0.1/8'), 'must not have bits set beyond the prefix length');
  assert.equal(cidrProblem('10.0.0.0/08'), 'must not have leading 0s in IP or prefix length');
  assert.equal(canonicalCidrProblem('FD00::/8'), 'must be in canonical form ("fd00::/8")');
  assert.deepEqual(nameIsIpAddress('192.168.001.1', false), ['must not have leading 0s']);
});

function ingress(spec: IngressSpec): Ingress {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata, spec };
}

const backend = { service: { name: 's', port: { number: 80 } } };

test('an Ingress needs a backend for all that it takes', () => {
  const cases: readonly (readonly [IngressSpec, readonly string[]])[] = [
    [{ defaultBackend: backend }, []],
    [{}, ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified']],
    [
      { defaultBackend: { service: { name: 's', port: { number: 80, name: 'http' } } } },
      ['spec.defaultBackend: Invalid value: "": cannot set both port name & port number'],
    ],
    [
      { rules: [{ host: '10.0.0.1', http: { paths: [{ path: '/a//b', pathType: 'Prefix', backend }] } }] },
      [
        'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
        'spec.rules[0].http.paths[0].path: Invalid value: "/a//b": must not contain \'//\'',
      ],
    ],
  ];
  for (const [spec, expected] of cases) assert.deepEqual(texts(validateIngress(ingress(spec))), expected);
});

function policy(peer: NetworkPolicyPeer): NetworkPolicy {
  const spec = { podSelector: {}, ingress: [{ from: [peer] }], policyTypes: ['Ingress'] };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec };
}

test('what a NetworkPolicy excepts lies within its block', () => {
  const within = policy({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } });
  assert.deepEqual(texts(validateNetworkPolicy(within)), []);
  for (const except of ['11.0.0.0/16', '10.0.0.0/8', 'fd00::/16']) {
    assert.deepEqual(texts(validateNetworkPolicy(policy({ ipBlock: { cidr: '10.0.0.0/8', except: [except] } }))), [
      `spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "${except}": must be a strict subset of \`cidr\``,
    ]);
  }
});

test('a NetworkPolicy keeps the blocks that it had', () => {
  const lax = policy({ ipBlock: { cidr: '10.0.0.1/8' } });
  assert.equal(validateNetworkPolicy(lax).length, 1);
  assert.deepEqual(validateNetworkPolicyUpdate(lax, lax), []);
});

test('a ServiceCIDR takes a second family and no other change', () => {
  const cidr = (...cidrs: readonly string[]): ServiceCIDR => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'c', uid: 'u', resourceVersion: '1' },
    spec: { cidrs },
  });
  const old = cidr('10.0.0.0/24');
  assert.deepEqual(texts(validateServiceCidrUpdate(cidr('10.0.0.0/24', 'fd00::/120'), old)), []);
  assert.deepEqual(texts(validateServiceCidrUpdate(cidr('10.1.0.0/24'), old)), [
    'spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable',
  ]);
  assert.deepEqual(texts(validateServiceCidrUpdate(cidr(), old)), [
    'spec.cidrs: Invalid value: []: field is immutable',
  ]);
});
