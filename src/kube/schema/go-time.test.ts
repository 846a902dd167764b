import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { normaliseTime } from './go-time.ts';

test('times are written in UTC, with whole seconds or with microseconds', () => {
  const cases: readonly (readonly [string, 'time' | 'micro-time', string])[] = [
    ['2020-02-29T12:00:00Z', 'time', '2020-02-29T12:00:00Z'],
    ['2020-01-01T00:30:00+01:00', 'time', '2019-12-31T23:30:00Z'],
    ['2020-01-01T00:00:00.999Z', 'time', '2020-01-01T00:00:00Z'],
    ['2020-01-01T00:00:00.123456-00:30', 'micro-time', '2020-01-01T00:30:00.123456Z'],
    ['0001-01-01T00:00:00Z', 'time', '0001-01-01T00:00:00Z'],
  ];
  for (const [text, kind, expected] of cases) assert.deepEqual(normaliseTime(text, kind), { text: expected });
});

test('every instant comes back as it was', () => {
  const max = new Date('9999-12-31T00:00:00Z');
  fc.assert(
    fc.property(fc.date({ min: new Date('1000-01-01T00:00:00Z'), max, noInvalidDate: true }), (date) => {
      const text = `${date.toISOString().slice(0, 19)}Z`;
      assert.deepEqual(normaliseTime(text, 'time'), { text });
      assert.deepEqual(normaliseTime(text.replace('Z', '+00:00'), 'time'), { text });
    }),
  );
});

test('no text makes it throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9TZ:.+-]{10,30}$/)), (text) => {
      for (const kind of ['time', 'micro-time'] as const) assert.ok(normaliseTime(text, kind) !== undefined);
    }),
  );
});
