import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePolicies } from '../../src/engines/nftables/policy-rules.ts';
import type { Pod } from '../../src/kube/types.gen.ts';
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
