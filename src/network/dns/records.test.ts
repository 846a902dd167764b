import assert from 'node:assert/strict';
import { test } from 'node:test';
import ipaddr from 'ipaddr.js';
import { fc } from '../../../tools/property.ts';
import type { EndpointSlice, Service } from '../../kube/types.gen.ts';
import { types } from '../../wire/dns/constants.ts';
import type { ResourceRecord } from '../../wire/dns/writer.ts';
import { addressOfReverseName, resolve } from './records.ts';
import { serviceRecords } from './service-records.ts';
import { parseAddress, ZoneData } from './zone-data.ts';

const zone = ['cluster', 'local'];

function service(name: string, spec: Service['spec']): Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: spec ?? {} };
}

function slice(
  endpoints: EndpointSlice['endpoints'],
  ports: EndpointSlice['ports'],
  addressType = 'IPv4',
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 's', namespace: 'default' },
    addressType,
    endpoints: endpoints ?? [],
    ports: ports ?? [],
  };
}

const sql = [
  { name: 'sql', port: 5432, protocol: 'TCP' },
  { name: 'Raft', port: 7000, protocol: 'UDP' },
];
const data = new ZoneData(zone);
const add = (one: Service, ...slices: EndpointSlice[]) => data.set(serviceRecords(one, slices));
data.setNamespace('default', true);
data.setNamespace('bare', true);
add(
  service('web', {
    clusterIPs: ['10.43.0.7', 'fd00:43::7'],
    ports: [
      { name: 'http', port: 80, protocol: 'TCP' },
      { port: 81, protocol: 'UDP' },
    ],
  }),
  slice([{ addresses: ['10.42.9.9'] }, { addresses: ['10.42.9.8'], hostname: 'named' }], []),
);
add(service('single', { clusterIPs: ['10.43.0.8'], ports: [] }));
add(
  service('db', { clusterIP: 'None', clusterIPs: ['None'] }),
  slice(
    [
      { addresses: ['10.42.0.5'], hostname: 'DB-0', conditions: { ready: true } },
      { addresses: ['10.42.0.6'], conditions: {} },
      { addresses: ['10.42.0.7'], hostname: 'db-2', conditions: { ready: false } },
    ],
    sql,
  ),
  slice([{ addresses: ['fd00:42::5'], hostname: 'db-0', conditions: { ready: true } }], sql, 'IPv6'),
);
add(
  service('early', { clusterIP: 'None', clusterIPs: ['None'], publishNotReadyAddresses: true }),
  slice([{ addresses: ['10.42.0.9'], hostname: 'early-0', conditions: { ready: false } }], []),
);
add(service('empty', { clusterIP: 'None', clusterIPs: ['None'] }));
add(service('out', { type: 'ExternalName', externalName: 'www.Example.com.' }));
add(service('outip', { type: 'ExternalName', externalName: '192.0.2.7' }));

/** The data of a record as a person would write it. */
function said({ type, data: value }: ResourceRecord): string {
  switch (value.kind) {
    case 'name':
      return value.target.join('.');
    case 'srv':
      return `${value.priority} ${value.weight} ${value.port} ${value.target.join('.')}`;
    case 'soa':
      return `${value.primary.join('.')} ${value.numbers.join(' ')}`;
    case 'bytes':
      return type === types.TXT
        ? Buffer.from(value.bytes).toString('latin1', 1)
        : ipaddr.fromByteArray([...value.bytes]).toString();
  }
}

/** Answers in order, `NXDOMAIN`, or `outside` for names of others. */
function ask(name: string, type: keyof typeof types): string {
  const own = ['10.43.0.10'].map(parseAddress).filter((a) => a !== null);
  const found = resolve(name === '' ? [] : name.split('.'), types[type], data, own);
  if (found === null) return 'outside';
  return found.exists ? found.answers.map(said).sort().join(', ') : 'NXDOMAIN';
}

const at = (name: string) => `${name}.default.svc.cluster.local`;

