import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import type { KubeObject } from '../kube/object.ts';
import type { Endpoint, Node, Taint } from '../kube/types.gen.ts';
import { planPodCidrs } from './node-ipam.ts';
import { planTaints, silentConditions } from './node-lifecycle.ts';
import { planZones } from './node-zones.ts';
import { planCollection } from './owner-graph.ts';
import { planSlices } from './support/endpoint-slices.ts';
import { planClaims } from './support/ownership.ts';
import { evictionTimeMs } from './taint-eviction.ts';

const nowMs = Date.parse('2026-01-01T00:00:00Z');

test('the garbage collector deletes what nobody holds, as its finalizers ask', () => {
  const object = (finalizers: readonly string[] = []): KubeObject => ({
    apiVersion: 'v1',
    kind: 'X',
    metadata: { finalizers },
  });
  const owner = (uid: string, state: 'solid' | 'dangling' | 'waiting-for-dependents') => ({ uid, state });
  assert.deepEqual(planCollection(object(), [owner('a', 'solid')], []), { action: 'nothing' });
  assert.deepEqual(planCollection(object(), [owner('a', 'solid'), owner('b', 'dangling')], []), {
    action: 'drop-references',
    uids: ['b'],
  });
  const gone = [owner('a', 'dangling')];
  assert.deepEqual(planCollection(object(), gone, []), {
    action: 'delete',
    propagationPolicy: 'Background',
    unblock: false,
  });
  assert.deepEqual(planCollection(object(['orphan']), gone, []), {
    action: 'delete',
    propagationPolicy: 'Orphan',
    unblock: false,
  });
  const waiting = [owner('a', 'waiting-for-dependents')];
  assert.deepEqual(planCollection(object(), waiting, [{ isWaitingForDependents: true }]), {
    action: 'delete',
    propagationPolicy: 'Foreground',
    unblock: true,
  });
});

test('an owner keeps, takes and lets go what its selector says; one that is deleted takes and releases nothing', () => {
  const make = (name: string, owner?: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      ...(owner
        ? { ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: owner, uid: owner, controller: true }] }
        : {}),
    },
  });
  const candidates = [
    make('in-mine', 'me'),
    make('out-mine', 'me'),
    make('in-free'),
    make('out-free'),
    make('in-other', 'other'),
  ];
  const matches = ({ metadata }: KubeObject) => metadata.name?.startsWith('in') === true;
  const me: KubeObject = { apiVersion: 'v1', kind: 'X', metadata: { name: 'me', uid: 'me' } };
  const names = (plan: ReturnType<typeof planClaims<KubeObject>>) =>
    [plan.owned, plan.adopt, plan.release].map((list) => list.map(({ metadata }) => metadata.name));
  assert.deepEqual(names(planClaims(me, candidates, matches)), [['in-mine'], ['in-free'], ['out-mine']]);
  const going = { ...me, metadata: { ...me.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  assert.deepEqual(names(planClaims(going, candidates, matches)), [['in-mine'], [], []]);
});

test('slices hold each endpoint once, none is too large, and a small change touches one', () => {
  const owner: KubeObject = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's', namespace: 'n', uid: 's' } };
  const shape = { owner, labels: { a: 'b' } };
  const ports = [{ name: '', port: 80, protocol: 'TCP' }];
  const endpoint = (id: number): Endpoint => ({ addresses: [`10.0.${id >> 8}.${id & 255}`] });
  const group = (ids: readonly number[]) => [{ addressType: 'IPv4', ports, endpoints: ids.map(endpoint) }];
  const ids = fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { maxLength: 350 });
  fc.assert(
    fc.property(ids, ids, (before, after) => {
      const first = planSlices(shape, group(before), []).create;
      const plan = planSlices(shape, group(after), first);
      const kept = first.filter((slice) => !plan.remove.includes(slice));
      const untouched = kept.filter(
        (slice) => !plan.update.some((next) => next.endpoints?.some((one) => slice.endpoints?.includes(one))),
      );
      const all = [...plan.create, ...plan.update].flatMap(({ endpoints = [] }) =>
        endpoints.map(({ addresses }) => addresses[0]),
      );
      assert.equal(new Set(all).size, all.length);
      for (const slice of [...plan.create, ...plan.update]) assert.ok((slice.endpoints?.length ?? 0) <= 100);
      assert.ok(untouched.length <= first.length);
      assert.ok(plan.create.length + first.length - plan.remove.length >= 1);
    }),
    { numRuns: 30 },
  );
  const standing = planSlices(shape, group([1, 2, 3]), []).create;
  const same = planSlices(shape, group([3, 2, 1]), standing);
  assert.deepEqual([same.create, same.update, same.remove], [[], [], []]);
});

