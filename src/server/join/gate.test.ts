import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type SecuredServer, startSecuredServer } from '../../../test/testbed/secured-server.ts';
import { systemClock } from '../../core/clock.ts';
import { certificatesigningrequests, nodes, secrets } from '../../kube/resources.gen.ts';
import type { Node } from '../../kube/types.gen.ts';
import type { UserInfo } from '../../kube/user.ts';
import { newKey } from '../pki/certificates.ts';
import { createRequestSigner } from '../pki/request-signer.ts';
import { encodeToken } from './bootstrap-token.ts';
import { placeOrder } from './certificate-request.ts';
import { Gate, type JoinRequest } from './gate.ts';
import { joinGroup } from './join-group.ts';
import { refusalOf } from './refusal.ts';

const signal = new AbortController().signal;
const joining: UserInfo = { name: 'system:bootstrap:abcdef', groups: [joinGroup, 'system:authenticated'] };
const nodeUser = (name: string): UserInfo => ({ name: `system:node:${name}`, groups: ['system:nodes'] });
let world: SecuredServer;
let gate: Gate;

before(async () => {
  world = await startSecuredServer();
  // Only its parser is asked here: no keys are needed.
  const unused = undefined as never;
  const signer = createRequestSigner({ clientAuthority: unused, serverAuthority: unused });
  const options = { client: world.client, clock: systemClock, clusterCidrs: ['10.42.0.0/16'], version: 'v1.36.2' };
  gate = new Gate({ ...options, signer });
});
after(() => world[Symbol.asyncDispose]());

const request = (nodeName: string, more: Partial<JoinRequest> = {}): JoinRequest => ({
  nodeName,
  password: 'a'.repeat(32),
  nodeIps: ['192.0.2.1'],
  version: 'v1.36.2+wherry1',
  ...more,
});

async function makeNode(name: string, address: string, ready = 'True'): Promise<void> {
  const made = await world.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
  const time = '2026-01-01T00:00:00Z';
  const condition = { type: 'Ready', status: ready, lastHeartbeatTime: time, lastTransitionTime: time };
  const status: Node['status'] = { conditions: [condition], addresses: [{ type: 'InternalIP', address }] };
  await world.client.update(nodes, { ...made, status }, { subresource: 'status' });
}

/** The code of the refusal; undefined when the machine was let in. */
async function attempt(user: UserInfo, asked: JoinRequest): Promise<string | undefined> {
  try {
    await gate.admit(user, asked);
    return undefined;
  } catch (error) {
    const told = refusalOf(error);
    if (told === undefined) throw error;
    assert.ok(told.hint, told.message);
    return told.code;
  }
}

async function order(user: UserInfo, nodeName: string): Promise<string> {
  const names = { dns: [], ips: [] };
  const placed = { purpose: 'client', nodeName, names, key: await newKey() } as const;
  const client = user === joining ? world.client : world.as(user);
  const { name } = await placeOrder(client, placed, signal);
  return name;
}
const conditionsOf = async (name: string) =>
  ((await world.client.get(certificatesigningrequests, { name })).status?.conditions ?? []).map(({ type }) => type);

test('a name belongs to the machine that came first', async () => {
  assert.equal(await attempt(joining, request('first')), undefined);
  assert.equal(await attempt(joining, request('first')), undefined);
  assert.equal(await attempt(joining, request('first', { password: 'b'.repeat(32) })), 'NODE_NAME_TAKEN');
  const kept = await world.client.get(secrets, { namespace: 'kube-system', name: 'first.node-password.k3s' });
  assert.ok(kept.immutable);
  assert.ok(!JSON.stringify(kept).includes('a'.repeat(32)));
});

test('of machines that come at the same time under one name, one gets it', async () => {
  const passwords = ['c', 'd', 'e', 'f'].map((letter) => letter.repeat(32));
  const codes = await Promise.all(passwords.map((password) => attempt(joining, request('race', { password }))));
  assert.equal(codes.filter((code) => code === undefined).length, 1);
});

