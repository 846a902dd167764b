import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { decode, encode } from 'dns-packet';
import { fc } from '../../../tools/property.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLog } from '../../core/log.ts';
import type { EndpointSlice, Service } from '../../kube/types.gen.ts';
import type { ClusterView } from './cluster-view.ts';
import { Forwarder, secondsToKeep, upstreamsOf } from './forwarder.ts';
import { addressOfReverseName, resolve } from './records.ts';
import { DnsServer } from './server.ts';

const zone = 'cluster.local';

function service(name: string, spec: Service['spec']): Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: spec ?? {} };
}
const services = [
  service('web', {
    clusterIP: '10.43.0.7',
    clusterIPs: ['10.43.0.7'],
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
  }),
  service('db', { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'sql', port: 5432 }] }),
  service('out', { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' }),
  service('big', { clusterIP: 'None' }),
];
const slice = (of: string, endpoints: EndpointSlice['endpoints'], port = 5432): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `${of}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  endpoints: endpoints ?? [],
  ports: [{ name: 'sql', port, protocol: 'TCP' }],
});
const slices = [
  slice('db', [
    { addresses: ['10.42.0.5'], hostname: 'db-0', conditions: { ready: true } },
    { addresses: ['10.42.0.6'], conditions: { ready: true } },
    { addresses: ['10.42.0.7'], hostname: 'db-2', conditions: { ready: false } },
  ]),
  slice(
    'big',
    Array.from({ length: 100 }, (_, i) => ({ addresses: [`10.42.1.${i}`], conditions: { ready: true } })),
  ),
];
const view: ClusterView = {
  service: (namespace, name) => services.find((s) => s.metadata.namespace === namespace && s.metadata.name === name),
  slices: (_, name) => slices.filter((s) => s.metadata.labels?.['kubernetes.io/service-name'] === name),
  serviceByIp: (ip) => services.find((s) => s.spec?.clusterIP === ip),
  slicesByIp: (ip) => slices.filter((s) => s.endpoints?.some((e) => e.addresses.includes(ip))),
  hasNamespace: (name) => name === 'default',
};
const data = (name: string, type: string) =>
  resolve(name, type, zone, view)?.answers.map((a) => ('data' in a ? a.data : undefined));

test('a Service has its cluster IP, a headless one its ready endpoints and their names', () => {
  assert.deepEqual(data('web.default.svc.cluster.local', 'A'), ['10.43.0.7']);
  assert.deepEqual(data('web.default.svc.cluster.local', 'AAAA'), []);
  assert.deepEqual(data('db.default.svc.cluster.local', 'A'), ['10.42.0.5', '10.42.0.6']);
  assert.deepEqual(data('db-0.db.default.svc.cluster.local', 'A'), ['10.42.0.5']);
  assert.deepEqual(data('10-42-0-6.db.default.svc.cluster.local', 'A'), ['10.42.0.6']);
  assert.equal(resolve('db-2.db.default.svc.cluster.local', 'A', zone, view)?.exists, false);
});

test('ports are found by SRV, with the addresses beside them', () => {
  assert.deepEqual(data('_http._tcp.web.default.svc.cluster.local', 'SRV'), [
    { priority: 0, weight: 100, port: 80, target: 'web.default.svc.cluster.local' },
  ]);
  const headless = resolve('_sql._tcp.db.default.svc.cluster.local', 'SRV', zone, view);
  assert.deepEqual(
    headless?.answers.map((a) => (a.type === 'SRV' ? a.data.target : '')),
    ['db-0.db.default.svc.cluster.local', '10-42-0-6.db.default.svc.cluster.local'],
  );
  assert.equal(headless?.additionals.length, 2);
  assert.equal(resolve('_http._udp.web.default.svc.cluster.local', 'SRV', zone, view)?.exists, false);
});

test('addresses have names, pods are named by their address, and other names are not ours', () => {
  assert.deepEqual(data('7.0.43.10.in-addr.arpa', 'PTR'), ['web.default.svc.cluster.local']);
  assert.deepEqual(data('5.0.42.10.in-addr.arpa', 'PTR'), ['db-0.db.default.svc.cluster.local']);
  assert.equal(resolve('1.1.1.1.in-addr.arpa', 'PTR', zone, view), null);
  assert.deepEqual(data('10-42-0-9.default.pod.cluster.local', 'A'), ['10.42.0.9']);
  assert.equal(resolve('example.com', 'A', zone, view), null);
  assert.equal(resolve('web.other.svc.cluster.local', 'A', zone, view)?.exists, false);
  assert.equal(resolve('example.com.default.svc.cluster.local', 'A', zone, view)?.exists, false);
  assert.equal(resolve('default.svc.cluster.local', 'A', zone, view)?.exists, true);
  assert.deepEqual(data('dns-version.cluster.local', 'TXT'), ['1.1.0']);
  assert.equal(addressOfReverseName(`${'0.'.repeat(31)}1.ip6.arpa`.replace(/^0/, '1')) !== null, true);
});

async function started(
  t: TestContext,
  upstreams: readonly string[] = [],
): Promise<{ server: DnsServer; resolver: Resolver }> {
  const forwarder = new Forwarder({ upstreams, clock: systemClock });
  const server = new DnsServer({ address: '127.0.0.1', port: 0, zone, view, forwarder, log: silentLog });
  await server.listen();
  t.after(() => server[Symbol.asyncDispose]());
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
  return { server, resolver };
}

test('a resolver gets answers, negative ones too, and goes to TCP for long ones', async (t) => {
  const { resolver } = await started(t);
  assert.deepEqual(await resolver.resolve4('web.default.svc.cluster.local'), ['10.43.0.7']);
  assert.deepEqual(await resolver.resolve4('out.default.svc.cluster.local'), ['10.43.0.7']);
  await assert.rejects(resolver.resolve4('none.default.svc.cluster.local'), { code: 'ENOTFOUND' });
  await assert.rejects(resolver.resolve6('web.default.svc.cluster.local'), { code: 'ENODATA' });
  assert.equal((await resolver.resolve4('big.default.svc.cluster.local')).length, 100);
  await assert.rejects(resolver.resolve4('example.com'), { code: 'ESERVFAIL' });
});

test('other names are asked of the upstream once and kept', async (t) => {
  const upstream = createSocket('udp4');
  let asked = 0;
  upstream.on('message', (message, from) => {
    if (typeof message === 'string') return;
    asked++;
    const query = decode(message);
    const name = query.questions?.[0]?.name ?? '';
    upstream.send(
      encode({
        type: 'response',
        id: query.id ?? 0,
        flags: 0x0180,
        questions: query.questions ?? [],
        answers: [{ type: 'A', name, ttl: 60, data: '192.0.2.1' }],
      }),
      from.port,
      from.address,
    );
  });
  await new Promise<void>((done) => upstream.bind(0, '127.0.0.1', done));
  t.after(() => upstream.close());
  const { resolver } = await started(t, [`127.0.0.1#${upstream.address().port}`]);
  assert.deepEqual(await Promise.all([resolver.resolve4('example.com'), resolver.resolve4('example.com')]), [
    ['192.0.2.1'],
    ['192.0.2.1'],
  ]);
  assert.deepEqual(await resolver.resolve4('example.com'), ['192.0.2.1']);
  assert.equal(asked, 1);
});

