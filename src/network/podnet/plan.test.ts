import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { compileChange, isEmptyChange } from '../../engines/iproute2/change.ts';
import type { ObservedLink, ObservedState } from '../../engines/iproute2/model.ts';
import { annotationsOf, type Peer, peerOf } from './annotations.ts';
import { macOf, ownFamily, type PlanInput, planNetwork } from './plan.ts';
import { type Backend, backendOf, defaultBackends } from './settings.ts';

const key = (letter: string) => `${letter.repeat(43)}=`;

/** A node as its own agent would describe it, read back from what it wrote. */
function peer(number: number, backend: Backend, dualStack = false): Peer {
  const name = `n${number}`;
  const facts = (podCidr: string, address: string) => ({ podCidr, address, publicKey: key(String(number % 10)) });
  const own: Peer = {
    name,
    type: undefined,
    v4: ownFamily(name, 'v4', backend, facts(`10.42.${number}.0/24`, `192.0.2.${number}`)),
    v6: dualStack
      ? ownFamily(name, 'v6', backend, facts(`fd00:42:0:${number}::/64`, `2001:db8::${number}`))
      : undefined,
  };
  const podCIDRs = [own.v4?.podCidr ?? '', ...(dualStack ? [own.v6?.podCidr ?? ''] : [])];
  return peerOf({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, annotations: annotationsOf(own, backend) },
    spec: { podCIDRs },
  });
}

function input(
  backend: Backend,
  numbers: readonly number[],
  more: Partial<PlanInput> & { dualStack?: boolean } = {},
): PlanInput {
  const { dualStack = false, ...rest } = more;
  return {
    backend,
    own: peer(1, backend, dualStack),
    underlay: {
      v4: { device: 'eth0', mtu: 1500, address: '192.0.2.1' },
      v6: dualStack ? { device: 'eth0', mtu: 1500, address: '2001:db8::1' } : undefined,
    },
    clusterCidrs: dualStack ? ['10.42.0.0/16', 'fd00:42::/56'] : ['10.42.0.0/16'],
    peers: numbers.map((number) => peer(number, backend, dualStack)),
    onLink: new Set(numbers.map((number) => `192.0.2.${number}`)),
    privateKey: key('P'),
    ipsecDriver: 'kernel',
    ...rest,
  };
}

const ownUnreachable = { type: 'unreachable', destination: '10.42.1.0/24', metric: 1_000_000 };

test('vxlan: a device with the first address of the range, and for each peer a route, a neighbour and a forwarding entry', () => {
  const plan = planNetwork(input(defaultBackends.vxlan, [2]));
  const mac = macOf('n2', 'v4', 1);
  assert.deepEqual(plan.devices, [
    {
      kind: 'vxlan',
      name: 'flannel.1',
      id: 1,
      port: 8472,
      gbp: false,
      mac: macOf('n1', 'v4', 1),
      local: '192.0.2.1',
      underlay: 'eth0',
      mtu: 1450,
      addresses: ['10.42.1.0/32'],
    },
  ]);
  assert.deepEqual(plan.forwarding, [{ device: 'flannel.1', mac, destination: '192.0.2.2' }]);
  assert.deepEqual(plan.neighbours, [{ device: 'flannel.1', address: '10.42.2.0', mac }]);
  assert.deepEqual(plan.routes, [
    ownUnreachable,
    { type: 'unicast', destination: '10.42.2.0/24', via: '10.42.2.0', device: 'flannel.1', onlink: true },
  ]);
  assert.deepEqual([plan.mtu, plan.reached, plan.unreached], [1450, ['n2'], []]);
});

