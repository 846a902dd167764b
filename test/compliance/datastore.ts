/** What every datastore must do, as one suite; see src/datastore/backend.ts for the words. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { errorCode } from '../../src/core/errors.ts';
import {
  type Backend,
  type BackendEvent,
  type KeyRange,
  prefixRange,
  type Revision,
  RevisionError,
} from '../../src/datastore/backend.ts';
import { keyOf, revisionOf } from '../../src/datastore/watch-hub.ts';
import { fc } from '../../tools/property.ts';

/** One empty datastore for one test. */
export interface DatastoreUnderTest extends AsyncDisposable {
  readonly backend: Backend;
  /** Closes the datastore, and opens another backend on the same data. `dispose` ends whichever is open. */
  reopen(): Promise<Backend>;
}

const ALL: KeyRange = { start: '', end: '\uffff' };
const DEADLINE_MS = 20_000;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);

/** Writes and returns the revision; fails the test on a conflict. */
async function put(backend: Backend, key: string, value: string, expected: Revision = 0): Promise<Revision> {
  const result = await backend.write(key, expected, bytes(value));
  assert.ok(result.ok, `${key} was written`);
  return result.revision;
}

async function remove(backend: Backend, key: string, expected: Revision): Promise<Revision> {
  const result = await backend.write(key, expected, null);
  assert.ok(result.ok, `${key} was deleted`);
  return result.revision;
}

/** Collects a watch until `done` holds. */
async function collect(
  backend: Backend,
  range: KeyRange,
  from: Revision,
  done: (events: readonly BackendEvent[]) => boolean,
): Promise<BackendEvent[]> {
  const events: BackendEvent[] = [];
  const end = new AbortController();
  const signal = AbortSignal.any([end.signal, AbortSignal.timeout(DEADLINE_MS)]);
  for await (const batch of backend.watch(range, from, signal)) {
    events.push(...batch);
    if (done(events)) return events;
  }
  assert.fail(`the watch did not see what it waits for; it saw ${events.map(brief).join(', ')}`);
}

/** Collects everything up to and including `revision`, the store's newest change of the range. */
function collectThrough(
  backend: Backend,
  range: KeyRange,
  from: Revision,
  revision: Revision,
): Promise<BackendEvent[]> {
  return collect(backend, range, from, (events) => events.some((event) => revisionOf(event) >= revision));
}

/** An event as one line, to compare and to read. */
function brief(event: BackendEvent): string {
  const previous = event.previous === null ? '' : ` was ${text(event.previous.value)}@${event.previous.modRevision}`;
  if (event.type === 'delete') return `${event.revision} delete ${event.key}${previous}`;
  const { key, value, createRevision, modRevision } = event.kv;
  return `${modRevision} put ${key}=${text(value)} since ${createRevision}${previous}`;
}

function refused(reason: RevisionError['reason']): (error: unknown) => boolean {
  return (error) => error instanceof RevisionError && error.reason === reason;
}

