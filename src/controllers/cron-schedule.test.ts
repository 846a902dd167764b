import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCronSchedule } from '../kube/cron.ts';
import { nextTime } from './cron-schedule.ts';

test("the next time is found, in the schedule's own zone", () => {
  const cases: readonly (readonly [schedule: string, zone: string, after: string, next: string])[] = [
    ['*/5 * * * *', 'UTC', '2026-01-01T00:00:00Z', '2026-01-01T00:05:00Z'],
    ['0 0 1 1 *', 'UTC', '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['0 0 29 2 *', 'UTC', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
    ['30 9 * * mon-fri', 'UTC', '2026-01-02T10:00:00Z', '2026-01-05T09:30:00Z'],
    ['0 0 13 * fri', 'UTC', '2026-01-10T00:00:00Z', '2026-01-13T00:00:00Z'],
    ['0 12 * * 0', 'UTC', '2026-01-01T00:00:00Z', '2026-01-04T12:00:00Z'],
    ['TZ=Europe/Berlin 0 9 * * *', 'UTC', '2026-01-01T09:00:00Z', '2026-01-02T08:00:00Z'],
    ['@hourly', 'UTC', '2026-01-01T00:59:30Z', '2026-01-01T01:00:00Z'],
    ['10-20/5 3 * jun *', 'UTC', '2026-06-01T03:11:00Z', '2026-06-01T03:15:00Z'],
    ['0 9 * * *', 'Europe/Berlin', '2026-01-01T09:00:00Z', '2026-01-02T08:00:00Z'],
    ['0 9 * * *', 'Europe/Berlin', '2026-07-01T00:00:00Z', '2026-07-01T07:00:00Z'],
    // 29 March 2026, 2:30 does not exist in Berlin.
    ['30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', '2026-03-30T00:30:00Z'],
    ['@every 90s', 'UTC', '2026-01-01T00:00:00Z', '2026-01-01T00:01:30Z'],
  ];
  for (const [schedule, zone, after, next] of cases) {
    const found = nextTime(parseCronSchedule(schedule), Date.parse(after), zone);
    assert.equal(found === undefined ? found : new Date(found).toISOString(), next.replace('Z', '.000Z'), schedule);
  }
});

test('a day that never comes has no next time', () => {
  assert.equal(nextTime(parseCronSchedule('0 0 31 2 *'), 0, 'UTC'), undefined);
});