test('a node that joined before there were passwords is not for others, and takes one itself', async () => {
  await makeNode('old', '192.0.2.9', 'Unknown');
  assert.equal(await attempt(joining, request('old')), 'NODE_NAME_TAKEN');
  assert.equal(await attempt(nodeUser('old'), request('old')), undefined);
  assert.equal(await attempt(joining, request('old')), undefined);
});

test('a token alone makes nobody another node', async () => {
  await assert.rejects(gate.admit(nodeUser('other'), request('first')), /may not join as node first/);
  await assert.rejects(gate.admit({ name: 'jane', groups: ['system:authenticated'] }, request('new')), /may not join/);
});

test('the address of another Ready node is refused, that of one that is lost is not', async () => {
  await makeNode('there', '192.0.2.20');
  await makeNode('lost', '192.0.2.21', 'Unknown');
  assert.equal(await attempt(joining, request('here', { nodeIps: ['192.0.2.20'] })), 'NODE_IP_TAKEN');
  assert.equal(await attempt(joining, request('here', { nodeIps: ['192.0.2.21', 'fe80::1'] })), undefined);
});

test('versions that cannot work together are refused', async () => {
  assert.equal(await attempt(joining, request('newer', { version: 'v1.37.0' })), 'VERSION_SKEW');
  assert.equal(await attempt(joining, request('older', { version: 'v1.32.9' })), 'VERSION_SKEW');
  assert.equal(await attempt(joining, request('older', { version: 'v1.33.0' })), undefined);
});

test('a request for a certificate is approved with the right password and denied with another', async () => {
  const superuser: UserInfo = { name: 'system:apiserver', groups: [joinGroup] };
  const mine = await order(joining, 'certified');
  assert.equal(await attempt(superuser, request('certified', { request: mine })), undefined);
  assert.deepEqual(await conditionsOf(mine), ['Approved']);
  const theirs = await order(joining, 'certified');
  const wrong = request('certified', { request: theirs, password: '0'.repeat(32) });
  assert.equal(await attempt(superuser, wrong), 'NODE_NAME_TAKEN');
  assert.deepEqual(await conditionsOf(theirs), ['Denied']);
});

test('a request for another name, or of another user, stays as it is', async () => {
  const superuser: UserInfo = { name: 'system:apiserver', groups: [joinGroup] };
  const foreign = await order(joining, 'victim');
  assert.equal(await attempt(superuser, request('mine', { request: foreign })), 'BAD_CERTIFICATE_REQUEST');
  assert.equal(await attempt(joining, request('victim', { request: foreign })), 'BAD_CERTIFICATE_REQUEST');
  assert.equal(await attempt(superuser, request('mine', { request: 'csr-none' })), 'BAD_CERTIFICATE_REQUEST');
  assert.deepEqual(await conditionsOf(foreign), []);
});

test('whoever has a whole token learns whether it holds', async () => {
  const make = (id: string, expiresAt: number | undefined) =>
    world.client.create(
      secrets,
      encodeToken({
        credentials: { id, secret: '0123456789abcdef' },
        description: '',
        expiresAt,
        usages: ['authentication'],
        groups: [joinGroup],
      }),
    );
  await make('aaaaaa', undefined);
  await make('bbbbbb', Date.parse('2026-01-01T00:00:00Z'));
  assert.deepEqual(await gate.tokenState('aaaaaa.0123456789abcdef'), { state: 'valid' });
  const expired = { state: 'expired', expiredAt: '2026-01-01T00:00:00Z' };
  assert.deepEqual(await gate.tokenState('bbbbbb.0123456789abcdef'), expired);
  for (const text of ['bbbbbb.ffffffffffffffff', 'cccccc.0123456789abcdef', '', 'x'])
    assert.deepEqual(await gate.tokenState(text), { state: 'unknown' }, text);
});
