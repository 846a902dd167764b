import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeEntry } from './entry.ts';
import { type CacheEvent, EventWindow, windowLimits } from './event-window.ts';

function event(revision: number, atMs = 0): CacheEvent {
  const current = encodeEntry('', 'a', revision, { kind: 'K', apiVersion: 'v1', metadata: { name: 'a' } });
  return { revision, current, previous: null, atMs, frames: new Map() };
}

describe('the event window', () => {
  it('gives the events after a revision', () => {
    const window = new EventWindow(10);
    for (const revision of [11, 13, 17]) window.push(event(revision));
    assert.deepEqual(
      window.since(10).map((one) => one.revision),
      [11, 13, 17],
    );
    assert.deepEqual(
      window.since(13).map((one) => one.revision),
      [17],
    );
    assert.deepEqual(window.since(17), []);
    assert.equal(window.floor, 10);
  });

  it('forgets the oldest beyond its bound, and says from where on it is complete', () => {
    const window = new EventWindow(0);
    const count = windowLimits.events + 700;
    for (let revision = 1; revision <= count; revision += 1) window.push(event(revision));
    assert.equal(window.floor, 700);
    assert.equal(window.since(700).length, windowLimits.events);
    assert.equal(window.since(700)[0]?.revision, 701);
  });

  it('forgets what is too old', () => {
    const window = new EventWindow(0);
    window.push(event(1, 0));
    window.push(event(2, windowLimits.ageMs));
    window.expire(windowLimits.ageMs + 1);
    assert.equal(window.floor, 1);
    assert.deepEqual(
      window.since(1).map((one) => one.revision),
      [2],
    );
  });
});
