/** Who answers for which address, over many nodes, losses, splits and restarts, on simulated time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rankNodes } from '../../src/loadbalancer/layer2/election.ts';
import { deadAfterMs } from '../../src/loadbalancer/layer2/member.ts';
import { heartbeatMs, rankDelayMs, settleMs, yieldMs } from '../../src/loadbalancer/layer2/speaker.ts';
import { fc } from '../../tools/property.ts';
import { randomOf, SimulatedCluster } from './layer2-cluster.ts';

/** After the last disturbance: a dead node is noticed, each in the order has had its turn, and claims have been compared. */
const calmMs = settleMs + 4 * (deadAfterMs + heartbeatMs) + yieldMs;

function started(nodes: number, addresses: number, seed = 1): SimulatedCluster {
  const cluster = new SimulatedCluster(nodes, addresses, seed);
  for (const name of cluster.names) cluster.start(name);
  cluster.run(calmMs);
  return cluster;
}

function assertOneEach(cluster: SimulatedCluster, among: readonly string[] = cluster.names): void {
  for (const address of cluster.addresses) {
    const holders = cluster.holders(address).filter((name) => among.includes(name));
    assert.equal(holders.length, 1, `${address} is held by ${holders.join(' and ') || 'nobody'}`);
  }
}

test('addresses spread over the nodes, each with one', () => {
  const cluster = started(5, 200);
  assertOneEach(cluster);
  for (const name of cluster.names) {
    const count = cluster.addresses.filter((address) => cluster.holders(address)[0] === name).length;
    assert.ok(count > 15 && count < 80, `${name} has ${count}`);
  }
});

test('with nothing wrong nothing moves, whatever is lost now and then', () => {
  const cluster = started(4, 30);
  const { length } = cluster.changes;
  cluster.loss = 0.02;
  cluster.run(30_000);
  assert.equal(cluster.changes.length, length);
});

test('the addresses of a node that dies are answered for elsewhere within half a second, and no other moves', () => {
  const cluster = started(5, 60);
  const lost = cluster.addresses.filter((address) => cluster.holders(address)[0] === 'node-2');
  const sinceMs = cluster.nowMs;
  const before = cluster.changes.length;
  cluster.kill('node-2');
  cluster.run(calmMs);
  assertOneEach(cluster);
  const taken = cluster.changes.slice(before).filter(({ isHeld }) => isHeld);
  assert.deepEqual(taken.map(({ address }) => address).sort(), [...lost].sort());
  for (const { atMs } of taken) assert.ok(atMs - sinceMs <= deadAfterMs + cluster.delayMsMax, `${atMs - sinceMs} ms`);
});

test('what has moved stays where it is when the node comes back', () => {
  const cluster = started(3, 30);
  cluster.kill('node-0');
  cluster.run(calmMs);
  const before = cluster.changes.length;
  cluster.start('node-0');
  cluster.run(calmMs);
  assert.equal(cluster.changes.length, before);
});

test('a node that stops hands over: at no time is an address without an answer', () => {
  const cluster = started(3, 30);
  const before = cluster.changes.length;
  cluster.leave('node-1');
  cluster.run(calmMs);
  assert.equal(cluster.isRunning('node-1'), false);
  assertOneEach(cluster);
  const changes = cluster.changes.slice(before);
  for (const { address, isHeld, atMs } of changes.filter(({ node }) => node === 'node-1')) {
    assert.equal(isHeld, false);
    const taken = changes.find((change) => change.address === address && change.isHeld);
    assert.ok(taken !== undefined && taken.atMs <= atMs, `${address} was given up before it was taken`);
  }
});

test('a cordoned node stands in only while there is no other', () => {
  const cluster = started(3, 20);
  const cordon = (standIns: readonly string[]) => {
    for (const name of cluster.names) cluster.tell(name, cluster.wantedBy(cluster.names, standIns));
    cluster.run(calmMs);
    assertOneEach(cluster);
  };
  cordon(['node-1']);
  for (const address of cluster.addresses) assert.notEqual(cluster.holders(address)[0], 'node-1');
  cordon(cluster.names);
});

