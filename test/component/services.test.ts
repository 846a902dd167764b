import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { IPAddress, Service } from '../../src/kube/types.gen.ts';
import { addresses, clusterIpsOf, externalIps, families, World } from './services/world.ts';

let world: World;
before(async () => {
  world = await World.start();
});
after(() => world[Symbol.asyncDispose]());

test('a cluster IP spreads connections over all endpoints, and pods keep their source address', async () => {
  const ips = clusterIpsOf(await world.service('spread'));
  await world.endpoints('spread', ['p2', 'far']);
  for (const family of families) {
    const target = { address: ips[family], port: 80 };
    await world.expect('p1', target, new RegExp(`^(p2|far) ${addresses[family].p1}$`));
    assert.deepEqual([...(await world.answering('p1', target))].sort(), ['far', 'p2']);
  }
});

test('the node itself and machines outside reach a cluster IP, with the address of the node', async () => {
  const ips = clusterIpsOf(await world.service('reach'));
  await world.endpoints('reach', ['p1']);
  const routers = { IPv4: '10.42.0.1', IPv6: 'fd00:42::1' };
  for (const family of families) {
    await world.expect('node', { address: ips[family], port: 80 }, `p1 ${routers[family]}`);
    await world.expect('out', { address: ips[family], port: 80 }, `p1 ${routers[family]}`);
  }
});

test('a pod reaches itself through its Service', async () => {
  const ips = clusterIpsOf(await world.service('itself'));
  await world.endpoints('itself', ['p1']);
  for (const family of families) await world.expect('p1', { address: ips[family], port: 80 }, /^p1 /);
});

test('each port of a Service leads to its own port, and TCP and UDP of one number to their own', async () => {
  const ports = [
    { name: 'web', port: 80, targetPort: 8080 },
    { name: 'tcp', port: 53, targetPort: 9090 },
    { name: 'udp', port: 53, targetPort: 8080, protocol: 'UDP' as const },
  ];
  const ips = clusterIpsOf(await world.service('ports', { ports }));
  await world.endpoints(
    'ports',
    ['p1'],
    [
      { name: 'web', port: 8080, protocol: 'TCP' },
      { name: 'tcp', port: 9090, protocol: 'TCP' },
      { name: 'udp', port: 8080, protocol: 'UDP' },
    ],
  );
  for (const family of families) {
    await world.expect('p2', { address: ips[family], port: 80 }, /^p1 /);
    await world.expect('p2', { address: ips[family], port: 53 }, /^p1 /);
    await world.expect('p2', { protocol: 'udp', address: ips[family], port: 53 }, /^p1 /);
  }
});

test('SCTP is written as the other protocols are', async () => {
  const ips = clusterIpsOf(await world.service('sctp', { ports: [{ port: 36412, protocol: 'SCTP' }] }));
  await world.endpoints('sctp', ['p1'], [{ name: '', port: 36412, protocol: 'SCTP' }]);
  await world.endpoints('sctp', ['p1', 'p2'], [{ name: '', port: 36412, protocol: 'SCTP' }]);
  await world.written('ip', `${ips.IPv4} . sctp . 36412 : goto sctp-cluster-2`);
  await world.written('ip6', `${ips.IPv6} . sctp . 36412 : goto sctp-cluster-2`);
});

test('a Service without endpoints refuses, until it has one and again when it has none', async () => {
  const service = await world.service('empty', { type: 'NodePort' });
  const ips = clusterIpsOf(service);
  const nodePort = service.spec?.ports?.[0]?.nodePort ?? 0;
  for (const family of families) {
    for (const from of ['p1', 'node', 'out'] as const)
      await world.expect(from, { address: ips[family], port: 80 }, 'refused');
    await world.expect('out', { address: addresses[family].node, port: nodePort }, 'refused');
  }
  await world.endpoints('empty', ['p2']);
  for (const family of families) {
    await world.expect('p1', { address: ips[family], port: 80 }, /^p2 /);
    await world.expect('out', { address: addresses[family].node, port: nodePort }, /^p2 /);
  }
  await world.endpoints('empty', []);
  for (const family of families) await world.expect('p1', { address: ips[family], port: 80 }, 'refused');
});

test('a port that a Service does not have, and an address that no Service has, refuse', async () => {
  const ips = clusterIpsOf(await world.service('closed'));
  await world.endpoints('closed', ['p1']);
  const unallocated = { IPv4: '10.43.255.1', IPv6: 'fd00:43::ff01' };
  for (const family of families) {
    await world.expect('p2', { address: ips[family], port: 80 }, /^p1 /);
    for (const from of ['p2', 'node', 'out'] as const) {
      assert.equal(await world.ask(from, { address: ips[family], port: 81 }), 'refused');
      assert.equal(await world.ask(from, { address: unallocated[family], port: 80 }), 'refused');
    }
  }
});

