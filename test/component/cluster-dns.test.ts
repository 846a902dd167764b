import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { configmaps, endpointslices, events, services } from '../../src/kube/resources.gen.ts';
import { ClusterDns } from '../../src/network/dns/cluster-dns.ts';
import { createEventRecorder } from '../../src/runtime/event-recorder.ts';
import { type DnsUpstream, startDnsUpstream } from '../testbed/dns-upstream.ts';
import { eventually } from '../testbed/kubectl.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

let plane: ControlPlane;
let dns: ClusterDns;
let upstream: DnsUpstream;
let folder: string;
const resolver = new Resolver({ timeout: 3_000, tries: 1 });
const status: (string | null)[] = [];
const stack = new AsyncDisposableStack();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wherry-dns-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  plane = stack.use(await startControlPlane());
  upstream = stack.use(await startDnsUpstream());
  const { client, manager } = plane;
  const recorder = createEventRecorder({
    client,
    clock: systemClock,
    log: silentLog,
    component: 'coredns',
    host: 'node-1',
  });
  writeFileSync(join(folder, 'resolv.conf'), '# nothing yet\n');
  dns = new ClusterDns({
    ...{
      addresses: ['127.0.0.1'],
      port: 0,
      metricsPort: 0,
      zone: 'cluster.local',
      resolvConf: join(folder, 'resolv.conf'),
    },
    informers: manager,
    events: stack.use(recorder),
    clock: systemClock,
    log: silentLog,
    onStatus: ({ note }) => status.push(note),
  });
  stack.use(dns);
  await dns.start();
  resolver.setServers([`127.0.0.1:${dns.ports[0]}`]);
});

after(() => stack.disposeAsync());

const at = (name: string) => `${name}.default.svc.cluster.local`;
const codeOf = (name: string) => resolver.resolve4(name).then(String, (error: { code: string }) => error.code);
const becomes = (name: string, expected: string) =>
  eventually(`${name} is ${expected}`, 5_000, async () => ((await codeOf(name)) === expected ? true : undefined));

async function configure(name: string, data: Readonly<Record<string, string>>): Promise<void> {
  const key = { namespace: 'kube-system', name };
  await plane.client.delete(configmaps, key).catch(() => {});
  await plane.client.create(configmaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: key, data });
}

test('a Service has its name as soon as it is there, and no longer than that', async () => {
  const metadata = { name: 'db', namespace: 'default' };
  await plane.client.create(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] },
  });
  assert.equal(await codeOf(at('db')), 'ENOTFOUND');
  await plane.client.create(endpointslices, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'db-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'db' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.42.0.5'], hostname: 'db-0', conditions: { ready: true } }],
    ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
  });
  await becomes(at('db'), '10.42.0.5');
  const [{ name, port } = { name: '', port: 0 }] = await resolver.resolveSrv(`_sql._tcp.${at('db')}`);
  assert.deepEqual([name, port], [at('db-0.db'), 5432]);
  assert.deepEqual(await resolver.reverse('10.42.0.5'), [at('db-0.db')]);
  await plane.client.delete(services, metadata);
  await becomes(at('db'), 'ENOTFOUND');
});

test('namespaces without a Service are known', async () => {
  const name = await plane.namespace();
  await becomes(`${name}.svc.cluster.local`, 'ENODATA');
});

test('without a server for other names that is told, and mended as soon as resolv.conf names one', async () => {
  assert.match(status.at(-1) ?? '', /resolv\.conf names no name server to ask/);
  assert.equal(await codeOf('www.test'), 'ESERVFAIL');
  // Nobody listens there, but it is a server to ask.
  writeFileSync(join(folder, 'resolv.conf'), 'nameserver 127.9.9.9\n');
  await eventually('the status is well', 5_000, async () => (status.at(-1) === null ? true : undefined));
});

test('users add domains and hosts; a mistake is told on the ConfigMap and what stood before stays', async () => {
  const block = `corp.test {\n forward . 127.0.0.1:${upstream.port}\n}`;
  await configure('coredns-custom', { 'corp.server': block, 'nas.override': 'hosts {\n 192.168.1.5 nas.home.test\n}' });
  await becomes('www.corp.test', '192.0.2.1');
  await becomes('nas.home.test', '192.168.1.5');
  const key = { namespace: 'kube-system', name: 'coredns-custom' };
  await plane.client.patch(configmaps, key, {
    type: 'merge',
    body: {
      data: {
        'corp.server': 'corp.test {\n rewrite stop\n}',
        'new.override': 'hosts {\n 192.168.1.6 new.home.test\n}',
      },
    },
  });
  await becomes('new.home.test', '192.168.1.6');
  const event = await eventually('an Event tells it', 5_000, async () => {
    const { items } = await plane.client.list(events, { namespace: 'kube-system' });
    return items.find(({ reason }) => reason === 'InvalidCorefile');
  });
  assert.match(
    event.message ?? '',
    /^corp\.server, line 2: the directive "rewrite" is not supported; .* what it said before stays in force$/,
  );
  assert.equal(event.involvedObject.name, 'coredns-custom');
  assert.equal(await codeOf('host.corp.test'), '192.0.2.1');
  await plane.client.patch(configmaps, key, { type: 'merge', body: { data: { 'corp.server': null } } });
  await eventually('the domain is gone', 5_000, async () =>
    (await codeOf('x.corp.test')) === 'ESERVFAIL' ? true : undefined,
  );
});

test('nodes are found by their names', async () => {
  await configure('coredns', { NodeHosts: '192.168.7.1 node-1\nnonsense\n192.168.7.2 node-2\n' });
  await becomes('node-1', '192.168.7.1');
  await becomes('node-2', '192.168.7.2');
  await eventually('the line that is none is told', 5_000, async () => {
    const { items } = await plane.client.list(events, { namespace: 'kube-system' });
    return items.find(({ reason, message }) => reason === 'InvalidHosts' && message?.includes('nonsense') === true);
  });
});

test('what was counted is told in the names of CoreDNS', async () => {
  const text = await dns.metrics();
  assert.match(
    text,
    /^coredns_dns_requests_total\{family="1",proto="udp",server="dns:\/\/127\.0\.0\.1:0",type="A",view="",zone="cluster\.local\."\} [1-9]/m,
  );
  const families = new Set<string>();
  for (const line of text.trim().split('\n')) {
    const declared = /^# (?:HELP|TYPE) (\w+) \S/.exec(line)?.[1];
    if (declared !== undefined) families.add(declared);
    else {
      const [, family = '', value] = /^(\w+?)(?:_bucket|_sum|_count)?(?:\{[^{}]*\})? (\S+)$/.exec(line) ?? [];
      assert.ok(families.has(family) && Number.isFinite(Number(value)), line);
    }
  }
});
