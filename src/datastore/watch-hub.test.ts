import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { errorCode } from '../core/errors.ts';
import { type BackendEvent, prefixRange, RevisionError } from './backend.ts';
import { type ChangesPage, revisionOf, WatchHub } from './watch-hub.ts';

const range = prefixRange('/a/');

function put(revision: number, key = `/a/${revision}`, size = 1): BackendEvent {
  const kv = { key, value: new Uint8Array(size), createRevision: revision, modRevision: revision };
  return { type: 'put', kv, previous: null };
}

/** A hub with its log, which hands out pages of three changes. */
class World {
  readonly log: BackendEvent[] = [];
  readonly hub: WatchHub;
  pages = 0;
  /** Runs while a page is on its way. */
  whileReading: () => void = () => {};

  constructor(windowEvents: number, windowBytes?: number) {
    const readChanges = async (_: unknown, from: number): Promise<ChangesPage> => {
      this.pages += 1;
      const events = this.log.filter((event) => revisionOf(event) > from).slice(0, 3);
      const last = events.at(-1);
      await null;
      this.whileReading();
      return { events, through: last === undefined ? from : revisionOf(last) };
    };
    const bounds = windowBytes === undefined ? { windowEvents } : { windowEvents, windowBytes };
    this.hub = new WatchHub({ revision: 0, compacted: 0, readChanges, ...bounds });
  }

  commit(...events: BackendEvent[]): void {
    this.log.push(...events);
    this.hub.publish(events);
  }
}

/** The revisions that a watch delivers, up to `last`. */
async function revisionsThrough(world: World, from: number, last: number): Promise<number[]> {
  const seen: number[] = [];
  for await (const batch of world.hub.watch(range, from, AbortSignal.timeout(5_000))) {
    seen.push(...batch.map(revisionOf));
    if (seen.includes(last)) return seen;
  }
  assert.fail(`${last} did not come; ${seen} did`);
}

const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('the watch hub', () => {
  test('serves watches from the window without the log', async () => {
    const world = new World(100);
    for (const revision of upTo(1, 20)) world.commit(put(revision));
    assert.deepEqual(await revisionsThrough(world, 5, 20), upTo(6, 20));
    assert.equal(world.pages, 0);
  });

  test('reads the log up to the window, and misses nothing that is committed meanwhile', async () => {
    const world = new World(5);
    for (const revision of upTo(1, 20)) world.commit(put(revision));
    let next = 21;
    world.whileReading = () => {
      if (next <= 40) world.commit(put(next++), put(next++));
    };
    assert.deepEqual(await revisionsThrough(world, 0, 40), upTo(1, 40));
    assert.ok(world.pages > 5);
  });

  test('a watch ahead of what is published waits for what comes after its start', async () => {
    const world = new World(5);
    const watching = revisionsThrough(world, 3, 4);
    for (const revision of upTo(1, 4)) world.commit(put(revision));
    assert.deepEqual(await watching, [4]);
  });

  test('the changes of one revision come together, also when they leave the window', async () => {
    const world = new World(3);
    world.commit(put(1, '/a/x'), put(1, '/a/y'), put(1, '/a/z'));
    world.commit(put(2, '/a/x'));
    world.commit(put(3, '/b/x'));
    const [batch] = await Array.fromAsync(firstBatches(world, 0, 1));
    assert.deepEqual(batch?.map(revisionOf), [1, 1, 1]);
  });

  for (const [bound, world] of [
    ['events', new World(5)],
    ['bytes', new World(1000, 5_000)],
  ] as const) {
    test(`a consumer that falls behind the window's ${bound} is ended, others are not`, async () => {
      const slow = world.hub.watch(range, 0, AbortSignal.timeout(5_000))[Symbol.asyncIterator]();
      const first = slow.next();
      world.commit(put(1));
      assert.deepEqual((await first).value?.map(revisionOf), [1]);
      const quick = revisionsThrough(world, 1, 20);
      for (const revision of upTo(2, 20)) {
        world.commit(put(revision, `/a/${revision}`, 1_000));
        await new Promise(setImmediate);
      }
      await assert.rejects(slow.next(), (error) => errorCode(error) === 'WATCH_TOO_SLOW');
      assert.deepEqual(await quick, upTo(2, 20));
      assert.deepEqual(await revisionsThrough(world, 1, 20), upTo(2, 20));
    });
  }

  test('refuses what compaction forgot, and leaves watches that are under way alone', async () => {
    const world = new World(100);
    world.commit(put(1), put(2), put(3));
    const waiting = world.hub.watch(range, 0, AbortSignal.timeout(5_000))[Symbol.asyncIterator]();
    await waiting.next();
    world.commit(put(4));
    world.hub.compacted(4);
    assert.deepEqual((await waiting.next()).value?.map(revisionOf), [4]);
    await assert.rejects(revisionsThrough(world, 3, 4), RevisionError);
  });

  test('closing ends all watches with the reason', async () => {
    const world = new World(100);
    const watching = revisionsThrough(world, 0, 1);
    await new Promise(setImmediate);
    world.hub.close(new Error('over'));
    await assert.rejects(watching, /over/);
    await assert.rejects(revisionsThrough(world, 0, 1), /over/);
  });
});

async function* firstBatches(world: World, from: number, count: number) {
  let left = count;
  for await (const batch of world.hub.watch(range, from, AbortSignal.timeout(5_000))) {
    yield batch;
    left -= 1;
    if (left === 0) return;
  }
}
