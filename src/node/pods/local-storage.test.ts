import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import type { Pod } from '../../kube/types.gen.ts';
import {
  chooseStorageVictim,
  isStorageBounded,
  type PodStorage,
  storageBytes,
  storageExcess,
} from './local-storage.ts';

const mebibyte = 2 ** 20;

function pod(spec: Partial<NonNullable<Pod['spec']>> = {}): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: {}, spec: { containers: [{ name: 'c' }], ...spec } };
}
const use = (of: Pod, volumes: Record<string, number>, containers: Record<string, number> = {}): PodStorage => ({
  pod: of,
  volumes: new Map(Object.entries(volumes)),
  containers: new Map(Object.entries(containers)),
});
const bounded = (name: string, limit: string) => ({ name, resources: { limits: { 'ephemeral-storage': limit } } });

test('an emptyDir above its sizeLimit is told with the limit, one at its limit is not', () => {
  const of = pod({
    volumes: [
      { name: 'scratch', emptyDir: { sizeLimit: '10Mi' } },
      { name: 'free', emptyDir: {} },
    ],
  });
  assert.equal(storageExcess(use(of, { scratch: 10 * mebibyte, free: 99 * mebibyte })), undefined);
  assert.equal(
    storageExcess(use(of, { scratch: 10 * mebibyte + 1 })),
    'Usage of EmptyDir volume "scratch" exceeds the limit "10Mi". ',
  );
});

test('a container and a pod as a whole are held to their limits', () => {
  const one = pod({ containers: [bounded('a', '1Mi'), bounded('b', '4Mi')] });
  assert.equal(
    storageExcess(use(one, {}, { a: 2 * mebibyte })),
    'Container a exceeded its local ephemeral storage limit "1Mi". ',
  );
  assert.equal(
    storageExcess(use(one, { v: 5 * mebibyte }, { a: mebibyte })),
    'Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. ',
  );
  assert.equal(storageExcess(use(one, {}, { a: mebibyte, b: 4 * mebibyte })), undefined);
});

test('only pods with a bound are measured while the disk has room', () => {
  assert.equal(isStorageBounded(pod()), false);
  assert.equal(
    isStorageBounded(pod({ volumes: [{ name: 'v', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }] })),
    false,
  );
  assert.equal(isStorageBounded(pod({ volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }] })), true);
  assert.equal(isStorageBounded(pod({ containers: [bounded('a', '1Mi')] })), true);
});

test('on a full disk goes who is above its request, then of low priority, then the greediest; critical pods stay', () => {
  const asking = (request: string, priority = 0) =>
    pod({ priority, containers: [{ name: 'c', resources: { requests: { 'ephemeral-storage': request } } }] });
  const modest = use(asking('9'), {}, { c: 8 });
  const greedy = use(asking('1'), {}, { c: 2 });
  const greedier = use(asking('1'), {}, { c: 3 });
  const low = use(asking('1', -5), {}, { c: 2 });
  const critical = use(asking('0', 2_000_000_000), {}, { c: 100 });
  assert.equal(chooseStorageVictim([modest, greedy]), greedy);
  assert.equal(chooseStorageVictim([greedy, greedier]), greedier);
  assert.equal(chooseStorageVictim([greedier, low]), low);
  assert.equal(chooseStorageVictim([critical, use(pod(), {})]), undefined);
});

test('the victim has something to give, and nobody of lower priority is above its request', () => {
  const storage = fc
    .tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }), fc.integer({ min: -2, max: 2 }))
    .map(([bytes, request, priority]) =>
      use(
        pod({ priority, containers: [{ name: 'c', resources: { requests: { 'ephemeral-storage': `${request}` } } }] }),
        {},
        { c: bytes },
      ),
    );
  fc.assert(
    fc.property(fc.array(storage, { maxLength: 8 }), (all) => {
      const victim = chooseStorageVictim(all);
      if (victim === undefined) return all.every((one) => storageBytes(one) === 0);
      const request = ({ pod: of }: PodStorage) =>
        Number(of.spec?.containers[0]?.resources?.requests?.['ephemeral-storage']);
      const isAbove = (one: PodStorage) => storageBytes(one) > request(one);
      const priority = ({ pod: of }: PodStorage) => of.spec?.priority ?? 0;
      assert(storageBytes(victim) > 0);
      return all.every((one) => !isAbove(one) || (isAbove(victim) && priority(victim) <= priority(one)));
    }),
  );
});
