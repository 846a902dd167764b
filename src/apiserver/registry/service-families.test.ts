import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceSpec } from '../../kube/types.gen.ts';
import type { IpFamily } from './address-range.ts';
import { settleFamilies } from './service-families.ts';

const single: readonly IpFamily[] = ['IPv4'];
const dual: readonly IpFamily[] = ['IPv4', 'IPv6'];
const dualIpv6First: readonly IpFamily[] = ['IPv6', 'IPv4'];
const selector = { app: 'a' };

interface Case {
  readonly name: string;
  readonly spec: ServiceSpec;
  readonly old?: ServiceSpec;
  readonly on: readonly IpFamily[];
  /** The policy and the families that come out, or what is refused. */
  readonly want: string | RegExp;
}

const cases: readonly Case[] = [
  { name: 'nothing said', spec: { selector }, on: dual, want: 'SingleStack IPv4' },
  { name: 'nothing said, IPv6 first', spec: { selector }, on: dualIpv6First, want: 'SingleStack IPv6' },
  { name: 'the other family', spec: { selector, ipFamilies: ['IPv6'] }, on: dual, want: 'SingleStack IPv6' },
  {
    name: 'prefer',
    spec: { selector, ipFamilyPolicy: 'PreferDualStack' },
    on: dual,
    want: 'PreferDualStack IPv4,IPv6',
  },
  {
    name: 'prefer on one',
    spec: { selector, ipFamilyPolicy: 'PreferDualStack' },
    on: single,
    want: 'PreferDualStack IPv4',
  },
  {
    name: 'prefer, IPv6 first',
    spec: { selector, ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv6'] },
    on: dual,
    want: 'PreferDualStack IPv6,IPv4',
  },
  {
    name: 'require',
    spec: { selector, ipFamilyPolicy: 'RequireDualStack' },
    on: dual,
    want: 'RequireDualStack IPv4,IPv6',
  },
  {
    name: 'require on one',
    spec: { selector, ipFamilyPolicy: 'RequireDualStack' },
    on: single,
    want: /ipFamilyPolicy: this cluster is not configured for dual-stack services/,
  },
  {
    name: 'two families without a policy',
    spec: { selector, ipFamilies: ['IPv4', 'IPv6'] },
    on: dual,
    want: /ipFamilyPolicy: must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified/,
  },
  {
    name: 'two addresses without a policy',
    spec: { selector, clusterIP: '10.43.0.5', clusterIPs: ['10.43.0.5', 'fd00::5'] },
    on: dual,
    want: /when multiple cluster IPs are specified/,
  },
  {
    name: 'an address tells the family',
    spec: { selector, clusterIP: 'fd00::5', clusterIPs: ['fd00::5'] },
    on: dual,
    want: 'SingleStack IPv6',
  },
  {
    name: 'an address tells the first of two',
    spec: { selector, clusterIP: 'fd00::5', ipFamilyPolicy: 'RequireDualStack' },
    on: dual,
    want: 'RequireDualStack IPv6,IPv4',
  },
  {
    name: 'an address of a family that is not there',
    spec: { selector, clusterIP: 'fd00::5' },
    on: single,
    want: /clusterIPs\[0\]: IPv6 is not configured on this cluster/,
  },
  {
    name: 'a family that is not there',
    spec: { selector, ipFamilies: ['IPv6'] },
    on: single,
    want: /ipFamilies\[0\]: not configured/,
  },
  {
    name: 'an address of another family than said',
    spec: { selector, clusterIP: '10.43.0.5', ipFamilies: ['IPv6'] },
    on: dual,
    want: /clusterIPs\[0\]: expected an IPv6 value/,
  },
  { name: 'headless', spec: { selector, clusterIP: 'None' }, on: dual, want: 'SingleStack IPv4' },
  {
    name: 'headless of both',
    spec: { selector, clusterIP: 'None', ipFamilyPolicy: 'PreferDualStack' },
    on: dual,
    want: 'PreferDualStack IPv4,IPv6',
  },
  { name: 'headless without selector', spec: { clusterIP: 'None' }, on: single, want: 'RequireDualStack IPv4,IPv6' },
  {
    name: 'headless without selector, of one family',
    spec: { clusterIP: 'None', ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] },
    on: single,
    want: 'SingleStack IPv6',
  },
  {
    name: 'upgrade',
    old: {
      selector,
      clusterIP: '10.43.0.5',
      clusterIPs: ['10.43.0.5'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
    },
    spec: {
      selector,
      clusterIP: '10.43.0.5',
      clusterIPs: ['10.43.0.5'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'PreferDualStack',
    },
    on: dual,
    want: 'PreferDualStack IPv4,IPv6',
  },
  {
    name: 'downgrade of what the client cut itself',
    old: {
      selector,
      clusterIP: '10.43.0.5',
      clusterIPs: ['10.43.0.5', 'fd00::5'],
      ipFamilies: ['IPv4', 'IPv6'],
      ipFamilyPolicy: 'RequireDualStack',
    },
    spec: {
      selector,
      clusterIP: '10.43.0.5',
      clusterIPs: ['10.43.0.5'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
    },
    on: dual,
    want: 'SingleStack IPv4',
  },
  {
    name: 'a preference is not upgraded because the cluster was',
    old: {
      selector,
      clusterIP: '10.43.0.5',
      clusterIPs: ['10.43.0.5'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'PreferDualStack',
    },
    spec: {
      selector,
      clusterIP: '10.43.0.5',
      clusterIPs: ['10.43.0.5'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'PreferDualStack',
    },
    on: dual,
    want: 'PreferDualStack IPv4',
  },
  { name: 'ExternalName', spec: { type: 'ExternalName', externalName: 'a.example' }, on: dual, want: 'none none' },
];

for (const { name, spec, old, on, want } of cases) {
  test(`families of a Service: ${name}`, () => {
    const settled = structuredClone(spec) as { -readonly [K in keyof ServiceSpec]: ServiceSpec[K] };
    const errors = settleFamilies(settled, old, on);
    const said = errors.map(
      ({ field, message }) =>
        `${field.replace('spec.', '')}: ${message.replace(/^Invalid value: .*?: (?=[a-zA-Z'])/, '')}`,
    );
    if (typeof want === 'string') {
      assert.deepEqual(said, []);
      assert.equal(`${settled.ipFamilyPolicy ?? 'none'} ${settled.ipFamilies?.join() ?? 'none'}`, want);
    } else assert.match(said.join('\n'), want);
  });
}