test('nodes that see the cluster differently agree on one holder all the same', () => {
  const cluster = new SimulatedCluster(3, 20, 3);
  const [a, b, c] = cluster.names;
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  cluster.tell(a, cluster.wantedBy([b, c]));
  cluster.tell(b, cluster.wantedBy([a, b]));
  cluster.tell(c, cluster.wantedBy([a]));
  for (const name of cluster.names) cluster.start(name);
  cluster.run(calmMs + 2 * rankDelayMs);
  for (const address of cluster.addresses) assert.deepEqual(cluster.holders(address), [b]);
});

test('recorded packets bring no dead node back', () => {
  const cluster = started(3, 20);
  cluster.kill('node-0');
  const old = [...cluster.recorded];
  cluster.start('node-0');
  cluster.run(calmMs);
  cluster.kill('node-0');
  cluster.kill('node-1');
  cluster.start('node-1');
  const random = randomOf(5);
  for (let round = 0; round < 100; round += 1) {
    for (const name of ['node-1', 'node-2'])
      cluster.inject(name, old[Math.floor(random() * old.length)] ?? Buffer.alloc(0));
    cluster.run(20);
  }
  assertOneEach(cluster);
});

test('after any failures each side of a split network, and then the whole, has one holder for each address', () => {
  const names = ['node-0', 'node-1', 'node-2', 'node-3'];
  const event = fc.oneof(
    fc.record({ kind: fc.constant('kill' as const), node: fc.constantFrom(...names) }),
    fc.record({ kind: fc.constant('start' as const), node: fc.constantFrom(...names) }),
    fc.record({ kind: fc.constant('leave' as const), node: fc.constantFrom(...names) }),
    fc.record({ kind: fc.constant('split' as const), node: fc.constantFrom(...names) }),
    fc.record({ kind: fc.constant('heal' as const), node: fc.constantFrom(...names) }),
    fc.record({ kind: fc.constant('lossy' as const), node: fc.constantFrom(...names) }),
  );
  const steps = fc.array(fc.tuple(event, fc.integer({ min: 0, max: 1500 })), { maxLength: 15 });
  fc.assert(
    fc.property(steps, fc.integer(), (story, seed) => {
      const cluster = new SimulatedCluster(names.length, 6, seed);
      for (const name of names) cluster.start(name);
      for (const [{ kind, node }, ms] of story) {
        if (kind === 'kill') cluster.kill(node);
        else if (kind === 'start' && !cluster.isRunning(node)) cluster.start(node);
        else if (kind === 'leave') cluster.leave(node);
        else if (kind === 'split') cluster.side.set(node, 1);
        else if (kind === 'heal') cluster.side.clear();
        else if (kind === 'lossy') cluster.loss = cluster.loss === 0 ? 0.3 : 0;
        cluster.run(ms);
      }
      cluster.loss = 0;
      cluster.run(calmMs);
      for (const side of [0, 1]) {
        const there = names.filter((name) => (cluster.side.get(name) ?? 0) === side && cluster.isRunning(name));
        if (there.length > 0) assertOneEach(cluster, there);
      }
      cluster.side.clear();
      for (const name of names) if (!cluster.isRunning(name)) cluster.start(name);
      cluster.run(calmMs);
      assertOneEach(cluster);
      const { length } = cluster.changes;
      cluster.run(calmMs);
      assert.equal(cluster.changes.length, length, 'what is whole stays put');
    }),
    { numRuns: 60 },
  );
});

test('when a node goes, only its addresses change their first choice', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.ipV4(), (count, address) => {
      const nodes = Array.from({ length: count }, (_, index) => `node-${index}`);
      const order = rankNodes(address, nodes);
      const [first = '', ...rest] = order;
      assert.deepEqual(
        rankNodes(
          address,
          nodes.filter((node) => node !== first),
        ),
        rest,
      );
      assert.deepEqual(rankNodes(address, [...nodes].reverse()), order);
    }),
  );
});
