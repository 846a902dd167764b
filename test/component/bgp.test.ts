/** A node's BIRD and the routers that users have, BIRD and FRR, on hosts of a lab. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BirdPeer } from '../../src/engines/bird/config.ts';
import { type Router, startBirdRouter, startFrrRouter } from '../testbed/bgp/routers.ts';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import { birdPeer, route, startSpeaker, type TestSpeaker } from './bgp/world.ts';

/** A busy machine that runs all of these hosts stops for 150 ms at times. */
const bfd = { receiveInterval: 100, transmitInterval: 100, multiplier: 5, passive: false };
/** What detection by BFD may take here, milliseconds: five lost packets, and the look at the routes. */
const detectedMs = 1000;

let lab: Lab;
let node: Host;
let bird: Router;
let frr: Router;
let far: Router;
let speaker: TestSpeaker;
let peers: Readonly<Record<'bird4' | 'bird6' | 'frr4' | 'frr6' | 'far4', BirdPeer>>;

before(async () => {
  lab = await startLab({ name: 'bgp' });
  const [first, birdHost, frrHost, farHost] = await Promise.all([
    lab.addHost({ name: 'bgp-node' }),
    lab.addHost({ name: 'bgp-bird' }),
    lab.addHost({ name: 'bgp-frr' }),
    lab.addHost({ name: 'bgp-far', segment: 3 }),
  ]);
  node = first;
  const [ipv4 = '', ipv6 = ''] = node.addresses;
  bird = await startBirdRouter(
    birdHost,
    `protocol bfd { interface "*" { min rx interval 100 ms; min tx interval 100 ms; multiplier 5; }; }
     protocol bgp v4 { local as 64501; neighbor ${ipv4} as 64500; password "told twice"; bfd; error wait time 1, 1; ipv4 { import all; export none; }; }
     protocol bgp v6 { local as 64500; neighbor ${ipv6} as 64500; direct; bfd; error wait time 1, 1; ipv6 { import all; export none; }; }`,
  );
  frr = await startFrrRouter(frrHost, [
    'bfd',
    ' profile quick',
    '  detect-multiplier 5',
    '  receive-interval 100',
    '  transmit-interval 100',
    'router bgp 64501',
    ' no bgp ebgp-requires-policy',
    ` neighbor ${ipv4} remote-as 64500`,
    ` neighbor ${ipv4} bfd profile quick`,
    ` neighbor ${ipv6} remote-as 64500`,
    ' address-family ipv4 unicast',
    `  neighbor ${ipv4} activate`,
    ' exit-address-family',
    ' address-family ipv6 unicast',
    `  neighbor ${ipv4} activate`,
    `  neighbor ${ipv6} activate`,
    ' exit-address-family',
  ]);
  far = await startBirdRouter(
    farHost,
    `protocol bfd { multihop { min rx interval 100 ms; min tx interval 100 ms; multiplier 5; }; }
     protocol static { ipv4; route 198.18.0.0/24 via 198.18.3.1; }
     protocol bgp v4 { local ${farHost.address} as 64502; neighbor ${ipv4} as 64500; multihop; bfd; error wait time 1, 1; ipv4 { import all; export none; }; }`,
  );
  const marked = route('198.51.100.1/32', [64_500, 7], [64_500, 2, 3]);
  peers = {
    bird4: birdPeer('bird4', birdHost.address, {
      password: 'told twice',
      bfd,
      routes: [marked, route('203.0.113.0/24')],
    }),
    bird6: birdPeer('bird6', birdHost.addresses[1] ?? '', {
      ...{ peerAsn: 'internal', bfd, reach: 'direct', routes: [{ ...route('2001:db8::1/128'), localPref: 300 }] },
    }),
    frr4: birdPeer('frr4', frrHost.address, {
      ...{ bfd, routes: [marked, route('2001:db8::2/128')] },
      channels: [
        { family: 'ipv4', nextHop: undefined },
        { family: 'ipv6', nextHop: ipv6 },
      ],
    }),
    frr6: birdPeer('frr6', frrHost.addresses[1] ?? '', { gracefulRestart: true, routes: [route('2001:db8::1/128')] }),
    far4: birdPeer('far4', farHost.address, {
      ...{ peerAsn: 64_502, reach: 'multihop', localAddress: ipv4, bfd, routes: [route('198.51.100.1/32')] },
    }),
  };
  speaker = startSpeaker(node);
});
after(async () => {
  await speaker?.[Symbol.asyncDispose]();
  await lab?.[Symbol.asyncDispose]();
});

