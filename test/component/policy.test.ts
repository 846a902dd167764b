/** NetworkPolicy with real packets: pods in network namespaces behind two nodes that enforce what the oracle says. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { generationMark, generationMax } from '../../src/engines/nftables/policy-skeleton.ts';
import type { NetworkPolicy, Pod } from '../../src/kube/types.gen.ts';
import type { ClusterNetworkPolicy } from '../../src/network/policy/cluster-network-policy.ts';
import { fc } from '../../tools/property.ts';
import { eventually } from '../testbed/kubectl.ts';
import { cases } from './policy/cases.ts';
import type { Target } from './policy/messages.ts';
import { PolicyNetwork } from './policy/network.ts';
import { oracle, type World } from './policy/oracle.ts';
import {
  anyClusterPolicies,
  anyNetworkPolicy,
  clusterPolicy,
  namespaces,
  nodes,
  outsider,
  pods,
  policy,
} from './policy/worlds.ts';

/** Milliseconds within which what is denied must not answer. */
const silenceMs = 120;
/** Milliseconds that what is allowed may take when the machine is busy. */
const patienceMs = 5_000;

/** Random sets of policies that are tried. */
const randomWorlds = 15;
/** Pods that come while policies stand. */
const newPods = 6;

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

test('random policies do with packets what the specification says', async () => {
  const anyPolicies = fc.record({
    networkPolicies: fc.uniqueArray(anyNetworkPolicy, {
      minLength: 1,
      maxLength: 8,
      selector: ({ metadata }) => `${metadata.namespace}/${metadata.name}`,
    }),
    clusterPolicies: anyClusterPolicies,
  });
  for (const policies of fc.sample(anyPolicies, { numRuns: randomWorlds, seed: fc.readConfigureGlobal().seed ?? 1 })) {
    const world = worldOf(policies);
    await network.show(world);
    await verify(world, JSON.stringify(policies));
  }
});

const denyAll = policy('x', 'deny-all', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
const address = (name: string, family: 0 | 1 = 0) => ends.find((end) => end.name === name)?.addresses[family] ?? '';

test('an established connection is cut when a policy takes its permission away, and goes on when it is given back', async () => {
  await network.show(worldOf({}));
  for (const [client, server] of [
    ['y/a', 'x/a'],
    ['x/b', 'z/c'],
  ] as const) {
    const process = network.inhabitant(client);
    const target = { address: address(server), protocol: 'TCP', port: 80 } as const;
    assert.deepEqual((await process.ask({ ask: 'open', target, timeoutMs: patienceMs })).results, [true]);
    await network.show(worldOf({ networkPolicies: [denyAll] }));
    assert.deepEqual((await process.ask({ ask: 'echo', timeoutMs: 300 })).results, [false], `${client} to ${server}`);
    await network.show(worldOf({}));
    // TCP itself sends again what was lost.
    assert.deepEqual((await process.ask({ ask: 'echo', timeoutMs: patienceMs })).results, [true]);
  }
});

test('a connection that policies still allow survives their changes, and its replies need no rule', async () => {
  const isolated = policy('x', 'only-80', {
    podSelector: {},
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ ports: [{ port: 80 }] }],
  });
  await network.show(worldOf({ networkPolicies: [isolated] }));
  const process = network.inhabitant('outside');
  const target = { address: address('x/c'), protocol: 'TCP', port: 80 } as const;
  assert.deepEqual((await process.ask({ ask: 'open', target, timeoutMs: patienceMs })).results, [true]);
  for (const name of ['one', 'two', 'three']) {
    await network.show(worldOf({ networkPolicies: [isolated, policy('x', name, { podSelector: {} })] }));
    assert.deepEqual((await process.ask({ ask: 'echo', timeoutMs: patienceMs })).results, [true]);
  }
});

test('a node reaches its own pods, and its pods reach it, whatever NetworkPolicies say; the Admin tier may deny the latter', async () => {
  const world = worldOf({ networkPolicies: [denyAll] });
  await network.show(world);
  const nodeAddress = nodes[0]?.status?.addresses?.[0]?.address ?? '';
  const toPod = { address: address('x/a'), protocol: 'TCP', port: 80 } as const;
  const toNode = { address: nodeAddress, protocol: 'TCP', port: 80 } as const;
  assert.deepEqual(await network.probe('node-0', [toPod], patienceMs), [true]);
  assert.deepEqual(await network.probe('x/a', [toNode], patienceMs), [true]);
  // The other node is a stranger.
  assert.deepEqual(await network.probe('node-1', [toPod], silenceMs), [false]);
  const admin = clusterPolicy('no-nodes', {
    tier: 'Admin',
    priority: 1,
    subject: { namespaces: { matchLabels: { ns: 'x' } } },
    egress: [{ action: 'Deny', to: [{ nodes: {} }] }],
  });
  await network.show(worldOf({ clusterPolicies: [admin] }));
  assert.deepEqual(await network.probe('x/a', [toNode], silenceMs), [false]);
  assert.deepEqual(await network.probe('node-0', [toPod], patienceMs), [true]);
});