test('a pod leaves when the first of its tolerations ends', () => {
  const taint: Taint = {
    key: 'node.kubernetes.io/unreachable',
    effect: 'NoExecute',
    timeAdded: '2026-01-01T00:00:00Z',
  };
  const tolerates = (seconds?: number) => ({
    key: taint.key,
    operator: 'Exists',
    effect: 'NoExecute',
    ...(seconds === undefined ? {} : { tolerationSeconds: seconds }),
  });
  assert.equal(evictionTimeMs([], [], nowMs), Number.POSITIVE_INFINITY);
  assert.equal(evictionTimeMs([taint], [], nowMs), 0);
  assert.equal(evictionTimeMs([taint], [tolerates()], nowMs), Number.POSITIVE_INFINITY);
  assert.equal(evictionTimeMs([taint], [tolerates(300), tolerates(60), tolerates()], nowMs + 5), nowMs + 60_000);
});

function node(ready: string, taints: readonly Taint[] = []): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n' },
    spec: { taints },
    status: { conditions: [{ type: 'Ready', status: ready }] },
  };
}

test('taints follow the conditions, and those of others stay', () => {
  const keys = (taints: readonly Taint[]) =>
    taints.map(({ key, effect }) => `${key.replace('node.kubernetes.io/', '')}:${effect}`);
  const own: Taint = { key: 'dedicated', effect: 'NoSchedule' };
  assert.deepEqual(keys(planTaints(node('Unknown', [own]), true, nowMs)), [
    'dedicated:NoSchedule',
    'unreachable:NoSchedule',
    'unreachable:NoExecute',
  ]);
  const lost = planTaints(node('Unknown', [own]), true, nowMs);
  assert.deepEqual(keys(planTaints(node('False', lost), false, nowMs)), [
    'dedicated:NoSchedule',
    'not-ready:NoSchedule',
    'not-ready:NoExecute',
  ]);
  assert.deepEqual(planTaints(node('True', lost), false, nowMs), [own]);
  assert.equal(silentConditions(node('True'), nowMs)[0]?.status, 'Unknown');
});

test('a zone of which most is ill is emptied slowly or not at all', () => {
  const many = (ready: number, ill: number) => [
    ...Array.from({ length: ready }, () => node('True')),
    ...Array.from({ length: ill }, () => node('Unknown')),
  ];
  const zone = (ready: number, ill: number) => planZones(many(ready, ill)).get(':');
  assert.deepEqual(zone(3, 1), { state: 'normal', evictionsPerSecond: 0.1 });
  assert.deepEqual(zone(1, 9), { state: 'partial-disruption', evictionsPerSecond: 0 });
  assert.deepEqual(zone(10, 90), { state: 'partial-disruption', evictionsPerSecond: 0.01 });
  assert.equal(zone(0, 1)?.state, 'full-disruption');
});

test('nodes get ranges that nobody has, of both families, until none is left', () => {
  const options = { clusterCidrs: ['10.42.0.0/16', 'fd00::/48'] };
  assert.deepEqual(planPodCidrs(options, new Set()), ['10.42.0.0/24', 'fd00::/64']);
  assert.deepEqual(planPodCidrs(options, new Set(['10.42.0.0/24', '10.42.2.0/24', 'fd00::/64'])), [
    '10.42.1.0/24',
    'fd00:0:0:1::/64',
  ]);
  const small = { clusterCidrs: ['10.0.0.0/23'] };
  assert.equal(planPodCidrs(small, new Set(['10.0.0.0/24', '10.0.1.0/24'])), undefined);
  assert.throws(() => planPodCidrs({ clusterCidrs: ['10.0.0.0/28'] }, new Set()), { code: 'CLUSTER_CIDR_TOO_SMALL' });
});
