import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CronFields, parseCronSchedule } from './cron.ts';

function fieldsOf(text: string): CronFields {
  const schedule = parseCronSchedule(text);
  if (schedule.type !== 'fields') throw new Error('not fields');
  return schedule.fields;
}

test('lists, ranges, steps and names', () => {
  const fields = fieldsOf('*/20 9-17/4 1,15 jan-MAR mon');
  assert.deepEqual([...fields.minutes], [0, 20, 40]);
  assert.deepEqual([...fields.hours], [9, 13, 17]);
  assert.deepEqual([...fields.daysOfMonth], [1, 15]);
  assert.deepEqual([...fields.months], [1, 2, 3]);
  assert.deepEqual([...fields.daysOfWeek], [1]);
  assert.equal(fields.anyDayOfMonth, false);
  assert.equal(fieldsOf('5/20 * ? * *').anyDayOfMonth, true);
  assert.deepEqual([...fieldsOf('5/20 * ? * *').minutes], [5, 25, 45]);
});

test('descriptors', () => {
  assert.deepEqual([...fieldsOf('@weekly').daysOfWeek], [0]);
  assert.deepEqual(parseCronSchedule('@every 1h30m'), { type: 'every', seconds: 5400 });
  assert.deepEqual(parseCronSchedule('@every 10ms'), { type: 'every', seconds: 1 });
});

test('a leading time zone', () => {
  const schedule = parseCronSchedule('CRON_TZ=Europe/Berlin 0 0 * * *');
  assert.equal(schedule.type === 'fields' && schedule.timeZone, 'Europe/Berlin');
});

const failures: readonly (readonly [string, string])[] = [
  ['', 'empty spec string'],
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['9-5 * * * *', 'beginning of range (9) beyond end of range (5): 9-5'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
  ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
  ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
  ['@often', 'unrecognized descriptor: @often'],
  ['@every soon', 'failed to parse duration @every soon: time: invalid duration "soon"'],
  ['@every 5', 'failed to parse duration @every 5: time: missing unit in duration "5"'],
  ['TZ=Nowhere/X * * * * *', 'provided bad location Nowhere/X: unknown time zone Nowhere/X'],
];

test('what is wrong is told in the words of the parser that Kubernetes uses', () => {
  for (const [text, message] of failures) {
    assert.throws(() => parseCronSchedule(text), { message }, text);
  }
});
