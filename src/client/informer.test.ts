import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../core/clock.ts';
import { TransientError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import { configmaps } from '../kube/resources.gen.ts';
import { StatusError } from '../kube/status-error.ts';
import type { ConfigMap } from '../kube/types.gen.ts';
import { createClient } from './client-impl.ts';
import { createInformer, type RunningInformer } from './informer-impl.ts';
import type { ApiRequest, Transport } from './transport.ts';

// Time passes at once, so that no test waits for a back-off.
const clock = { ...systemClock, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };

type Answer = (request: ApiRequest) => AsyncIterable<unknown>;

/** A server whose watches answer as told, one after the other; the last answer never ends. */
function scripted(
  answers: readonly Answer[],
  lists: readonly unknown[] = [],
): Transport & { readonly seen: ApiRequest[] } {
  const seen: ApiRequest[] = [];
  let at = 0;
  let listed = 0;
  return {
    seen,
    async call(request) {
      seen.push(request);
      return lists[listed++];
    },
    async *stream(request) {
      seen.push(request);
      const answer = answers[at++];
      if (answer) yield* answer(request);
      else await new Promise<void>((resolve) => request.signal?.addEventListener('abort', () => resolve()));
    },
  };
}

function configMap(name: string, version: number, uid = name): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'n', uid, resourceVersion: String(version) },
  };
}

const added = (object: ConfigMap) => ({ type: 'ADDED', object });
const listEnd = (version: number) => ({
  type: 'BOOKMARK',
  object: {
    kind: 'ConfigMap',
    metadata: { resourceVersion: String(version), annotations: { 'k8s.io/initial-events-end': 'true' } },
  },
});

function failure(code: number, reason: string): StatusError {
  return new StatusError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, code });
}

function start(transport: Transport): RunningInformer<ConfigMap> & { readonly told: string[] } {
  const informer = createInformer(createClient(transport), configmaps, {}, { clock, log: silentLog });
  const told: string[] = [];
  informer.subscribe(({ key, old, current }) => {
    const version = (object: ConfigMap | undefined) => object?.metadata.resourceVersion ?? '-';
    told.push(`${key} ${version(old)}>${version(current)}`);
  });
  return Object.assign(informer, { told });
}

async function until(informer: RunningInformer<ConfigMap>, version: string): Promise<void> {
  const met = Promise.withResolvers<void>();
  const look = () => {
    if (informer.resourceVersion === version) met.resolve();
  };
  using _progress = informer.onProgress(look);
  using _limit = systemClock.after(5000, () => met.reject(new Error(`stays at ${informer.resourceVersion}`)));
  look();
  await met.promise;
}

test('a streaming list is swapped in whole, then changes are followed', async () => {
  const transport = scripted([
    async function* () {
      yield added(configMap('a', 1));
      yield added(configMap('b', 2));
      yield listEnd(3);
      yield { type: 'MODIFIED', object: configMap('a', 4) };
      yield { type: 'DELETED', object: configMap('b', 5) };
    },
  ]);
  await using informer = start(transport);
  await informer.synced;
  await until(informer, '5');
  assert.deepEqual(informer.told, ['n/a ->1', 'n/b ->2', 'n/a 1>4', 'n/b 5>-']);
  assert.deepEqual(
    informer.list('n').map(({ metadata }) => metadata.name),
    ['a'],
  );
});

test('a broken watch goes on where it was; an expired one lists anew and tells just the differences', async () => {
  const transport = scripted([
    async function* () {
      yield added(configMap('a', 1));
      yield added(configMap('b', 2));
      yield listEnd(3);
      throw new TransientError('API_UNREACHABLE', 'gone');
    },
    async function* () {
      yield { type: 'MODIFIED', object: configMap('a', 6) };
      throw failure(410, 'Expired');
    },
    async function* () {
      yield added(configMap('a', 6));
      yield added(configMap('b', 8, 'another'));
      yield added(configMap('c', 9));
      yield listEnd(9);
    },
  ]);
  await using informer = start(transport);
  await until(informer, '9');
  assert.equal(transport.seen[1]?.query?.['resourceVersion'], '3');
  assert.equal(transport.seen[2]?.query?.['sendInitialEvents'], 'true');
  assert.deepEqual(informer.told.slice(2), ['n/a 1>6', 'n/b 2>-', 'n/b ->8', 'n/c ->9']);
});

test('a server without streaming lists is listed in pages', async () => {
  const transport = scripted(
    [
      // biome-ignore lint/correctness/useYield: the server refuses before it sends anything
      async function* () {
        throw failure(422, 'Invalid');
      },
    ],
    [
      { metadata: { resourceVersion: '7', continue: 'more' }, items: [{ metadata: configMap('a', 1).metadata }] },
      { metadata: { resourceVersion: '7' }, items: [{ metadata: configMap('b', 2).metadata }] },
    ],
  );
  await using informer = start(transport);
  await informer.synced;
  assert.deepEqual(informer.told, ['n/a ->1', 'n/b ->2']);
  assert.equal(informer.get('n/a')?.kind, 'ConfigMap');
  assert.equal(transport.seen[2]?.query?.['continue'], 'more');
});

test('indexes follow changes, also those that are added later', async () => {
  const label = (object: ConfigMap) => [object.metadata.labels?.['x'] ?? 'none'];
  const labeled = (name: string, version: number, x: string) => {
    const object = configMap(name, version);
    return { ...object, metadata: { ...object.metadata, labels: { x } } };
  };
  const transport = scripted([
    async function* () {
      yield added(labeled('a', 1, 'one'));
      yield added(labeled('b', 2, 'one'));
      yield listEnd(2);
      yield { type: 'MODIFIED', object: labeled('a', 3, 'two') };
    },
  ]);
  await using informer = start(transport);
  await until(informer, '3');
  informer.addIndexes({ label });
  const names = (value: string) => informer.byIndex('label', value).map(({ metadata }) => metadata.name);
  assert.deepEqual([names('one'), names('two'), names('three')], [['b'], ['a'], []]);
});

test('an informer that is stopped before its first list rejects those who wait for it', async () => {
  const informer = start(scripted([]));
  const waiting = assert.rejects(informer.synced, { code: 'INFORMER_STOPPED' });
  await informer[Symbol.asyncDispose]();
  await waiting;
});