test('vxlan with DirectRouting: peers on the same link are reached without the tunnel, others through it', () => {
  const backend = { ...defaultBackends.vxlan, directRouting: true };
  const { routes, forwarding } = planNetwork(input(backend, [2, 3], { onLink: new Set(['192.0.2.2']) }));
  assert.deepEqual(routes.slice(1), [
    { type: 'unicast', destination: '10.42.2.0/24', via: '192.0.2.2', device: 'eth0' },
    { type: 'unicast', destination: '10.42.3.0/24', via: '10.42.3.0', device: 'flannel.1', onlink: true },
  ]);
  assert.equal(forwarding.length, 1);
});

test('host-gw: a route for each peer on the link, and a reason for each that is behind a router', () => {
  const plan = planNetwork(input(defaultBackends['host-gw'], [2, 3], { onLink: new Set(['192.0.2.2']) }));
  assert.deepEqual(plan.routes.slice(1), [
    { type: 'unicast', destination: '10.42.2.0/24', via: '192.0.2.2', device: 'eth0' },
  ]);
  assert.equal(plan.mtu, 1500);
  assert.deepEqual(plan.devices, []);
  assert.match(plan.unreached[0]?.why ?? '', /192\.0\.2\.3 is behind a router.*use vxlan/);
});

test('wireguard-native: one tunnel a family, and nothing that leaves the cluster’s range in clear', () => {
  const plan = planNetwork(input(defaultBackends['wireguard-native'], [2], { dualStack: true }));
  assert.deepEqual(
    plan.devices.map(({ name, mtu, addresses }) => [name, mtu, addresses]),
    [
      ['flannel-wg', 1440, ['10.42.1.0/32']],
      ['flannel-wg-v6', 1420, ['fd00:42:0:1::/128']],
    ],
  );
  assert.equal(plan.mtu, 1420);
  assert.deepEqual(
    plan.tunnels.map(({ name, port, peers }) => [
      name,
      port,
      peers[0]?.endpoint,
      peers[0]?.allowed,
      peers[0]?.keepalive,
    ]),
    [
      ['flannel-wg', 51820, '192.0.2.2', ['10.42.2.0/24'], 25],
      ['flannel-wg-v6', 51821, '2001:db8::2', ['fd00:42:0:2::/64'], 25],
    ],
  );
  const nowhere = plan.routes.filter(({ type }) => type === 'unreachable').map(({ destination }) => destination);
  assert.deepEqual(nowhere, ['10.42.1.0/24', 'fd00:42:0:1::/64', '10.42.0.0/16', 'fd00:42::/56']);
});

test('wireguard-native in one tunnel: both families travel between addresses of one', () => {
  const backend: Backend = { ...defaultBackends['wireguard-native'], mode: 'auto' };
  const { devices, tunnels } = planNetwork(input(backend, [2], { dualStack: true }));
  assert.deepEqual(
    devices.map(({ name, mtu }) => [name, mtu]),
    [['flannel-wg', 1440]],
  );
  assert.deepEqual(tunnels[0]?.peers[0]?.allowed, ['10.42.2.0/24', 'fd00:42:0:2::/64']);
});

test('ipsec: a tunnel a node and family, one device for all, and nothing that leaves the cluster’s range in clear', () => {
  const plan = planNetwork(input(defaultBackends.ipsec, [2], { dualStack: true, ipsecDriver: 'libipsec' }));
  const addresses = ['10.42.1.0/32', 'fd00:42:0:1::/128'];
  assert.deepEqual(plan.devices, [{ kind: 'ipsec', name: 'ipsec0', mtu: 1400, addresses }]);
  assert.deepEqual(
    plan.security.map((tunnel) => Object.values(tunnel).join(' ')),
    [
      'n2/4 n1 n2 192.0.2.1 192.0.2.2 10.42.1.0/24 10.42.2.0/24',
      'n2/6 n1 n2 2001:db8::1 2001:db8::2 fd00:42:0:1::/64 fd00:42:0:2::/64',
    ],
  );
  assert.deepEqual(
    plan.routes.map(({ type, destination, device }) => [type, destination, device]),
    [
      ['unreachable', '10.42.1.0/24', undefined],
      ['unreachable', 'fd00:42:0:1::/64', undefined],
      ['unreachable', '10.42.0.0/16', undefined],
      ['unreachable', 'fd00:42::/56', undefined],
      ['unicast', '10.42.2.0/24', 'ipsec0'],
      ['unicast', 'fd00:42:0:2::/64', 'ipsec0'],
    ],
  );
  const large = {
    ...input(defaultBackends.ipsec, [2]),
    underlay: { v4: { device: 'eth0', mtu: 9000, address: '192.0.2.1' }, v6: undefined },
  };
  assert.equal(planNetwork({ ...large, ipsecDriver: 'libipsec' }).mtu, 1400);
  assert.equal(planNetwork(large).mtu, 8922);
});

