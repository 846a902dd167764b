import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigMap, Node } from '../../kube/types.gen.ts';
import { planNodeHosts } from './node-hosts.ts';

function node(name: string, ...addresses: string[]): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: {
      addresses: [
        ...addresses.map((address) => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: name },
      ],
    },
  };
}

const map = (text: string, names: string): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'coredns', namespace: 'kube-system', annotations: { 'wherry.dev/node-hosts': names } },
  data: { NodeHosts: text, Corefile: 'of others' },
});

test('each address of each node has its line, and there is nothing to do twice', () => {
  const all = [node('b', '10.0.0.2'), node('a', '10.0.0.1', 'fd00::1')];
  const planned = planNodeHosts(all, undefined);
  assert.equal(planned?.data?.['NodeHosts'], '10.0.0.1 a\nfd00::1 a\n10.0.0.2 b\n');
  assert.equal(planNodeHosts(all, map('10.0.0.1 a\nfd00::1 a\n10.0.0.2 b\n', 'a,b')), null);
});

test('a node that has gone takes its line along, those of users stay', () => {
  const planned = planNodeHosts(
    [node('a', '10.0.0.9')],
    map('10.0.0.1 a\n10.0.0.2 b\n# nas\n192.168.1.5 nas nas.home\n', 'a,b'),
  );
  assert.equal(planned?.data?.['NodeHosts'], '10.0.0.9 a\n# nas\n192.168.1.5 nas nas.home\n');
});
