import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Service } from '../../src/kube/types.gen.ts';
import { eventually } from '../testbed/kubectl.ts';
import { addresses, clusterIpsOf, families, World } from './services/world.ts';

/** What somebody else destroyed must be back within this time. */
const repairedMs = 2_000;

const directory = mkdtempSync(path.join(tmpdir(), 'wherry-services-'));
let world: World;
before(async () => {
  world = await World.start({ directory });
});
after(async () => {
  await world[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const udp = [{ port: 53, targetPort: 8080, protocol: 'UDP' as const }];
const udpSlice = [{ name: '', port: 8080, protocol: 'UDP' }];

test('a UDP flow to an endpoint that is gone moves to another, and flows to others stay', async () => {
  const ips = clusterIpsOf(await world.service('dns', { ports: udp }));
  await world.endpoints('dns', ['p2', 'far'], udpSlice);
  for (const [index, family] of families.entries()) {
    const ask = (sourcePort: number) => ({ protocol: 'udp' as const, address: ips[family], port: 53, sourcePort });
    await world.expect('p1', ask(0), /^(p2|far) /);
    const first = new Map<number, string>();
    for (let sourcePort = 40_000 + index * 100; sourcePort < 40_020 + index * 100; sourcePort++) {
      first.set(sourcePort, (await world.ask('p1', ask(sourcePort))).split(' ')[0] ?? '');
    }
    assert.deepEqual([...new Set(first.values())].sort(), ['far', 'p2']);
    await world.endpoints('dns', ['far'], udpSlice);
    await world.written(family === 'IPv4' ? 'ip' : 'ip6', `${ips[family]} . udp . 53 : goto udp-cluster-1`);
    for (const sourcePort of first.keys()) await world.expect('p1', ask(sourcePort), /^far /);
    await world.endpoints('dns', ['p2', 'far'], udpSlice);
    await world.written(family === 'IPv4' ? 'ip' : 'ip6', `${ips[family]} . udp . 53 : goto udp-cluster-2`);
    for (const sourcePort of first.keys()) assert.match(await world.ask('p1', ask(sourcePort)), /^far /);
  }
});

test('a UDP flow that came before the first endpoint reaches it, on a node port too', async () => {
  const service = await world.service('late', { ports: udp, type: 'NodePort' });
  const port = service.spec?.ports?.[0]?.nodePort ?? 0;
  const target = { protocol: 'udp' as const, address: addresses.IPv4.node, port, sourcePort: 41_000 };
  await world.expect('out', target, /refused|silent/);
  await world.endpoints('late', ['p1'], udpSlice);
  await world.expect('out', target, /^p1 /);
});

test('flows of a UDP endpoint that went while nobody watched are ended at the next start', async () => {
  const ips = clusterIpsOf(await world.service('asleep', { ports: udp }));
  const target = { protocol: 'udp' as const, address: ips.IPv4, port: 53, sourcePort: 42_000 };
  await world.endpoints('asleep', ['p2'], udpSlice);
  await world.expect('p1', target, /^p2 /);
  await world.node.kill();
  // The rules go on without the program that wrote them.
  assert.match(await world.ask('p1', target), /^p2 /);
  const original = ['--orig-src', addresses.IPv4.p1, '--orig-dst', ips.IPv4, '--sport', '42001', '--dport', '53'];
  const reply = ['--reply-src', '10.42.0.99', '--reply-dst', addresses.IPv4.p1];
  const replyPorts = ['--reply-port-src', '8080', '--reply-port-dst', '42001'];
  await world.run('conntrack', '-I', '-p', 'udp', ...original, ...reply, ...replyPorts, '-t', '600');
  await world.startNode({ directory });
  await eventually('the flow to the former endpoint is forgotten', 10_000, async () =>
    (await world.run('conntrack', '-L', '-p', 'udp')).includes('10.42.0.99') ? undefined : true,
  );
  await world.expect('p1', { ...target, sourcePort: 42_001 }, /^p2 /);
});

test('after a kill the rules stay in force, and the next start keeps the clients of session affinity', async () => {
  const ips = clusterIpsOf(await world.service('kept', { sessionAffinity: 'ClientIP' }));
  await world.endpoints('kept', ['p2', 'far']);
  const [first] = (await world.expect('p1', { address: ips.IPv4, port: 80 }, /^(p2|far) /)).split(' ');
  for (let round = 0; round < 4; round++) {
    await world.node.kill();
    assert.equal((await world.ask('p1', { address: ips.IPv4, port: 80 })).split(' ')[0], first);
    await world.startNode({ directory });
    assert.deepEqual([...(await world.answering('p1', { address: ips.IPv4, port: 80 }, 6))], [first]);
  }
});

test('what another program deletes or adds is put right within 2 s', async () => {
  const ips = clusterIpsOf(await world.service('disturbed', { sessionAffinity: 'ClientIP' }));
  await world.endpoints('disturbed', ['p2']);
  await world.expect('p1', { address: ips.IPv4, port: 80 }, /^p2 /);
  const disturb = async (...command: readonly string[]) => {
    await world.run('nft', ...command);
    const begin = performance.now();
    await eventually(`${command.join(' ')} is undone`, repairedMs, async () => {
      const rules = await world.run('nft', 'list', 'table', 'ip', 'wherry').catch(() => '');
      return rules.includes('hook prerouting') && rules.includes(ips.IPv4) && !rules.includes('tcp dport 80 drop')
        ? true
        : undefined;
    });
    assert.ok(performance.now() - begin < repairedMs);
    await world.expect('p1', { address: ips.IPv4, port: 80 }, /^p2 /);
  };
  await disturb('delete', 'table', 'ip', 'wherry');
  await disturb('flush', 'ruleset');
  await disturb('delete', 'element', 'ip', 'wherry', 'services', `{ ${ips.IPv4} . tcp . 80 }`);
  await disturb('insert', 'rule', 'ip', 'wherry', 'forward', 'tcp', 'dport', '80', 'drop');
  await disturb('flush', 'chain', 'ip', 'wherry', 'prerouting');
});

test('tables of others are left alone', async () => {
  await world.run('nft', 'add', 'table', 'ip', 'others');
  const ips = clusterIpsOf(await world.service('beside'));
  await world.endpoints('beside', ['p2']);
  await world.expect('p1', { address: ips.IPv4, port: 80 }, /^p2 /);
  assert.match(await world.run('nft', 'list', 'tables'), /table ip others/);
});

test('a port of a health check that somebody else holds becomes an Event of the Service', async () => {
  const holder = await world.hold(32_766);
  await world.service('held', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32_766 });
  await world.event('held', 'FailedToStartHealthCheck', /EADDRINUSE/);
  await holder[Symbol.asyncDispose]();
  await world.change<Service>('Service', 'held', (s) => ({
    ...s,
    spec: { ...s.spec, externalTrafficPolicy: 'Cluster' },
  }));
});
