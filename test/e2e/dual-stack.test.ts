/** A cluster of both IP families: two machines, joined over IPv6, with addresses of both everywhere. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { imageArchive } from '../testbed/images/images.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import type { LabServer } from '../testbed/lab/nodes.ts';

const ranges = ['--cluster-cidr', '10.42.0.0/16,fd00:42::/56', '--service-cidr', '10.43.0.0/16,fd00:43::/112'];
let lab: Lab;
let server: LabServer;
const both = (addresses: readonly string[]) => addresses.join(',');

before(async () => {
  lab = await startLab({ name: 'dual' });
  const a = await lab.addHost({ name: 'node-a' });
  const b = await lab.addHost({ name: 'node-b' });
  const images = [await imageArchive('busybox')];
  server = await lab.startServer(a, { images, flags: [...ranges, '--node-ip', both(a.addresses)] });
  const url = `https://[${a.addresses[1]}]:6443`;
  await lab.startAgent(b, { server, images, flags: ['--node-ip', both(b.addresses), '--server', url] });
});
after(() => lab?.[Symbol.asyncDispose]());

const jsonpath = async (target: readonly string[], template: string) =>
  (await server.must(['get', ...target, '-o', `jsonpath=${template}`])).trim().split(/\s+/);

test('each node has addresses and a range of pods of both families', async () => {
  for (const host of lab.hosts) {
    const target = ['node', host.name];
    const internal = await jsonpath(target, '{.status.addresses[?(@.type=="InternalIP")].address}');
    assert.deepEqual(internal, host.addresses);
    const cidrs = await jsonpath(target, '{.spec.podCIDRs[*]}');
    assert.match(cidrs.join(' '), /^10\.42\.\d+\.0\/24 fd00:42:\S*:\/64$/);
  }
});

test('Services get one address a family as they ask, and the cluster DNS has both', async () => {
  assert.deepEqual(await jsonpath(['service', 'kube-dns', '-n', 'kube-system'], '{.spec.clusterIPs[*]}'), [
    '10.43.0.10',
    'fd00:43::a',
  ]);
  assert.deepEqual(await jsonpath(['servicecidr', 'kubernetes'], '{.spec.cidrs[*]}'), [
    '10.43.0.0/16',
    'fd00:43::/112',
  ]);
  const spec = { selector: { app: 'web' }, ports: [{ port: 80 }], ipFamilyPolicy: 'PreferDualStack' };
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec };
  await server.must(['create', '-f', '-'], { input: JSON.stringify(service) });
  const families = await jsonpath(['service', 'web'], '{.spec.ipFamilies[*]}');
  assert.deepEqual(families, ['IPv4', 'IPv6']);
  assert.match((await jsonpath(['service', 'web'], '{.spec.clusterIPs[*]}')).join(' '), /^10\.43\.\S+ fd00:43::\S+$/);
});

test('a pod has an address of each family, and is spoken with on the other machine', async () => {
  const overrides = JSON.stringify({ spec: { nodeName: 'node-b' } });
  const run = ['run', 'far', '--image=busybox', '--image-pull-policy=IfNotPresent', `--overrides=${overrides}`];
  await server.must([...run, '--', 'sleep', '100000']);
  await server.must(['wait', '--for=condition=Ready', 'pod/far', '--timeout=60s']);
  const podIps = await jsonpath(['pod', 'far'], '{.status.podIPs[*].ip}');
  assert.match(podIps.join(' '), /^10\.42\.\S+ fd00:42:\S+$/);
  assert.equal(await server.must(['exec', 'far', '--', 'echo', 'there']), 'there\n');
});

test('the API is known by its certificate under the addresses of both families', async () => {
  const authority = path.join(server.dataDir, 'server/tls/server-ca.crt');
  const hosts = lab.hosts[0]?.addresses.map((ip) => (ip.includes(':') ? `[${ip}]` : ip)) ?? [];
  assert.equal(hosts.length, 2);
  for (const host of hosts)
    assert.equal(await server.host.must('curl', ['-sS', '--cacert', authority, `https://${host}:6443/readyz`]), 'ok');
});
