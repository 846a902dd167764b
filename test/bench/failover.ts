/**
 * How long an address of a Service is without an answer when the node that answers for it fails: as a machine on the same link
 * sees it that asks by ARP 100 times a second. The nodes run the thread that answers in a real cluster; the link is a bridge.
 */
import { failures, Layer2World, vip } from '../component/layer2/world.ts';
import { report } from './report.ts';

const rounds = 50;

await using world = await Layer2World.start();
const all: number[] = [];
const byKind = new Map<string, number[]>(failures.map(({ what }) => [what, []]));
for (let round = 0; round < rounds; round += 1) {
  const failure = failures[round % failures.length];
  if (failure === undefined) break;
  await world.whole();
  const holder = await world.holderOf(vip);
  const sinceMs = Date.now();
  await failure.fail(holder);
  const tookMs = await world.takeoverMs(vip, holder, sinceMs);
  all.push(tookMs);
  byKind.get(failure.what)?.push(tookMs);
  await failure.mend(holder, world);
}
for (const [what, times] of byKind)
  report(`until another node answers, the announcing one being ${what}`, ' ms', times);
report('until another node answers, all of them', ' ms', all);