/** Registers the suite for the datastore that `open` opens, empty each time. */
export function datastoreCompliance(name: string, open: () => Promise<DatastoreUnderTest>): void {
  describe(`${name} is a datastore`, () => {
    let store: DatastoreUnderTest;
    let backend: Backend;
    const range = prefixRange('/a/');

    const withStore = (behaviour: string, body: () => Promise<void>) =>
      test(behaviour, { timeout: 4 * DEADLINE_MS }, async () => {
        await using opened = await open();
        store = opened;
        backend = opened.backend;
        await body();
      });

    withStore('a key is created once, changed at its revision, deleted, and created anew', async () => {
      const created = await put(backend, '/a/1', 'one');
      assert.deepEqual((await backend.get('/a/1')).kv, {
        key: '/a/1',
        value: bytes('one'),
        createRevision: created,
        modRevision: created,
      });
      const changed = await put(backend, '/a/1', 'two', created);
      assert.ok(changed > created);
      const { kv } = await backend.get('/a/1');
      assert.equal(kv?.createRevision, created);
      assert.equal(kv?.modRevision, changed);
      await remove(backend, '/a/1', changed);
      assert.equal((await backend.get('/a/1')).kv, null);
      const again = await put(backend, '/a/1', 'three');
      assert.equal((await backend.get('/a/1')).kv?.createRevision, again);
    });

    withStore('a conflict writes nothing and returns what stands', async () => {
      const absent = await backend.write('/a/1', 7, bytes('x'));
      assert.deepEqual([absent.ok, absent.ok ? 0 : absent.current], [false, null]);
      const created = await put(backend, '/a/1', 'one');
      const revision = await backend.currentRevision();
      for (const [expected, value] of [
        [0, bytes('x')],
        [created + 1, bytes('x')],
        [0, null],
        [created - 1, null],
      ] as const) {
        const result = await backend.write('/a/1', expected, value);
        assert.ok(!result.ok);
        assert.equal(text(result.current?.value), 'one');
        assert.equal(result.current?.modRevision, created);
        assert.ok(result.revision >= created);
      }
      assert.equal(await backend.currentRevision(), revision);
    });

    withStore('the deletion of a key that does not exist succeeds and changes nothing', async () => {
      const revision = await put(backend, '/a/1', 'one');
      assert.deepEqual(await backend.write('/a/2', 0, null), { ok: true, revision });
      assert.equal(await backend.currentRevision(), revision);
    });

    withStore('of many writers that race for one revision exactly one wins', async () => {
      for (let round = 0, expected = 0; round < 20; round++) {
        const results = await Promise.all(
          Array.from({ length: 16 }, (_, i) => backend.write('/a/1', expected, bytes(`${round}.${i}`))),
        );
        const won = results.filter((result) => result.ok);
        assert.equal(won.length, 1);
        for (const result of results) if (!result.ok) assert.equal(result.current?.modRevision, won[0]?.revision);
        expected = won[0]?.revision ?? 0;
      }
    });

    withStore(
      'revisions grow with every change of the whole store, and answered writes are visible to reads',
      async () => {
        let last = 0;
        for (let i = 0; i < 20; i++) {
          const revision = await put(backend, `/${'abc'[i % 3]}/${i}`, 'v');
          assert.ok(revision > last);
          last = revision;
          assert.ok((await backend.get(`/${'abc'[i % 3]}/${i}`)).kv !== null);
          assert.ok((await backend.currentRevision()) >= revision);
        }
        assert.equal(await backend.count(ALL), 20);
        assert.equal(await backend.count(range), 7);
      },
    );

    withStore('keys are ordered by UTF-16 code units, and values are any bytes', async () => {
      const keys = ['/a/', '/a/\0', '/a/A', '/a/a', '/a/a\0', '/a/a/', '/a/é', '/a/€', '/a/😀', '/a/\uffee'];
      for (const key of keys.toReversed()) await put(backend, key, key);
      const { items, more } = await backend.list(range);
      assert.deepEqual(
        items.map((kv) => kv.key),
        keys,
      );
      assert.equal(more, false);
      const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i);
      assert.ok((await backend.write('/b', 0, everyByte)).ok);
      assert.ok((await backend.write('/c', 0, new Uint8Array())).ok);
      assert.deepEqual((await backend.get('/b')).kv?.value, everyByte);
      assert.deepEqual((await backend.get('/c')).kv?.value, new Uint8Array());
    });

    withStore('a read at a revision shows what stood then', async () => {
      const one = await put(backend, '/a/1', 'one');
      const two = await put(backend, '/a/1', 'two', one);
      const three = await remove(backend, '/a/1', two);
      const four = await put(backend, '/a/1', 'four');
      const values = [];
      for (const at of [one, two, three, four]) {
        const { revision, kv } = await backend.get('/a/1', at);
        assert.equal(revision, at);
        const { items } = await backend.list(range, at);
        assert.deepEqual(items, kv === null ? [] : [kv]);
        values.push(text(kv?.value));
      }
      assert.deepEqual(values, ['one', 'two', '', 'four']);
      await assert.rejects(backend.get('/a/1', four + 1000), refused('future'));
      await assert.rejects(backend.list(range, four + 1000), refused('future'));
    });

    withStore('pages at one revision show one state while writes go on', async () => {
      const keys = Array.from({ length: 50 }, (_, i) => `/a/${String(i).padStart(3, '0')}`);
      await Promise.all(keys.map((key) => put(backend, key, 'old')));
      let page = await backend.list(range, undefined, { limit: 7 });
      const { revision } = page;
      const listed = [...page.items];
      for (let round = 0; page.more; round++) {
        const key = keys[round * 6] ?? '';
        const { kv } = await backend.get(key);
        if (kv !== null)
          await (round % 2 ? put(backend, key, 'new', kv.modRevision) : remove(backend, key, kv.modRevision));
        await put(backend, `/a/new${round}`, 'new');
        page = await backend.list(range, revision, { limit: 7, after: listed.at(-1)?.key ?? '' });
        assert.equal(page.revision, revision);
        listed.push(...page.items);
      }
      assert.deepEqual(
        listed.map((kv) => [kv.key, text(kv.value)]),
        keys.map((key) => [key, 'old']),
      );
      const exact = await backend.list(range, revision, { limit: 50 });
      assert.deepEqual([exact.items.length, exact.more], [50, false]);
    });

    withStore('a watch delivers what changed in its range, with what stood before', async () => {
      const start = await backend.currentRevision();
      const one = await put(backend, '/a/1', 'one');
      await put(backend, '/b/1', 'elsewhere');
      const two = await put(backend, '/a/1', 'two', one);
      const three = await remove(backend, '/a/1', two);
      const four = await put(backend, '/a/1', 'four');
      const expected = [
        `${one} put /a/1=one since ${one}`,
        `${two} put /a/1=two since ${one} was one@${one}`,
        `${three} delete /a/1 was two@${two}`,
        `${four} put /a/1=four since ${four}`,
      ];
      for (const [i, from] of [start, one, two, three].entries()) {
        assert.deepEqual((await collectThrough(backend, range, from, four)).map(brief), expected.slice(i));
      }
    });

    withStore('a watch that is aborted ends without an error, before and while it waits', async () => {
      const aborted = backend.watch(range, 0, AbortSignal.abort());
      for await (const _ of aborted) assert.fail('nothing is delivered after the abort');
      const end = new AbortController();
      const iterator = backend.watch(range, await backend.currentRevision(), end.signal)[Symbol.asyncIterator]();
      const waiting = iterator.next();
      end.abort();
      assert.equal((await waiting).done, true);
    });

    withStore(
      'watches from every revision, begun at any time beside writers, have no gap and no duplicate',
      async () => {
        const start = await backend.currentRevision();
        const watches: Promise<BackendEvent[]>[] = [];
        const isLast = (event: BackendEvent) => keyOf(event) === '/a/last';
        const starts: Revision[] = [];
        const watchFrom = (from: Revision) => {
          starts.push(from);
          watches.push(collect(backend, range, from, (events) => events.some(isLast)));
        };
        watchFrom(start);
        await Promise.all(
          Array.from({ length: 8 }, async (_, writer) => {
            for (let i = 0, standing = 0; i < 60; i++) {
              const value = i % 5 === 4 ? null : bytes(`${i}`);
              const result = await backend.write(`/a/${writer}`, standing, value);
              assert.ok(result.ok);
              standing = value === null ? 0 : result.revision;
              if (i % 20 === writer) watchFrom(result.revision);
            }
          }),
        );
        await put(backend, '/a/last', 'last');
        const all = (await collect(backend, range, start, (events) => events.some(isLast))).map(brief);
        assert.equal(all.length, 8 * 60 + 1);
        for (const [i, seen] of (await Promise.all(watches)).entries()) {
          const from = starts[i] ?? 0;
          assert.deepEqual(
            seen.map(brief),
            all.filter((line) => Number.parseInt(line, 10) > from),
          );
        }
      },
    );

    withStore('compaction forgets the past, keeps the present, and refuses what it forgot', async () => {
      const one = await put(backend, '/a/1', 'one');
      const two = await put(backend, '/a/1', 'two', one);
      const gone = await put(backend, '/a/2', 'gone');
      const deleted = await remove(backend, '/a/2', gone);
      const boundary = await put(backend, '/a/3', 'three');
      const after = await put(backend, '/a/1', 'four', two);
      await backend.compact(boundary);
      await backend.compact(one); // An older boundary changes nothing.
      for (const at of [one, two, gone, deleted]) {
        await assert.rejects(backend.get('/a/1', at), refused('compacted'));
        await assert.rejects(backend.list(range, at), refused('compacted'));
        await assert.rejects(collectThrough(backend, range, at, after), refused('compacted'));
      }
      assert.equal(text((await backend.get('/a/1', boundary)).kv?.value), 'two');
      assert.deepEqual(
        (await backend.list(range, boundary)).items.map((kv) => kv.key),
        ['/a/1', '/a/3'],
      );
      assert.equal(text((await backend.get('/a/1')).kv?.value), 'four');
      assert.deepEqual((await collectThrough(backend, range, boundary, after)).map(brief), [
        `${after} put /a/1=four since ${one} was two@${two}`,
      ]);
      await assert.rejects(backend.compact(after + 1000), refused('future'));
      backend = await store.reopen();
      await assert.rejects(backend.get('/a/1', two), refused('compacted'));
      await assert.rejects(collectThrough(backend, range, two, after), refused('compacted'));
    });

    withStore('writers go on beside a compaction, and revisions are not used again after one', async () => {
      let revision = 0;
      for (let i = 0; i < 300; i++) revision = await put(backend, '/a/1', `${i}`, revision);
      const compaction = backend.compact(revision);
      const written = await Promise.all(Array.from({ length: 50 }, (_, i) => put(backend, `/a/new${i}`, 'v')));
      await compaction;
      const standing = (await backend.get('/a/1')).kv?.modRevision ?? 0;
      const last = await remove(backend, '/a/1', standing);
      await backend.compact(last); // The newest change, a deletion, is forgotten too.
      backend = await store.reopen();
      assert.equal(await backend.currentRevision(), last);
      assert.ok((await put(backend, '/a/1', 'again')) > Math.max(last, ...written));
    });

    withStore('a key with a lease is deleted, as a change that watchers see; a renewal puts it off', async () => {
      const start = await backend.currentRevision();
      const leased = await backend.write('/a/lease', 0, bytes('held'), 1);
      assert.ok(leased.ok);
      const renewed = await backend.write('/a/renewed', 0, bytes('held'), 1);
      assert.ok(renewed.ok);
      const kept = await backend.write('/a/renewed', renewed.revision, bytes('kept'), 3600);
      assert.ok(kept.ok);
      const freed = await backend.write('/a/freed', 0, bytes('held'), 1);
      assert.ok(freed.ok);
      await put(backend, '/a/freed', 'free', freed.revision);
      const events = await collect(backend, range, start, (seen) => seen.some((event) => event.type === 'delete'));
      const deletion = events.at(-1);
      assert.ok(deletion?.type === 'delete');
      assert.equal(deletion.key, '/a/lease');
      assert.equal(text(deletion.previous.value), 'held');
      assert.ok(deletion.revision > kept.revision);
      assert.deepEqual(
        (await backend.list(range)).items.map((kv) => kv.key),
        ['/a/freed', '/a/renewed'],
      );
    });

    withStore('leases, values, revisions and history survive a new start', async () => {
      const one = await put(backend, '/a/1', 'one');
      const two = await put(backend, '/a/1', 'two', one);
      const leased = await backend.write('/a/lease', 0, bytes('held'), 1);
      assert.ok(leased.ok);
      backend = await store.reopen();
      assert.ok((await backend.currentRevision()) >= leased.revision);
      assert.equal(text((await backend.get('/a/1', one)).kv?.value), 'one');
      const events = await collect(backend, range, one, (seen) => seen.some((event) => event.type === 'delete'));
      assert.deepEqual(events.slice(0, 1).map(brief), [`${two} put /a/1=two since ${one} was one@${one}`]);
      assert.deepEqual(events.map(keyOf), ['/a/1', '/a/lease', '/a/lease']);
    });

    withStore('closing while busy answers or refuses every call, and keeps what was answered', async () => {
      const waiting = collect(backend, range, await backend.currentRevision(), () => false);
      const refusal = assert.rejects(waiting, (error) => errorCode(error) === 'DATASTORE_CLOSED');
      const answered = new Map<string, Revision>();
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let i = 0; ; i++) {
          const key = `/a/${writer}/${i}`;
          try {
            answered.set(key, await put(backend, key, 'v'));
          } catch (error) {
            assert.equal(errorCode(error), 'DATASTORE_CLOSED');
            return;
          }
          if (answered.size === 100) reopened = store.reopen();
        }
      });
      let reopened = Promise.resolve(backend);
      await Promise.all([...writers, refusal]);
      const closed = backend;
      backend = await reopened;
      await assert.rejects(closed.get('/a/1'), (error) => errorCode(error) === 'DATASTORE_CLOSED');
      const kept = new Map((await backend.list(range)).items.map((kv) => [kv.key, kv.modRevision]));
      for (const [key, revision] of answered) assert.equal(kept.get(key), revision);
    });

    withStore('random operations do what a simple model does', async () => {
      let round = 0;
      const key = fc.integer({ min: 0, max: 4 });
      const operation = fc.oneof(
        {
          weight: 6,
          arbitrary: fc.record({ type: fc.constant('write' as const), key, stale: fc.nat(9), value: fc.nat(99) }),
        },
        { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), key, stale: fc.nat(9) }) },
        {
          weight: 2,
          arbitrary: fc.record({
            type: fc.constant('read' as const),
            back: fc.nat(12),
            limit: fc.integer({ min: 1, max: 6 }),
          }),
        },
        { weight: 1, arbitrary: fc.record({ type: fc.constant('compact' as const), back: fc.nat(12) }) },
        { weight: 1, arbitrary: fc.record({ type: fc.constant('watch' as const), back: fc.nat(12) }) },
        { weight: 1, arbitrary: fc.record({ type: fc.constant('reopen' as const) }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40 }), async (operations) => {
          round += 1;
          const prefix = `/model/${round}/`;
          const model = new Model(prefix, await backend.currentRevision());
          for (const op of operations) {
            if (op.type === 'write' || op.type === 'delete') {
              const name = `${prefix}${op.key}`;
              const standing = model.standing(name);
              // One operation in ten expects a revision that does not stand.
              const expected = (standing?.modRevision ?? 0) + (op.stale === 0 ? 1 : 0);
              const value = op.type === 'write' ? `${op.value}` : null;
              const result = await backend.write(name, expected, value === null ? null : bytes(value));
              assert.equal(result.ok, op.stale !== 0);
              if (!result.ok) assert.deepEqual(result.current, standing);
              else if (standing !== null || value !== null) model.change(name, value, result.revision);
            } else if (op.type === 'compact') {
              await backend.compact(model.compact(model.back(op.back)));
            } else if (op.type === 'reopen') {
              backend = await store.reopen();
            } else {
              const at = model.back(op.back);
              const whole =
                op.type === 'read' ? readPages(backend, prefix, at, op.limit) : watchAll(backend, prefix, at, model);
              if (at < model.compacted) await assert.rejects(whole, refused('compacted'));
              else assert.deepEqual(await whole, op.type === 'read' ? model.at(at) : model.since(at));
            }
          }
          assert.deepEqual(await readPages(backend, prefix, undefined, 2), model.at(model.revision));
          assert.equal(await backend.count(prefixRange(prefix)), model.at(model.revision).length);
        }),
        { numRuns: 40 },
      );
    });
  });
}

