import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePolicies } from '../../src/engines/nftables/policy-rules.ts';
import type { Pod } from '../../src/kube/types.gen.ts';
import { decisionView } from '../../src/network/policy/cluster-state.ts';
import { decide } from '../../src/network/policy/decide.ts';
import { explain } from '../../src/network/policy/explain.ts';
import { PlanMemory, type PolicyInput, planPolicies } from '../../src/network/policy/plan.ts';
import { fc } from '../../tools/property.ts';
import { interpret } from './policy/interpret.ts';
import { type Connection, oracle, type World } from './policy/oracle.ts';
import {
  anyClusterPolicies,
  anyNetworkPolicy,
  clusterCidrs,
  namespaces,
  nodeNames,
  nodes,
  outsider,
  ownRanges,
  pods,
  policy,
  tcpPorts,
} from './policy/worlds.ts';

const nothingAdmitted = new Map<string, readonly string[]>();

function inputOf(world: World, node: number): PolicyInput {
  return {
    ...world,
    nodeName: nodeNames[node] ?? '',
    ownRanges: ownRanges(node),
    clusterCidrs,
    dns: [],
    admitted: nothingAdmitted,
  };
}

function nodeOf(address: string): number | undefined {
  const nodeName = pods.find((pod) => pod.status?.podIPs?.some(({ ip }) => ip === address))?.spec?.nodeName;
  return nodeName === undefined ? undefined : nodeNames.findIndex((name) => nodeName.endsWith(name));
}

/** Every node that forwards the connection must let it through. */
function allowed(rules: readonly ReturnType<typeof planPolicies>[], connection: Connection): boolean {
  const at = new Set([nodeOf(connection.client), nodeOf(connection.server)]);
  return [...at].every((node) => {
    const own = node === undefined ? undefined : rules[node];
    return own === undefined || interpret(own, connection) === 'allow';
  });
}

const anyWorld = fc
  .record({ networkPolicies: fc.array(anyNetworkPolicy, { maxLength: 6 }), clusterPolicies: anyClusterPolicies })
  .map((policies): World => ({ namespaces, nodes, pods, ...policies }));

const addresses = [...pods.flatMap((pod) => pod.status?.podIPs?.map(({ ip }) => ip) ?? []), outsider, '192.0.2.1'];
const connections: readonly Connection[] = addresses.flatMap((client) =>
  addresses
    .filter((server) => server.includes(':') === client.includes(':'))
    .flatMap((server) => [
      ...tcpPorts.map((port) => ({ client, server, protocol: 'TCP' as const, port })),
      { client, server, protocol: 'UDP' as const, port: 80 },
      { client, server, protocol: 'SCTP' as const, port: 80 },
      { client, server, protocol: 'ICMP' as const, port: 0 },
    ]),
);

test('rules of both nodes let through what the specification allows, and nothing else', () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      const rules = nodeNames.map((_, node) => planPolicies(inputOf(world, node)));
      for (const connection of connections) {
        assert.equal(allowed(rules, connection), oracle(world, connection), JSON.stringify(connection));
      }
    }),
    { numRuns: 40 },
  );
});

test('a plan with what it remembers is the plan without it, whatever changed before', () => {
  const anySteps = fc.array(
    fc.record({
      world: anyWorld,
      gone: fc.subarray([...pods.keys()]),
      relabelled: fc.subarray([...pods.keys()]),
      label: fc.constantFrom('a', 'b', 'd'),
    }),
    { minLength: 2, maxLength: 5 },
  );
  fc.assert(
    fc.property(anySteps, (steps) => {
      const memory = new PlanMemory();
      let known = pods;
      for (const { world, gone, relabelled, label } of steps) {
        known = known.map((pod, index): Pod => {
          if (!relabelled.includes(index)) return pod;
          return { ...pod, metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, pod: label } } };
        });
        const input = inputOf({ ...world, pods: known.filter((_, index) => !gone.includes(index)) }, 0);
        const normal = (rules: ReturnType<typeof planPolicies>) =>
          compilePolicies('t', rules, 1)
            .split('\n')
            .map((line) => line.replace(/\{ (.*) \}/, (_, list: string) => list.split(', ').sort().join(', ')))
            .sort();
        assert.deepEqual(normal(planPolicies(input, memory)), normal(planPolicies(input)));
      }
    }),
    { numRuns: 60 },
  );
});

test('what is explained is what the specification says', () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      const view = decisionView(world);
      for (const connection of connections) {
        const { protocol } = connection;
        const asked = { ...connection, protocol: protocol === 'ICMP' ? ('other' as const) : protocol };
        const allowed = (['egress', 'ingress'] as const).every(
          (direction) => decide(view, asked, direction)?.allowed !== false,
        );
        assert.equal(allowed, oracle(world, connection), JSON.stringify(connection));
      }
    }),
    { numRuns: 20 },
  );
});

test('an explanation names the ends, the rule and the verdict of each end', () => {
  const networkPolicies = [
    policy('x', 'web', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 'serve-80' }] }] }),
  ];
  const world: World = { namespaces, nodes, pods, networkPolicies, clusterPolicies: [] };
  const ask = (from: string, to: string, port: string) => explain(world, { from, to, port, namespace: 'x' })[0];
  assert.deepEqual(ask('b', 'x/a', 'serve-80'), {
    from: 'x/b (10.42.1.11)',
    to: 'x/a (10.42.0.10)',
    port: '80/TCP',
    allowed: true,
    egress: {
      allowed: true,
      reason: 'no policy is about egress of x/b, and what no policy decides is allowed',
    },
    ingress: { allowed: true, reason: 'NetworkPolicy x/web ingress[0]' },
  });
  assert.deepEqual(ask('y/a', 'a', '80/udp')?.ingress, {
    allowed: false,
    reason: 'NetworkPolicy x/web has no ingress rule that allows it',
  });
  assert.equal(ask('node-0', 'a', '81')?.allowed, true, 'a node reaches its own pods');
  assert.equal(ask('node-1', 'a', '81')?.allowed, false, 'another node is a stranger');
  assert.equal(ask(outsider, 'a', '81')?.egress, null);
  assert.throws(() => ask('nobody', 'a', '80'), /no address, no pod \(x\/nobody\) and no node/);
  assert.throws(() => ask('a', 'b', 'unnamed'), /not a port/);
});