test('a Service that is deleted leaves no rule', async () => {
  const ips = clusterIpsOf(await world.service('gone', { type: 'NodePort', sessionAffinity: 'ClientIP' }));
  await world.endpoints('gone', ['p1', 'p2']);
  await world.expect('p1', { address: ips.IPv4, port: 80 }, /^p/);
  await world.remove('Service', 'gone');
  await world.expect('p1', { address: ips.IPv4, port: 80 }, 'refused');
  for (const family of ['ip', 'ip6'] as const) {
    const rules = await world.run('nft', 'list', 'table', family, 'wherry');
    assert.doesNotMatch(rules, /gone/);
    assert.ok(!rules.includes(ips.IPv4) && !rules.includes(`${ips.IPv6} `));
  }
});

test('a Service that takes a second family gets an address and rules of it, and gives both back', async () => {
  const taken = async () =>
    ((await world.node.call('list', { kind: 'IPAddress' })) as readonly IPAddress[])
      .filter((one) => one.spec?.parentRef?.name === 'grown')
      .map((one) => one.metadata.name);
  const single = await world.service('grown', { ipFamilyPolicy: 'SingleStack', type: 'NodePort' });
  const nodePort = single.spec?.ports?.[0]?.nodePort ?? 0;
  await world.endpoints('grown', ['p1']);
  assert.deepEqual(single.spec?.clusterIPs?.length, 1);
  await world.expect('out', { address: addresses.IPv4.node, port: nodePort }, /^p1 /);
  assert.equal(await world.ask('out', { address: addresses.IPv6.node, port: nodePort }), 'refused');
  const policy = (ipFamilyPolicy: string) =>
    world.change<Service>('Service', 'grown', (s) => ({ ...s, spec: { ...s.spec, ipFamilyPolicy } }));
  const grown = clusterIpsOf(await policy('RequireDualStack'));
  assert.deepEqual((await taken()).sort(), [grown.IPv4, grown.IPv6].sort());
  await world.expect('p2', { address: grown.IPv6, port: 80 }, /^p1 /);
  await world.expect('out', { address: addresses.IPv6.node, port: nodePort }, /^p1 /);
  const shrunk = await policy('SingleStack');
  assert.deepEqual(shrunk.spec?.clusterIPs, [grown.IPv4]);
  assert.deepEqual(shrunk.spec?.ipFamilies, ['IPv4']);
  assert.deepEqual(await taken(), [grown.IPv4]);
  await world.expect('p2', { address: grown.IPv6, port: 80 }, 'refused');
  const renamed = await world.change<Service>('Service', 'grown', (s) => ({
    ...s,
    spec: { ...s.spec, type: 'ExternalName', externalName: 'example.com' },
  }));
  assert.equal(renamed.spec?.clusterIP, undefined);
  assert.deepEqual(await taken(), []);
  await world.expect('out', { address: addresses.IPv4.node, port: nodePort }, 'refused');
});

test('headless and ExternalName Services, and those of another proxy, get no rules', async () => {
  await world.service('headless', { clusterIP: 'None' });
  await world.service('elsewhere', {
    type: 'ExternalName',
    externalName: 'example.com',
    ports: [],
    ipFamilyPolicy: undefined,
  });
  const label = { 'service.kubernetes.io/service-proxy-name': 'other' };
  const other = clusterIpsOf(await world.service('other', {}, { labels: label }));
  for (const name of ['headless', 'elsewhere', 'other']) await world.endpoints(name, ['p1']);
  const ips = clusterIpsOf(await world.service('after'));
  await world.endpoints('after', ['p1']);
  await world.expect('p2', { address: ips.IPv4, port: 80 }, /^p1 /);
  assert.equal(await world.ask('p2', { address: other.IPv4, port: 80 }), 'refused');
  assert.ok(!(await world.run('nft', 'list', 'table', 'ip', 'wherry')).includes(other.IPv4));
});

test('a node port answers on every address of the node and on 127.0.0.1, with the address of the node', async () => {
  const service = await world.service('np', { type: 'NodePort' });
  await world.endpoints('np', ['p1', 'far']);
  const port = service.spec?.ports?.[0]?.nodePort ?? 0;
  for (const family of families) {
    await world.expect('out', { address: addresses[family].node, port }, /^(p1|far) (10.42.0.1|fd00:42::1)$/);
    await world.expect('p2', { address: addresses[family].node, port }, /^(p1|far) (10.42.0.1|fd00:42::1)$/);
    await world.expect('node', { address: addresses[family].node, port }, /^(p1|far) /);
    assert.deepEqual([...(await world.answering('out', { address: addresses[family].node, port }))].sort(), [
      'far',
      'p1',
    ]);
  }
  await world.expect('node', { address: '127.0.0.1', port }, /^(p1|far) 10.42.0.1$/);
});