test('any bytes over UDP and TCP leave the server working', async (t) => {
  const { server, resolver } = await started(t);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 64 }),
      (bytes) => new Promise<void>((done) => socket.send(bytes, server.port, '127.0.0.1', () => done())),
    ),
    { numRuns: 200 },
  );
  const tcp = connect(server.port, '127.0.0.1');
  tcp.end(Buffer.from([0, 5, 1, 2, 3]));
  await new Promise((done) => tcp.once('close', done).resume());
  assert.deepEqual(await resolver.resolve4('web.default.svc.cluster.local'), ['10.43.0.7']);
});

test('negative answers are kept for what their SOA says, failures not at all', () => {
  const soa = {
    type: 'SOA' as const,
    name: 'x',
    ttl: 100,
    data: { mname: 'a', rname: 'b', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 7 },
  };
  assert.equal(secondsToKeep({ answers: [], authorities: [soa] }, 3), 7);
  assert.equal(secondsToKeep({ answers: [], authorities: [soa] }, 2), 0);
});

test('a name server that is ourselves is no upstream', () => {
  assert.deepEqual(upstreamsOf('# x\nnameserver 10.43.0.10\n nameserver 192.0.2.1\nsearch a\n', ['10.43.0.10']), [
    '192.0.2.1',
  ]);
});
