/** One node of the truth table: enforces the policies of the world that it is told of, in its own network namespace. */
import process from 'node:process';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLog } from '../../../src/core/log.ts';
import { namespaces, networkpolicies, nodes, pods } from '../../../src/kube/resources.gen.ts';
import type { Pod } from '../../../src/kube/types.gen.ts';
import { clusternetworkpolicies } from '../../../src/network/policy/cluster-network-policy.ts';
import { DeniedLog, type DeniedRecord } from '../../../src/network/policy/denied.ts';
import { PolicyEnforcer } from '../../../src/network/policy/enforcer.ts';
import { MemoryInformers } from './memory-informers.ts';
import type { World } from './oracle.ts';
import { clusterCidrs, ownRanges } from './worlds.ts';

export type NodeQuestion = { readonly id: number } & (
  | { readonly ask: 'start' | 'world'; readonly world: World }
  | { readonly ask: 'admit'; readonly pod: Pod; readonly addresses: readonly string[] }
  | { readonly ask: 'denied'; readonly since: number }
);

export interface NodeAnswer {
  readonly id: number;
  readonly error?: string;
  readonly denied?: readonly DeniedRecord[];
}

const node = Number(process.argv[2]);
const informers = new MemoryInformers();
const table = 'wherry-policy';
const enforcer = new PolicyEnforcer({
  informers,
  clock: systemClock,
  log: silentLog,
  nodeName: `node-${node}`,
  ownRanges: ownRanges(node),
  clusterCidrs,
  dns: [],
  table,
});
const denied = new DeniedLog({
  feed: enforcer.feed,
  events: { event() {} },
  clock: systemClock,
  log: silentLog,
  nodeName: `node-${node}`,
  table,
  families: [4, 6],
});

// Objects are told apart by identity, so those that did not change must stay the same.
const known = new Map<string, readonly [text: string, object: unknown]>();

function same<T>(objects: readonly T[]): readonly T[] {
  return objects.map((object) => {
    const text = JSON.stringify(object);
    const former = known.get(text);
    if (former !== undefined) return former[1] as T;
    known.set(text, [text, object]);
    return object;
  });
}

function show(world: World): void {
  informers.of(namespaces).replace(same(world.namespaces));
  informers.of(nodes).replace(same(world.nodes));
  informers.of(pods).replace(same(world.pods));
  informers.of(networkpolicies).replace(same(world.networkPolicies));
  informers.of(clusternetworkpolicies).replace(same(world.clusterPolicies));
}

async function answer(question: NodeQuestion): Promise<Omit<NodeAnswer, 'id'>> {
  switch (question.ask) {
    case 'start':
      show(question.world);
      await enforcer.start();
      return {};
    case 'world':
      show(question.world);
      await enforcer.settled();
      return {};
    case 'admit':
      await enforcer.admit(question.pod, question.addresses);
      return {};
    case 'denied':
      return { denied: await denied.read(question.since) };
  }
}

process.on('message', async (question: NodeQuestion) => {
  const reply = await answer(question).catch((error: unknown) => ({ error: String(error) }));
  process.send?.({ id: question.id, ...reply } satisfies NodeAnswer);
});
process.once('disconnect', () => process.exit(0));
process.send?.({ id: 0 } satisfies NodeAnswer);