test('a peer that has not told what is needed is named with the reason, and gets no route', () => {
  const backend = defaultBackends['wireguard-native'];
  const other = peer(3, defaultBackends.vxlan);
  const keyless = {
    ...peer(4, backend),
    v4: { podCidr: '10.42.4.0/24', address: '192.0.2.4', mac: undefined, publicKey: undefined },
  };
  const silent: Peer = { ...peer(5, backend), type: undefined };
  const rangeless: Peer = { name: 'n6', type: 'wireguard', v4: undefined, v6: undefined };
  const plan = planNetwork(input(backend, [2], { peers: [peer(2, backend), other, keyless, silent, rangeless] }));
  assert.deepEqual(plan.reached, ['n2']);
  assert.deepEqual(
    plan.unreached.filter(({ isWaiting }) => !isWaiting).map(({ node }) => node),
    ['n3'],
  );
  assert.deepEqual(plan.unreached.map(({ node, why }) => `${node}: ${why}`).sort(), [
    'n3: its backend is vxlan, not wireguard: restart its agent',
    'n4: it has not told its WireGuard key',
    'n5: its agent has not told its address yet',
    'n6: it has no range of pod addresses yet',
  ]);
  assert.deepEqual(
    plan.routes.filter(({ type }) => type === 'unicast').map(({ destination }) => destination),
    ['10.42.2.0/24'],
  );
});

test('the MTU is what the underlay leaves, or what net-conf.json says', () => {
  const at = (backend: Backend, mtu: number, address = '192.0.2.1') => {
    const plan = input(backend, []);
    return planNetwork({ ...plan, underlay: { v4: { device: 'eth0', mtu, address }, v6: undefined } }).mtu;
  };
  assert.equal(at(defaultBackends.vxlan, 9000), 8950);
  assert.equal(at(defaultBackends['host-gw'], 9000), 9000);
  assert.equal(at(defaultBackends['wireguard-native'], 9000), 8940);
  assert.equal(at(defaultBackends.ipsec, 1500), 1422);
  assert.equal(at({ ...defaultBackends.vxlan, mtu: 1400 }, 1500), 1400);
  assert.equal(planNetwork(input(defaultBackends.vxlan, [], { dualStack: true })).mtu, 1430);
});

test('net-conf.json sets what flags don’t, and what is wrong in it is named', () => {
  const text = (backend: unknown) => JSON.stringify({ Network: '10.42.0.0/16', Backend: backend });
  assert.deepEqual(backendOf('vxlan', text({ Type: 'vxlan', VNI: 7, Port: 4789, DirectRouting: true })), {
    ...defaultBackends.vxlan,
    id: 7,
    port: 4789,
    directRouting: true,
  });
  assert.equal(
    backendOf('wireguard-native', text({ Type: 'wireguard', PersistentKeepaliveInterval: 0 })).name,
    'wireguard-native',
  );
  for (const [backend, words] of [
    ['{', /not JSON/],
    [text({ Type: 'udp' }), /Backend\.Type: "udp" is not a backend/],
    [text({ Type: 'vxlan', VNI: 'one' }), /Backend\.VNI: "one" is not a number from 1 to 16777215/],
    [text({ Type: 'vxlan', DirectRouting: 'yes' }), /Backend\.DirectRouting: "yes" is neither true nor false/],
    [text({ Type: 'wireguard', PSK: 'secret' }), /Backend\.PSK: it is not 32 bytes in base64/],
    [text({ Type: 'ipsec', PSK: 'short' }), /Backend\.PSK: it has not 96 to 1024 characters/],
    [text({ Type: 'ipsec', ESPProposal: 'null-sha256' }), /Backend\.ESPProposal: "null-sha256" does not encrypt/],
    [text({ Type: 'wireguard', Mode: 'both' }), /Backend\.Mode: "both" is not known/],
  ] as const) {
    assert.throws(() => backendOf('vxlan', backend), { code: 'FLANNEL_CONF', message: words });
  }
});

