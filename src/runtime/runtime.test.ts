import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '../client/client-impl.ts';
import type { ApiRequest, Transport } from '../client/transport.ts';
import { systemClock } from '../core/clock.ts';
import { TerminalError, TransientError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import { configmaps } from '../kube/resources.gen.ts';
import { StatusError } from '../kube/status-error.ts';
import type { ConfigMap } from '../kube/types.gen.ts';
import { type Controller, done, watchOf } from './controller.ts';
import { createEventCorrelator } from './event-correlator.ts';
import { planLease, runElected } from './leader-election.ts';
import { createManager } from './manager.ts';
import { isAtLeast } from './observed.ts';

const initialEventsEnd = { 'k8s.io/initial-events-end': 'true' };

/** An API server of one namespace in memory, whose watches may be held back; enough of one for these tests. */
class MemoryApi implements Transport {
  readonly objects = new Map<string, ConfigMap>();
  /** Resolves with the first Event. */
  readonly told = Promise.withResolvers<unknown>();
  #revision = 0;
  #isHeld = false;
  readonly #waiting: { type: string; object: unknown }[] = [];
  #wake: () => void = () => {};

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#wake();
  }

  async call(request: ApiRequest): Promise<unknown> {
    const { path, method, body } = request;
    const segments = path.split('/');
    const resource = segments[5] ?? '';
    if (resource === 'events') this.told.resolve(body);
    if (resource !== 'configmaps') return body;
    if (method === 'GET') return this.#find(segments[6] ?? '');
    const object = body as ConfigMap;
    const name = object.metadata.name ?? '';
    if (method === 'POST' && this.objects.has(name)) throw failure(409, 'AlreadyExists');
    const type = this.objects.has(name) ? 'MODIFIED' : 'ADDED';
    const stored = {
      ...object,
      metadata: { ...object.metadata, uid: name, resourceVersion: String(++this.#revision) },
    };
    this.objects.set(name, stored);
    this.#waiting.push({ type, object: stored });
    if (!this.#isHeld) this.#wake();
    return stored;
  }

  #find(name: string): ConfigMap {
    const found = this.objects.get(name);
    if (!found) throw failure(404, 'NotFound');
    return found;
  }

  async *stream({ signal }: ApiRequest): AsyncGenerator<unknown> {
    this.#waiting.length = 0;
    for (const object of this.objects.values()) yield { type: 'ADDED', object };
    yield {
      type: 'BOOKMARK',
      object: {
        kind: 'ConfigMap',
        metadata: { resourceVersion: String(this.#revision), annotations: initialEventsEnd },
      },
    };
    while (!signal?.aborted) {
      for (let event = this.#isHeld ? undefined : this.#waiting.shift(); event; event = this.#waiting.shift())
        yield event;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }
}

function failure(code: number, reason: string): StatusError {
  return new StatusError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, code });
}

function configMap(name: string, data: Record<string, string> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'n' }, data };
}

function setUp(reconcile: Controller['reconcile']) {
  const api = new MemoryApi();
  const client = createClient(api);
  const manager = createManager({ client, clock: systemClock, log: silentLog });
  const controller: Controller = {
    name: 'test',
    watches: [watchOf(configmaps, ({ metadata }) => [`n/${metadata.name}`])],
    reconcile,
  };
  return { api, client, manager, run: () => manager.run([controller]) };
}

test('a key is reconciled when its object comes and again with back-off until it succeeds', async () => {
  let tries = 0;
  const succeeded = Promise.withResolvers<void>();
  const { client, manager, run } = setUp(async () => {
    if (++tries < 4) throw new TransientError('NOT_YET', 'not yet');
    succeeded.resolve();
    return done;
  });
  await using _ = manager;
  await run();
  await client.create(configmaps, configMap('a'));
  await succeeded.promise;
  assert.equal(tries, 4);
  assert.equal(manager.metrics()[0]?.failures, 3);
});

test('a controller never acts on a cache that is older than its own writes', async () => {
  const made: string[] = [];
  const second = Promise.withResolvers<void>();
  let rounds = 0;
  const { api, client, manager, run } = setUp(async (key, context) => {
    if (key !== 'n/parent') return done;
    // A child is made if the cache shows none: with a stale cache there would be two.
    const children = context.informers
      .of(configmaps)
      .list('n')
      .filter(({ metadata }) => metadata.name !== 'parent');
    if (children.length === 0) {
      const name = `child-${made.length}`;
      api.hold();
      await context.client.create(configmaps, configMap(name));
      made.push(name);
      systemClock.after(20, () => api.release());
    }
    if (++rounds === 2) second.resolve();
    return rounds < 2 ? { requeueAfterMs: 1 } : done;
  });
  await using _ = manager;
  await run();
  await client.create(configmaps, configMap('parent'));
  await second.promise;
  assert.deepEqual(made, ['child-0']);
});

test('a failure for good becomes an Event on the object, and is not tried again', async () => {
  let tries = 0;
  const { api, client, manager, run } = setUp(async () => {
    tries++;
    throw new TerminalError('BAD_POOL', 'the pool is malformed', { hint: 'write A-B' });
  });
  await using _ = manager;
  await run();
  await client.create(configmaps, configMap('a'));
  const event = await api.told.promise;
  assert.equal(tries, 1);
  assert.ok(typeof event === 'object' && event !== null && 'reason' in event && 'message' in event);
  assert.deepEqual([event.reason, event.message], ['BadPool', 'the pool is malformed. write A-B']);
});

test('repeated Events are counted, similar ones combined, and a flood is cut off', () => {
  let now = 0;
  const correlator = createEventCorrelator({ ...systemClock, monotonic: () => now });
  const about = configMap('a');
  const tell = (message: string) => correlator.correlate({ about, type: 'Normal', reason: 'R', message });
  const first = tell('m');
  assert.equal(first.action, 'create');
  if (first.action === 'create') correlator.written(first.key, { name: 'a.1', count: 1, firstTimestamp: 't' });
  const again = tell('m');
  assert.deepEqual(again.action === 'count' && [again.name, again.count], ['a.1', 2]);
  for (let i = 0; i < 8; i++) tell(`other ${i}`);
  const combined = tell('one more');
  assert.ok(combined.action === 'create' && combined.message === '(combined from similar events): one more');
  for (let i = 0; i < 30; i++) tell('m');
  assert.equal(tell('m').action, 'drop');
  now += 300_000;
  assert.notEqual(tell('m').action, 'drop');
});

test('resource versions are ordered as numbers', () => {
  assert.deepEqual(
    [isAtLeast('10', '9'), isAtLeast('9', '10'), isAtLeast('7', '7'), isAtLeast('', '1')],
    [true, false, true, false],
  );
});

test('a lease is taken when nobody renewed it for its duration, by our own clock', () => {
  const lease = { holderIdentity: 'other', leaseDurationSeconds: 15 };
  assert.equal(planLease(undefined, 'me', 0, 15_000), 'take');
  assert.equal(planLease({ holderIdentity: 'me' }, 'me', 99_000, 15_000), 'renew');
  assert.equal(planLease({ holderIdentity: '' }, 'me', 0, 15_000), 'take');
  assert.equal(planLease(lease, 'me', 14_000, 15_000), 'wait');
  assert.equal(planLease(lease, 'me', 16_000, 15_000), 'take');
});

test('of two candidates one leads, and the other follows when it gives the lease back', async () => {
  const lease: { current: { metadata: Record<string, unknown>; spec?: { holderIdentity?: string } } | undefined } = {
    current: undefined,
  };
  let revision = 0;
  const transport: Transport = {
    async call({ method, body }) {
      if (method === 'GET') {
        if (!lease.current) throw failure(404, 'NotFound');
        return lease.current;
      }
      const next = body as { metadata: Record<string, unknown> };
      if (
        method === 'POST'
          ? lease.current
          : next.metadata['resourceVersion'] !== lease.current?.metadata['resourceVersion']
      ) {
        throw failure(409, 'Conflict');
      }
      lease.current = { ...next, metadata: { ...next.metadata, resourceVersion: String(++revision) } };
      return lease.current;
    },
    // biome-ignore lint/correctness/useYield: leases are not watched here
    async *stream() {
      throw new Error('no watch was expected');
    },
  };
  let leaders = 0;
  const led: string[] = [];
  const elect = (identity: string, abort: AbortController) =>
    runElected(
      {
        client: createClient(transport),
        lease: { namespace: 'n', name: 'l' },
        identity,
        clock: systemClock,
        log: silentLog,
        retryPeriodMs: 5,
      },
      async (signal) => {
        assert.equal(++leaders, 1);
        led.push(identity);
        if (led.length === 1) abort.abort();
        else second.abort();
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        leaders--;
      },
      abort.signal,
    );
  const first = new AbortController();
  const second = new AbortController();
  await Promise.all([elect('a', first), elect('b', second)]);
  assert.deepEqual([...led].sort(), ['a', 'b']);
});