async function readPages(
  backend: Backend,
  prefix: string,
  at: Revision | undefined,
  limit: number,
): Promise<unknown[]> {
  const all: unknown[] = [];
  let page = await backend.list(prefixRange(prefix), at, { limit });
  for (;;) {
    all.push(...page.items);
    const last = page.items.at(-1);
    if (!page.more || last === undefined) return all;
    page = await backend.list(prefixRange(prefix), page.revision, { limit, after: last.key });
  }
}

async function watchAll(backend: Backend, prefix: string, from: Revision, model: Model): Promise<string[]> {
  const newest = model.newest();
  // With nothing to wait for, a watch that is refused still says so at its first step.
  if (newest <= from) return [];
  return (await collectThrough(backend, prefixRange(prefix), from, newest)).map(brief);
}

/** A store that keeps every change in a list and looks everything up by going through it. */
class Model {
  readonly prefix: string;
  readonly start: Revision;
  readonly changes: { readonly key: string; readonly event: BackendEvent }[] = [];
  revision: Revision;
  compacted: Revision;

  constructor(prefix: string, revision: Revision) {
    this.prefix = prefix;
    this.start = revision;
    this.revision = revision;
    this.compacted = 0;
  }

  standing(key: string, at = this.revision) {
    const last = this.changes.findLast((change) => change.key === key && revisionOf(change.event) <= at)?.event;
    return last?.type === 'put' ? last.kv : null;
  }

  change(key: string, value: string | null, revision: Revision): void {
    assert.ok(revision > this.revision, 'a change has a revision of its own');
    const previous = this.standing(key);
    this.revision = revision;
    if (value !== null) {
      const kv = {
        key,
        value: bytes(value),
        createRevision: previous?.createRevision ?? revision,
        modRevision: revision,
      };
      this.changes.push({ key, event: { type: 'put', kv, previous } });
    } else if (previous !== null) {
      this.changes.push({ key, event: { type: 'delete', key, revision, previous } });
    }
  }

  /** The revision that stood `steps` changes ago, not before the model began. */
  back(steps: number): Revision {
    const event = this.changes.at(-1 - steps)?.event;
    return event === undefined ? this.start : revisionOf(event);
  }

  newest(): Revision {
    return this.back(0);
  }

  compact(to: Revision): Revision {
    this.compacted = Math.max(this.compacted, to);
    return to;
  }

  at(at: Revision): unknown[] {
    const keys = [...new Set(this.changes.map((change) => change.key))].sort();
    return keys.map((key) => this.standing(key, at)).filter((kv) => kv !== null);
  }

  since(from: Revision): string[] {
    return this.changes.filter((change) => revisionOf(change.event) > from).map((change) => brief(change.event));
  }
}
