/**
 * How long routers lead packets for an address to a node that announced it by BGP and fails: as their own routing tables tell,
 * asked as often as that goes. Two nodes announce it, to a router with BIRD and to one with FRR, with BFD every 50 ms.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { birdPeer, route, startSpeaker, type TestSpeaker } from '../component/bgp/world.ts';
import { type Router, startBirdRouter, startFrrRouter } from '../testbed/bgp/routers.ts';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { startLab } from '../testbed/lab/lab.ts';
import { report } from './report.ts';

const rounds = 50;
/** Beside the time that asking takes. */
const askEveryMs = 5;
const vip = '198.51.100.1';
const bfd = { receiveInterval: 50, transmitInterval: 50, multiplier: 3, passive: false };

await using lab = await startLab({ name: 'failover-bgp', network: { ipv6: false } });
const [stays, fails, birdHost, frrHost] = await Promise.all(
  (['stays', 'fails', 'router-bird', 'router-frr'] as const).map((name) => lab.addHost({ name })),
);
if (!stays || !fails || !birdHost || !frrHost) throw new Error('the lab has four hosts');
const nodes = [stays, fails];
const routers: readonly Router[] = [
  await startBirdRouter(
    birdHost,
    `protocol bfd { interface "*" { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }
     ${nodes.map(({ name, address }) => `protocol bgp ${name} { local as 64501; neighbor ${address} as 64500; bfd; error wait time 1, 1; ipv4 { import all; export none; }; }`).join('\n')}`,
  ),
  await startFrrRouter(frrHost, [
    ...['bfd', ' profile quick', '  receive-interval 50', '  transmit-interval 50'],
    ...['router bgp 64501', ' no bgp ebgp-requires-policy', ' timers connect 1'],
    ...nodes.flatMap(({ address }) => [
      ` neighbor ${address} remote-as 64500`,
      ` neighbor ${address} bfd profile quick`,
    ]),
  ]),
];

const announce = (speaker: TestSpeaker, ...prefixes: readonly string[]) =>
  speaker.apply(
    birdPeer('bird', birdHost.address, { bfd, routes: prefixes.map((prefix) => route(prefix)) }),
    birdPeer('frr', frrHost.address, { bfd, routes: prefixes.map((prefix) => route(prefix)) }),
  );
const prefix = `${vip}/32`;
const leadsTo = async (router: Router, host: Host) => (await router.nextHops(vip)).includes(host.address);
const untilBoth = () =>
  Promise.all(
    routers.map((router) =>
      eventually(`${router.host.name} leads to both nodes`, 60_000, async () =>
        (await leadsTo(router, fails)) && (await leadsTo(router, stays)) ? true : undefined,
      ),
    ),
  );
/** When each router has stopped to lead to the node that fails. */
const untilGone = () =>
  Promise.all(
    routers.map(async (router) => {
      while (await leadsTo(router, fails)) await pause(askEveryMs);
      return performance.now();
    }),
  );

await using steady = startSpeaker(stays);
await announce(steady, prefix);
let speaker = startSpeaker(fails);

/** What happens to the node, and what makes it whole again. */
const failures: readonly { readonly what: string; fail(): Promise<void>; mend(): Promise<void> }[] = [
  {
    what: 'without power',
    fail: () => fails.powerOff(),
    async mend() {
      await fails.powerOn();
      speaker = startSpeaker(fails);
    },
  },
  {
    what: 'with its BIRD killed',
    async fail() {
      await speaker.kill();
      await fails.must('kill', ['-9', String(await speaker.pid())]);
    },
    async mend() {
      speaker = startSpeaker(fails);
    },
  },
  { what: 'cut off', fail: () => fails.link.cut(), mend: () => fails.link.restore() },
  { what: 'drained', fail: async () => void (await announce(speaker)), mend: async () => {} },
];

const all: number[] = [];
const byKind = new Map<string, number[]>(failures.map(({ what }) => [what, []]));
for (let round = 0; round < rounds; round += 1) {
  const failure = failures[round % failures.length];
  if (failure === undefined) break;
  await announce(speaker, prefix);
  await untilBoth();
  // Not always in the same moment between two packets.
  await pause(round * 7);
  const sinceMs = performance.now();
  const gone = untilGone();
  await failure.fail();
  for (const atMs of await gone) {
    all.push(atMs - sinceMs);
    byKind.get(failure.what)?.push(atMs - sinceMs);
  }
  await failure.mend();
}
await speaker[Symbol.asyncDispose]();
for (const [what, times] of byKind) report(`until a router goes by the other node, one being ${what}`, ' ms', times);
report('until a router goes by the other node, all of them', ' ms', all);
