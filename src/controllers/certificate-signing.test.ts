import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../kube/types.gen.ts';
import { kubeletServingSigner, mayServeAs, refusal } from './certificate-signing.ts';

const node = (name: string, ...addresses: string[]): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
});
const request = (commonName: string, ipAddresses: readonly string[], dnsNames: readonly string[] = []) => ({
  commonName,
  organizations: ['system:nodes'],
  dnsNames,
  ipAddresses,
  otherNames: [],
});

test('a node gets a serving certificate for its own addresses, and for no others', () => {
  const all = [node('a', '10.0.0.1', 'a.example'), node('b', '10.0.0.2')];
  assert.equal(mayServeAs(request('system:node:a', ['10.0.0.1']), all), true);
  assert.equal(mayServeAs(request('system:node:a', ['10.0.0.1'], ['a.example']), all), true);
  assert.equal(mayServeAs(request('system:node:a', ['10.0.0.2']), all), false);
  assert.equal(mayServeAs(request('system:node:a', ['10.0.0.1'], ['kubernetes.default']), all), false);
  assert.equal(mayServeAs(request('system:node:unknown', ['10.0.0.1']), all), false);
});

test("an address that another node has told too is no one's to serve under", () => {
  const all = [node('a', '10.0.0.1', '10.0.0.2'), node('b', '10.0.0.2')];
  assert.equal(mayServeAs(request('system:node:a', ['10.0.0.2']), all), false);
  assert.equal(mayServeAs(request('system:node:a', ['10.0.0.1']), all), true);
});

test('a serving certificate needs a name, the subject of a node and the usages of a server', () => {
  const usages = ['digital signature', 'server auth'];
  assert.equal(refusal(kubeletServingSigner, request('system:node:a', ['10.0.0.1']), usages), undefined);
  assert.match(refusal(kubeletServingSigner, request('system:node:a', []), usages) ?? '', /subjectAltName is required/);
  assert.match(refusal(kubeletServingSigner, request('admin', ['10.0.0.1']), usages) ?? '', /not that of a node/);
  assert.match(
    refusal(kubeletServingSigner, request('system:node:a', ['10.0.0.1']), ['client auth']) ?? '',
    /usages did not match/,
  );
});