test('packets from outside that claim to be for 127.0.0.1 do not arrive', async () => {
  await world.runAt(
    'out',
    'ip',
    'route',
    'add',
    '127.0.0.2/32',
    'via',
    addresses.IPv4.node,
    'dev',
    'eth0',
    'table',
    '99',
  );
  await world.runAt('out', 'ip', 'rule', 'add', 'to', '127.0.0.2', 'lookup', '99', 'priority', '1');
  await world.runAt('out', 'sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
  await world.runAt('out', 'ip', 'rule', 'add', 'lookup', 'local', 'priority', '5');
  await world.runAt('out', 'ip', 'rule', 'delete', 'lookup', 'local', 'priority', '0');
  assert.equal(await world.ask('node', { address: '127.0.0.2', port: 7070 }), 'node 127.0.0.1');
  assert.equal(await world.ask('out', { address: '127.0.0.2', port: 7070 }), 'silent');
});

test('an external IP answers on its port, from outside and inside', async () => {
  await world.service('external', { externalIPs: [externalIps.IPv4, externalIps.IPv6] });
  await world.endpoints('external', ['p1']);
  for (const family of families) {
    for (const from of ['out', 'p2', 'node'] as const)
      await world.expect(from, { address: externalIps[family], port: 80 }, /^p1 (10.42.0.1|fd00:42::1)$/);
  }
});

test('of two Services that want one external IP and port the older one has it, and the other is told', async () => {
  const shared = '203.0.113.50';
  await world.service('first', { externalIPs: [shared], ports: [{ port: 8000, targetPort: 8080 }] });
  await world.endpoints('first', ['p1']);
  await world.expect('out', { address: shared, port: 8000 }, /^p1 /);
  await world.service('second', { externalIPs: [shared], ports: [{ port: 8000, targetPort: 8080 }] });
  await world.endpoints('second', ['p2']);
  await world.event('second', 'AddressTaken', /203.0.113.50 tcp 8000 are those of the older Service default\/first/);
  assert.deepEqual([...(await world.answering('out', { address: shared, port: 8000 }))], ['p1']);
  await world.remove('Service', 'first');
  await world.expect('out', { address: shared, port: 8000 }, /^p2 /);
});

test('a client with session affinity comes back to its endpoint, also when other endpoints come and go', async () => {
  const ips = clusterIpsOf(await world.service('sticky', { sessionAffinity: 'ClientIP' }));
  for (const family of families) {
    const target = { address: ips[family], port: 80 };
    await world.endpoints('sticky', ['p2', 'far']);
    const first = (await world.expect('p1', target, /^(p2|far) /)).split(' ')[0] as 'p2' | 'far';
    assert.deepEqual([...(await world.answering('p1', target))], [first]);
    await world.endpoints('sticky', ['p1', 'p2', 'far']);
    await world.written(family === 'IPv4' ? 'ip' : 'ip6', 'mod 3 vmap');
    assert.deepEqual([...(await world.answering('p1', target))], [first]);
    const other = first === 'p2' ? 'far' : 'p2';
    await world.endpoints('sticky', [other]);
    await world.expect('p1', target, new RegExp(`^${other} `));
  }
});

test('session affinity ends after its time', async () => {
  const config = { clientIP: { timeoutSeconds: 1 } };
  const ips = clusterIpsOf(
    await world.service('brief', { sessionAffinity: 'ClientIP', sessionAffinityConfig: config }),
  );
  await world.endpoints('brief', ['p2', 'far']);
  const target = { address: ips.IPv4, port: 80 };
  const first = (await world.expect('p1', target, /^(p2|far) /)).split(' ')[0];
  const other = first === 'p2' ? 'far' : 'p2';
  await world.expectLater('p1', target, new RegExp(`^${other} `), 1_200);
});

test('host ports lead to their pod, on all addresses or on one', async () => {
  const ports = [
    { containerPort: 8080, hostPort: 4080 },
    { containerPort: 9090, hostPort: 4090, hostIP: addresses.IPv4.node },
    { containerPort: 8080, hostPort: 4081, protocol: 'UDP' as const },
  ];
  await world.pod('hosted', 'p1', ports);
  for (const family of families) {
    await world.expect('out', { address: addresses[family].node, port: 4080 }, `p1 ${addresses[family].out}`);
    await world.expect('p1', { address: addresses[family].node, port: 4080 }, /^p1 /);
    await world.expect('out', { protocol: 'udp', address: addresses[family].node, port: 4081 }, /^p1 /);
  }
  await world.expect('node', { address: '127.0.0.1', port: 4080 }, /^p1 /);
  await world.expect('out', { address: addresses.IPv4.node, port: 4090 }, `p1 ${addresses.IPv4.out}`);
  assert.equal(await world.ask('out', { address: addresses.IPv6.node, port: 4090 }), 'refused');
  await world.pod('rival', 'p2', [{ containerPort: 8080, hostPort: 4080 }]);
  await world.event('rival', 'AddressTaken', /host port tcp 4080 are those of the older pod default\/hosted/);
  await world.remove('Pod', 'hosted');
  await world.expect('out', { address: addresses.IPv4.node, port: 4080 }, /^p2 /);
});