/** Question, type, answer: "Kubernetes DNS-Based Service Discovery" 1.1.0, section by section. */
const table: readonly (readonly [string, keyof typeof types, string])[] = [
  // 2.2 schema version
  ['dns-version.cluster.local', 'TXT', '1.1.0'],
  ['dns-version.cluster.local', 'A', ''],
  // 2.3 Services with a cluster IP
  [at('web'), 'A', '10.43.0.7'],
  [at('web'), 'AAAA', 'fd00:43::7'],
  [at('single'), 'AAAA', ''],
  [at('web'), 'MX', ''],
  [at('web'), 'ANY', '10.43.0.7, fd00:43::7'],
  [at('_http._tcp.web'), 'SRV', `0 100 80 ${at('web')}`],
  [at('_http._udp.web'), 'SRV', 'NXDOMAIN'],
  [at('_none._tcp.web'), 'SRV', 'NXDOMAIN'],
  [at('_http._tcp.web'), 'A', ''],
  [at('_http.web'), 'SRV', 'NXDOMAIN'],
  [at('web'), 'SRV', `0 50 80 ${at('web')}, 0 50 81 ${at('web')}`],
  ['7.0.43.10.in-addr.arpa', 'PTR', at('web')],
  ['7.0.43.10.in-addr.arpa', 'A', ''],
  [`7.${'0.'.repeat(23)}3.4.0.0.0.0.d.f.ip6.arpa`, 'PTR', at('web')],
  [at('10-42-9-9.web'), 'A', '10.42.9.9'],
  [at('named.web'), 'A', '10.42.9.8'],
  ['8.9.42.10.in-addr.arpa', 'PTR', at('named.web')],
  ['9.9.42.10.in-addr.arpa', 'PTR', 'outside'],
  // 2.4 headless Services
  [at('db'), 'A', '10.42.0.5, 10.42.0.6'],
  [at('db'), 'AAAA', 'fd00:42::5'],
  [at('db-0.db'), 'A', '10.42.0.5'],
  [at('db-0.db'), 'AAAA', 'fd00:42::5'],
  [at('10-42-0-6.db'), 'A', '10.42.0.6'],
  [at('10-42-0-6.db'), 'AAAA', ''],
  [at('db-2.db'), 'A', 'NXDOMAIN'],
  [at('a.db-0.db'), 'A', 'NXDOMAIN'],
  [at('_sql._tcp.db'), 'SRV', `0 50 5432 ${at('10-42-0-6.db')}, 0 50 5432 ${at('db-0.db')}`],
  [at('_raft._udp.db'), 'SRV', `0 50 7000 ${at('10-42-0-6.db')}, 0 50 7000 ${at('db-0.db')}`],
  [at('early'), 'A', '10.42.0.9'],
  [at('early-0.early'), 'A', '10.42.0.9'],
  [at('empty'), 'A', 'NXDOMAIN'],
  ['5.0.42.10.in-addr.arpa', 'PTR', at('db-0.db')],
  ['6.0.42.10.in-addr.arpa', 'PTR', at('10-42-0-6.db')],
  ['7.0.42.10.in-addr.arpa', 'PTR', 'outside'],
  // 2.5 external names
  [at('out'), 'A', 'www.Example.com'],
  [at('out'), 'CNAME', 'www.Example.com'],
  [at('x.out'), 'A', 'NXDOMAIN'],
  [at('outip'), 'A', ''],
  // 2.6 pods
  ['10-42-0-9.default.pod.cluster.local', 'A', '10.42.0.9'],
  ['10-42-0-9.default.pod.cluster.local', 'AAAA', ''],
  ['fd00-42--5.bare.pod.cluster.local', 'AAAA', 'fd00:42::5'],
  ['10-42-0-9.nowhere.pod.cluster.local', 'A', 'NXDOMAIN'],
  ['10-42-0.default.pod.cluster.local', 'A', 'NXDOMAIN'],
  ['10-42-0-999.default.pod.cluster.local', 'A', 'NXDOMAIN'],
  ['default.pod.cluster.local', 'A', ''],
  // what stands between names, and what is nobody's
  ['cluster.local', 'SOA', 'ns.dns.cluster.local 1 7200 1800 86400 5'],
  ['cluster.local', 'NS', 'ns.dns.cluster.local'],
  ['ns.dns.cluster.local', 'A', '10.43.0.10'],
  ['cluster.local', 'A', ''],
  ['svc.cluster.local', 'A', ''],
  ['default.svc.cluster.local', 'A', ''],
  ['bare.svc.cluster.local', 'A', ''],
  ['nowhere.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['web.bare.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['*.default.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['example.com.default.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['example.com.cluster.local', 'A', 'NXDOMAIN'],
  ['example.com', 'A', 'outside'],
  ['local', 'A', 'outside'],
  ['', 'NS', 'outside'],
  ['notcluster.local', 'A', 'outside'],
  ['1.1.1.1.in-addr.arpa', 'PTR', 'outside'],
];

for (const [name, type, expected] of table) {
  test(`${name || '.'} ${type} is ${expected || 'empty'}`, () => assert.equal(ask(name, type), expected));
}

test('a port comes with the addresses of its targets, once each', () => {
  const found = resolve(at('_sql._tcp.db').split('.'), types.SRV, data);
  assert.deepEqual(found?.additionals.map((r) => `${r.name[0]} ${said(r)}`).sort(), [
    '10-42-0-6 10.42.0.6',
    'db-0 10.42.0.5',
    'db-0 fd00:42::5',
  ]);
});

test('what has changed or gone is forgotten whole', () => {
  const own = new ZoneData(zone);
  const db = (address: string) =>
    own.set(
      serviceRecords(service('db', { clusterIP: 'None' }), [slice([{ addresses: [address], hostname: 'a' }], [])]),
    );
  const pointer = (last: number) => resolve(`${last}.0.42.10.in-addr.arpa`.split('.'), types.PTR, own)?.answers.length;
  db('10.42.0.1');
  assert.equal(pointer(1), 1);
  db('10.42.0.2');
  assert.equal(pointer(1), undefined);
  assert.equal(pointer(2), 1);
  own.remove('default', 'db');
  assert.equal(pointer(2), undefined);
  assert.equal(resolve(at('db').split('.'), types.A, own)?.exists, false);
  assert.equal(own.hasNamespace('default'), false);
});

test('every address is found by its reverse name', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const address = parseAddress(text);
      if (address === null) return;
      const nibbles = Buffer.from(address.bytes).toString('hex').split('').reverse();
      assert.deepEqual(addressOfReverseName([...nibbles, 'ip6', 'arpa']), address.bytes);
    }),
  );
  for (const bad of ['256.0.0.1.in-addr.arpa', '1.1.1.in-addr.arpa', '01.1.1.1.in-addr.arpa', 'a.ip6.arpa']) {
    assert.equal(addressOfReverseName(bad.split('.')), null, bad);
  }
});
