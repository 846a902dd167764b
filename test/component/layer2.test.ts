/** Nodes on a real link: who answers ARP and NDP for an address, seen by a machine beside them, while nodes fail. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { rankNodes } from '../../src/loadbalancer/layer2/election.ts';
import type { Answer } from './layer2/asker.ts';
import { failures, Layer2World, names, vip, vip6 } from './layer2/world.ts';

let world: Layer2World;
before(async () => {
  world = await Layer2World.start();
});
after(() => world?.[Symbol.asyncDispose]());

/** Questions that a busy machine may answer late, milliseconds. */
const lateMs = 200;

test('one node answers for each address', async () => {
  for (const address of [vip, vip6]) {
    const { host } = await world.holderOf(address);
    assert.equal(host.name, rankNodes(address, names)[0]);
  }
});

for (const { what, fail, mend } of failures) {
  test(`the addresses of a node that is ${what} answer elsewhere in less than a second, and stay there`, async () => {
    for (const address of [vip, vip6]) {
      const former = await world.holderOf(address);
      const sinceMs = Date.now();
      await fail(former);
      const tookMs = await world.takeoverMs(address, former, sinceMs);
      assert.ok(tookMs < 1000, `${address}: ${tookMs} ms`);
      const next = await world.holderOf(address);
      await mend(former, world);
      await world.whole();
      assert.equal((await world.holderOf(address)).host.name, next.host.name);
    }
  });
}

test('a node that stops hands its addresses over: questions are answered all the time', async () => {
  const former = await world.holderOf(vip);
  const sinceMs = Date.now();
  former.process.stdin.end();
  await world.takeoverMs(vip, former, sinceMs);
  assert.equal(await former.process.ended, 0);
  assert.notEqual((await world.holderOf(vip)).host.name, former.host.name);
  assert.deepEqual(silences(world.heard.filter(({ address, atMs }) => address === vip && atMs >= sinceMs)), []);
  world.startNode(former.host);
});

/** Times without an answer that a busy machine does not explain. */
function silences(answers: readonly Answer[]): readonly number[] {
  return answers.flatMap(({ macs, atMs }, index) => {
    const lasted = (answers[index + 1]?.atMs ?? Date.now()) - atMs;
    return macs.length === 0 && lasted > lateMs ? [lasted] : [];
  });
}
