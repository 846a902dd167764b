/** A thousand pods whose first act is a forbidden connection: not one packet of theirs arrives. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Pod } from '../../src/kube/types.gen.ts';
import { PolicyNetwork } from './policy/network.ts';
import type { World } from './policy/oracle.ts';
import { namespaces, nodes, pods, policy } from './policy/worlds.ts';

const podCount = 1_000;
/** Pods that start at the same time. */
const atOnce = 10;

const denyEgress = policy('x', 'no-egress', {
  podSelector: { matchLabels: { kind: 'hasty' } },
  policyTypes: ['Egress'],
});
const world: World = { namespaces, nodes, pods, networkPolicies: [denyEgress], clusterPolicies: [] };
const server = 'y/b';

let network: PolicyNetwork;
before(async () => {
  network = await PolicyNetwork.start(pods);
  await Promise.all(nodes.map((_, node) => network.startNode(node, world)));
  const rules = `table inet arrivals {
    chain input {
      type filter hook input priority 0
      ip saddr { 10.42.0.128/25, 10.42.1.128/25 } counter
    }
  }`;
  await network.inPod(server, ['nft', '-f', '-'], rules);
});
after(async () => {
  await network?.[Symbol.asyncDispose]();
});

/** Packets that have arrived at the server from the range of the hasty pods. */
async function arrivals(): Promise<number> {
  const text = await network.inPod(server, ['nft', 'list', 'table', 'inet', 'arrivals']);
  return Number(/counter packets (\d+)/.exec(text)?.[1]);
}

test(`${podCount} pods whose first act is forbidden`, async () => {
  const address = pods.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === server)?.status?.podIP ?? '';
  for (let first = 0; first < podCount; first += atOnce) {
    await Promise.all(
      Array.from({ length: atOnce }, async (_, index) => {
        const number = first + index;
        const name = `x/h${number}`;
        const node = number % nodes.length;
        // Addresses are used again and again: what an earlier pod had counts for nothing.
        const ip = `10.42.${node}.${130 + (index % 100)}`;
        const uid = `hasty-${number}`;
        await network.addEmptyPod(name, node, [ip]);
        const pod: Pod = {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { namespace: 'x', name: `h${number}`, uid, labels: { kind: 'hasty' } },
          spec: { nodeName: `node-${node}`, containers: [] },
        };
        const act = () => network.inPod(name, ['timeout', '0.2', 'busybox', 'nc', address, '80']).catch(() => {});
        // Before anybody has told of it, while it is admitted, and after.
        await act();
        await Promise.all([act(), network.admit(node, pod, [ip])]);
        await act();
        await network.removeEmptyPod(name, node);
      }),
    );
  }
  assert.equal(await arrivals(), 0);
  // One that may: the same act does arrive, so it was the policy that kept the others out.
  const [name, ip] = ['x/free', '10.42.0.250'];
  await network.addEmptyPod(name, 0, [ip]);
  const spec = { nodeName: 'node-0', containers: [] };
  const metadata = { namespace: 'x', name: 'free', uid: 'free' };
  await network.admit(0, { apiVersion: 'v1', kind: 'Pod', metadata, spec }, [ip]);
  await network.inPod(name, ['timeout', '1', 'busybox', 'nc', address, '80']).catch(() => {});
  assert.ok((await arrivals()) > 0);
  await network.removeEmptyPod(name, 0);
});