test('what Flannel’s own nodes tell is understood, and what is malformed counts as not told', () => {
  const node = (annotations: Record<string, string>) =>
    peerOf({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'x', annotations }, spec: { podCIDR: '10.42.9.0/24' } });
  const prefix = 'flannel.alpha.coreos.com';
  const told = {
    [`${prefix}/kube-subnet-manager`]: 'true',
    [`${prefix}/backend-type`]: 'vxlan',
    [`${prefix}/backend-data`]: '{"VNI":1,"VtepMAC":"8E:1F:00:00:00:01"}',
    [`${prefix}/public-ip`]: '192.0.2.9',
  };
  assert.deepEqual(node(told).v4, {
    podCidr: '10.42.9.0/24',
    address: '192.0.2.9',
    mac: '8e:1f:00:00:00:01',
    publicKey: undefined,
  });
  const broken = {
    ...told,
    [`${prefix}/backend-data`]: '{"VtepMAC":"x; rm"}',
    [`${prefix}/public-ip`]: '1.2.3.4 dev lo',
  };
  assert.deepEqual(node(broken).v4, {
    podCidr: '10.42.9.0/24',
    address: undefined,
    mac: undefined,
    publicKey: undefined,
  });
  assert.equal(node({ ...told, [`${prefix}/kube-subnet-manager`]: 'false' }).type, undefined);
});

/** The kernel after a change that took effect, for plans of VXLAN and routes. */
function afterwards(plan: ReturnType<typeof planNetwork>): ObservedState {
  const links = plan.devices.map((device): [string, ObservedLink] => [
    device.name,
    {
      name: device.name,
      mtu: device.mtu,
      mac: device.kind === 'vxlan' ? device.mac : '',
      isUp: true,
      kind: device.kind === 'ipsec' ? 'xfrm' : device.kind,
      alias: 'wherry pod network',
      addresses: device.addresses,
      ...(device.kind === 'vxlan' ? { vxlan: { ...device, learning: false } } : {}),
    },
  ]);
  return { ...plan, links: new Map(links) };
}

test('whatever joins and leaves: what stands as planned is not touched, and a change touches only what differs', () => {
  const backends = fc.constantFrom(...Object.values(defaultBackends));
  const members = fc.uniqueArray(fc.integer({ min: 2, max: 60 }), { maxLength: 20 });
  fc.assert(
    fc.property(backends, members, members, fc.boolean(), (backend, before, after, dualStack) => {
      const former = planNetwork(input(backend, before, { dualStack }));
      const next = planNetwork(input(backend, after, { dualStack }));
      assert.ok(isEmptyChange(compileChange(former, afterwards(former))));
      const { devices, entries, forwarding } = compileChange(next, afterwards(former));
      assert.deepEqual(devices, []);
      const touched = [...entries, ...forwarding].join('\n');
      for (const number of before.filter((one) => after.includes(one)))
        assert.doesNotMatch(touched, new RegExp(`\\b10\\.42\\.${number}\\.|\\b192\\.0\\.2\\.${number}\\b`));
    }),
  );
});