const all = () => Object.values(peers);
const untilAllUp = async () => {
  for (const name of Object.keys(peers)) await speaker.untilUp(name);
};
const untilHops = (router: Router, prefix: string, hops: readonly string[], timeoutMs = 10_000) =>
  eventually(`${router.host.name} has ${prefix} via ${hops}`, timeoutMs, async () =>
    (await router.nextHops(prefix)).join() === hops.join() ? true : undefined,
  );
/** FRR goes by the global or the link-local one of an IPv6 session's two next hops. */
const untilKnown = (router: Router, prefix: string) =>
  eventually(`${router.host.name} has ${prefix}`, 10_000, async () =>
    (await router.nextHops(prefix)).length === 1 ? true : undefined,
  );
/** When BIRD says that a session began. */
const beganAt = async (name: string) =>
  /^peer_\S+\s+BGP\s+\S+\s+up\s+(\S+)/m.exec(
    await node.must('birdc', ['-s', `${speaker.folder}/bird.ctl`, 'show', 'protocols', `peer_${name}`]),
  )?.[1];

test('sessions of every kind come up, and routers learn what they are told', async () => {
  const [ipv4 = '', ipv6 = ''] = node.addresses;
  assert.deepEqual(await speaker.apply(...all()), {});
  await untilAllUp();
  await untilHops(bird, '198.51.100.1', [ipv4]);
  await untilHops(bird, '203.0.113.0/24', [ipv4]);
  await untilHops(bird, '2001:db8::1', [ipv6]);
  await untilHops(frr, '198.51.100.1', [ipv4]);
  await untilHops(far, '198.51.100.1', ['198.18.3.1']);
  const learned = await bird.ask('show route all 198.51.100.1/32');
  assert.match(learned, /BGP\.community: \(64500,7\)/);
  assert.match(learned, /BGP\.large_community: \(64500, 2, 3\)/);
  assert.match(await bird.ask('show route all 2001:db8::1/128'), /BGP\.local_pref: 300/);
  const told = await frr.ask('show bgp ipv4 198.51.100.1/32');
  assert.match(told, /Community: 64500:7/);
  assert.match(told, /Large Community: 64500:2:3/);
  assert.match(
    await frr.ask('show bgp ipv6 2001:db8::2/128'),
    new RegExp(`${ipv6} from ${ipv4}`),
    'over the session of IPv4',
  );
  // On one network the packets of one hop, over a router those of several.
  await eventually('BFD is up at FRR', 10_000, async () =>
    new RegExp(`${ipv4}\\s+up`).test(await frr.ask('show bfd peers brief')) ? true : undefined,
  );
  assert.match(await far.ask('show bfd sessions'), new RegExp(`${ipv4}\\s+---\\s+Up`));
  const bfdOf = new Map((await speaker.observe()).map((session) => [session.name, session.bfd]));
  assert.equal(bfdOf.get('peer_bird6'), 'up');
  assert.equal(bfdOf.get('peer_frr6'), 'none');
  // Nobody's routes are ours.
  assert.ok(!(await node.must('ip', ['route'])).includes('198.51.100.1'));
});

test('a change reaches the routers, and sessions that it is not about run on', async () => {
  const began = await Promise.all(Object.keys(peers).map(beganAt));
  assert.ok(began.every((time) => time !== undefined));
  const [first] = peers.frr4.routes;
  assert.ok(first);
  const frr4 = { ...peers.frr4, routes: [first, route('198.51.100.9/32')] };
  await speaker.apply(...all().map((peer) => (peer === peers.frr4 ? frr4 : peer)));
  await untilHops(frr, '198.51.100.9', [node.address]);
  await untilHops(frr, '2001:db8::2', []);
  assert.deepEqual(await bird.nextHops('198.51.100.9'), [], 'it is for one peer alone');
  await speaker.apply(...all().filter((peer) => peer !== peers.far4));
  await untilHops(far, '198.51.100.1', []);
  await speaker.apply(...all());
  await untilAllUp();
  const names = Object.keys(peers).filter((name) => name !== 'far4');
  assert.deepEqual(await Promise.all(names.map(beganAt)), began.slice(0, names.length));
});