test('what is denied is remembered with both ends and the policy that denied it', async () => {
  await network.show(worldOf({ networkPolicies: [denyAll] }));
  const before = (await network.denied(0, 0)).at(-1)?.sequence ?? 0;
  const target = { address: address('x/a'), protocol: 'TCP', port: 81 } as const;
  assert.deepEqual(await network.probe('y/b', [target], silenceMs), [false]);
  const records = (await network.denied(0, before)).filter(({ client }) => client.pod === 'y/b');
  const [record] = records;
  assert.deepEqual(record && { ...record, sequence: 0, time: '', packets: 0 }, {
    sequence: 0,
    time: '',
    node: 'node-0',
    direction: 'ingress',
    namespace: 'x',
    pod: 'a',
    client: { address: address('y/b'), pod: 'y/b' },
    server: { address: address('x/a'), pod: 'x/a' },
    protocol: 'TCP',
    port: 81,
    packets: 0,
    reason: 'NetworkPolicy x/deny-all has no ingress rule that allows it',
  });
  assert.equal(records.length, 1);
});

test('rules stay while the enforcer is killed in the middle of changes, and are repaired by the next one', async () => {
  const denied = worldOf({ networkPolicies: [denyAll] });
  await network.show(denied);
  for (let round = 0; round < 3; round++) {
    // Whatever these do, x stays denied; the kill falls into the writing of one of them.
    const changes = Array.from({ length: 20 }, (_, index) =>
      network
        .show(
          worldOf({
            networkPolicies: [
              denyAll,
              ...cases
                .slice(index, index + 3)
                .flatMap((one) => one.networkPolicies.filter(({ metadata }) => metadata.namespace !== 'x')),
            ],
          }),
        )
        .catch(() => {}),
    );
    const target = { address: address('x/a'), protocol: 'TCP', port: 80 } as const;
    const probe = network.probe('y/a', [target, target, target], silenceMs);
    await network.killNode(0);
    assert.deepEqual(await probe, [false, false, false]);
    assert.deepEqual(await network.probe('y/a', [target], silenceMs), [false], 'without an enforcer');
    await network.startNode(0, denied);
    await Promise.all(changes);
    await network.show(denied);
    await verify(denied, 'after the restart');
  }
});

test('rules that somebody removed come back by themselves', async () => {
  const world = worldOf({ networkPolicies: [denyAll] });
  await network.show(world);
  await network.onNode(0, ['nft', 'delete', 'table', 'inet', 'wherry-policy']);
  const target = { address: address('x/a'), protocol: 'TCP', port: 80 } as const;
  await eventually('the rules are back', 15_000, async () => {
    const [isThere] = await network.probe('y/a', [target], silenceMs);
    return isThere ? undefined : true;
  });
});

test('a new pod reaches nobody before it is admitted, and then what its policies allow', async () => {
  const uids = Array.from({ length: newPods }, (_, index) => index);
  await network.show(worldOf({ networkPolicies: [denyAll] }));
  const target = { address: address('y/b'), protocol: 'TCP', port: 80 } as const;
  const out = { address: outsider, protocol: 'TCP', port: 80 } as const;
  await Promise.all(
    uids.map(async (index) => {
      const name = `x/n${index}`;
      const ip = `10.42.0.${100 + index}`;
      const process = await network.addPod(name, 0, [ip]);
      const forbidden = () => process.ask({ ask: 'probe', targets: [target, out], timeoutMs: 50 });
      // Its first act: before anybody has told of it, and while it is being admitted.
      assert.deepEqual((await forbidden()).results, [false, false]);
      const pod: Pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          namespace: index % 2 === 0 ? 'x' : 'z',
          name: `n${index}`,
          uid: `new-${index}`,
          labels: { pod: 'n' },
        },
        spec: { nodeName: 'node-0', containers: [] },
      };
      const [first] = await Promise.all([forbidden(), network.admit(0, pod, [ip])]);
      if (index % 2 === 0) assert.deepEqual(first.results, [false, false]);
      const after = await process.ask({
        ask: 'probe',
        targets: [target, out],
        timeoutMs: index % 2 === 0 ? silenceMs : patienceMs,
      });
      assert.deepEqual(after.results, index % 2 === 0 ? [false, false] : [true, true], name);
    }),
  );
});

test('generations that begin anew judge old connections anew', async () => {
  await network.show(worldOf({}));
  const process = network.inhabitant('y/a');
  const target = { address: address('x/a'), protocol: 'TCP', port: 80 } as const;
  assert.deepEqual((await process.ask({ ask: 'open', target, timeoutMs: patienceMs })).results, [true]);
  // The next start finds the last number there is.
  await network.killNode(0);
  const mark = `0x${generationMark(generationMax - 1).toString(16)}`;
  await network.onNode(
    0,
    ['nft', '-f', '-'],
    `flush chain inet wherry-policy current\nadd rule inet wherry-policy current ct mark & 0xff000fff == ${mark} accept\n`,
  );
  await network.startNode(0, worldOf({}));
  assert.deepEqual((await process.ask({ ask: 'echo', timeoutMs: patienceMs })).results, [true]);
  await network.show(worldOf({ networkPolicies: [denyAll] }));
  assert.match(await network.onNode(0, ['nft', 'list', 'chain', 'inet', 'wherry-policy', 'current']), /== 0x00000001/);
  assert.deepEqual((await process.ask({ ask: 'echo', timeoutMs: 300 })).results, [false]);
});
