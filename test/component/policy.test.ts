/** NetworkPolicy with real packets: pods in network namespaces behind two nodes that enforce what the oracle says. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { NetworkPolicy } from '../../src/kube/types.gen.ts';
import type { ClusterNetworkPolicy } from '../../src/network/policy/cluster-network-policy.ts';
import { cases } from './policy/cases.ts';
import type { Target } from './policy/messages.ts';
import { PolicyNetwork } from './policy/network.ts';
import { oracle, type World } from './policy/oracle.ts';
import { namespaces, nodes, outsider, pods } from './policy/worlds.ts';

/** Milliseconds within which what is denied must not answer. */
const silenceMs = 120;
/** Milliseconds that what is allowed may take when the machine is busy. */
const patienceMs = 5_000;

interface Policies {
  readonly networkPolicies: readonly NetworkPolicy[];
  readonly clusterPolicies: readonly ClusterNetworkPolicy[];
}

const none: Policies = { networkPolicies: [], clusterPolicies: [] };

function worldOf(policies: Partial<Policies>): World {
  return { namespaces, nodes, pods, ...none, ...policies };
}

const ends = [
  ...pods.map((pod) => ({
    name: `${pod.metadata.namespace}/${pod.metadata.name}`,
    addresses: pod.status?.podIPs?.map(({ ip }) => ip) ?? [],
  })),
  { name: 'outside', addresses: [outsider] },
];

let network: PolicyNetwork;
before(async () => {
  network = await PolicyNetwork.start(pods);
  await Promise.all(nodes.map((_, node) => network.startNode(node, worldOf({}))));
});
after(async () => {
  await network?.[Symbol.asyncDispose]();
});

const kinds: readonly (readonly [protocol: Target['protocol'], port: number, family: 0 | 1])[] = [
  ['TCP', 80, 0],
  ['TCP', 81, 0],
  ['UDP', 80, 0],
  ['SCTP', 80, 0],
  ['TCP', 80, 1],
];

/** Probes the whole table at once. What must be silent is not, or what must answer does not even with patience: an error. */
async function verify(world: World, about: string): Promise<void> {
  await Promise.all(
    ends.map(async (from) => {
      const targets = ends.flatMap((to) =>
        kinds.flatMap(([protocol, port, family]): (Target & { readonly expected: boolean; readonly to: string })[] => {
          const [client, server] = [from.addresses[family], to.addresses[family]];
          // Whether the machine outside reaches itself is nobody's concern here.
          if (client === undefined || server === undefined || (from === to && to.name === 'outside')) return [];
          const expected = oracle(world, { client, server, protocol, port });
          return [{ address: server, protocol, port, expected, to: to.name }];
        }),
      );
      const results = await network.probe(from.name, targets, silenceMs);
      const wrong = targets.filter(({ expected }, index) => results[index] !== expected);
      const late = wrong.filter(({ expected }) => expected);
      const again = late.length === 0 ? [] : await network.probe(from.name, late, patienceMs);
      const failures = wrong.filter((target) => !target.expected || again[late.indexOf(target)] !== true);
      const told = failures.map((t) => `${from.name} -> ${t.to} ${t.address} ${t.port}/${t.protocol}: ${!t.expected}`);
      assert.deepEqual(told, [], about);
    }),
  );
}

test('without policies everybody reaches everybody', async () => {
  await verify(worldOf({}), 'no policies');
});

test('the truth table of every policy is what the specification says', async (t) => {
  assert.ok(cases.length >= 60, `${cases.length} policies`);
  for (const { name, ...policies } of cases) {
    const world = worldOf(policies);
    await network.show(world);
    await verify(world, name);
  }
  t.diagnostic(`${cases.length} policies, ${ends.length ** 2 * kinds.length} connections each`);
});