test('a peer that BIRD refuses is named, and the others are in force', async () => {
  const bad = birdPeer('bad', '198.18.0.77', { holdTime: 70_000 });
  const refused = await speaker.apply(bad, ...all());
  assert.deepEqual(Object.keys(refused), ['peer_bad']);
  assert.match(refused['peer_bad'] ?? '', /BIRD refuses it: .*[Hh]old time/);
  assert.deepEqual(await speaker.apply(bad, ...all()), refused);
  await untilAllUp();
});

test('with another password there is no session', async () => {
  await speaker.apply({ ...peers.bird4, password: 'another' }, ...all().filter((peer) => peer !== peers.bird4));
  await untilHops(bird, '198.51.100.1', []);
  await eventually('there is no answer', 20_000, async () => {
    const session = (await speaker.observe()).find(({ name }) => name === 'peer_bird4');
    return session?.isEstablished === false && /^(?:Connect|Active)$/.test(session.state) ? true : undefined;
  });
  await speaker.apply(...all());
  await speaker.untilUp('bird4', 60_000);
});

test('a cut is noticed by BFD, and mended', async () => {
  await untilHops(bird, '198.51.100.1', [node.address]);
  await untilHops(frr, '198.51.100.1', [node.address]);
  const gone = Promise.all([
    untilHops(bird, '198.51.100.1', []).then(() => performance.now()),
    untilHops(frr, '198.51.100.1', []).then(() => performance.now()),
  ]);
  const cutAt = performance.now();
  await node.link.cut();
  for (const time of await gone) assert.ok(time - cutAt < detectedMs, `after ${Math.round(time - cutAt)} ms`);
  await node.link.restore();
  await untilHops(bird, '198.51.100.1', [node.address], 30_000);
  await untilAllUp();
});

test('BIRD runs on when its driver is killed, and takes orders from the next one', async () => {
  await untilAllUp();
  const pid = await speaker.pid();
  const began = await Promise.all(Object.keys(peers).map(beganAt));
  await speaker.kill();
  speaker = startSpeaker(node);
  await speaker.apply(
    ...all().map((peer) => (peer === peers.frr6 ? { ...peer, routes: [route('2001:db8::5/128')] } : peer)),
  );
  await untilKnown(frr, '2001:db8::5');
  await speaker.apply(...all());
  assert.equal(await speaker.pid(), pid);
  assert.deepEqual(await Promise.all(Object.keys(peers).map(beganAt)), began);
});

test('a BIRD that is killed is started again, and gracefully', async () => {
  await untilKnown(frr, '2001:db8::1');
  const monitor = frr.host.start('ip', ['-6', 'monitor', 'route']);
  let changes = '';
  monitor.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    changes += chunk;
  });
  const pid = await speaker.pid();
  await node.must('kill', ['-9', String(pid)]);
  await eventually('another one runs', 10_000, async () => {
    const now = await speaker.pid();
    return now !== undefined && now !== pid ? true : undefined;
  });
  await untilAllUp();
  await untilHops(bird, '198.51.100.1', [node.address]);
  await untilKnown(frr, '2001:db8::1');
  monitor.signal('SIGTERM');
  await monitor.ended;
  assert.doesNotMatch(changes, /Deleted 2001:db8::1 /, 'the neighbour kept the route meanwhile');
});

test('at the end the routes are withdrawn, and nothing runs', async () => {
  await speaker.stop();
  await untilHops(bird, '198.51.100.1', []);
  await untilHops(frr, '2001:db8::1', []);
  assert.equal(await speaker.pid(), undefined);
});
