import type { CronFields, CronSchedule } from '../kube/cron.ts';

/** A schedule that never comes (30 February) is given up after so many years. */
const searchYears = 5;

/**
 * The first time after `afterMs`, in milliseconds since the epoch; undefined when there is none in the next years. A zone
 * that the schedule names itself goes before `timeZone`; the cluster's own is UTC.
 */
export function nextTime(schedule: CronSchedule, afterMs: number, timeZone: string): number | undefined {
  if (schedule.type === 'every') return (Math.floor(afterMs / 1000) + schedule.seconds) * 1000;
  const { fields } = schedule;
  const named = schedule.timeZone ?? timeZone;
  return nextMatch(fields, afterMs, named === '' || named === 'Local' ? 'UTC' : named);
}

function nextMatch(fields: CronFields, afterMs: number, timeZone: string): number | undefined {
  // The search runs on the clock on the wall, written as if it were UTC.
  const wall = new Date(afterMs + offsetMs(afterMs, timeZone));
  wall.setUTCSeconds(0, 0);
  wall.setUTCMinutes(wall.getUTCMinutes() + 1);
  const lastYear = wall.getUTCFullYear() + searchYears;
  while (wall.getUTCFullYear() <= lastYear) {
    if (!advance(fields, wall)) continue;
    const real = realTime(wall.getTime(), timeZone);
    // A time that daylight saving skips does not exist; one that it repeats comes once.
    if (real !== undefined && real > afterMs) return real;
    wall.setUTCMinutes(wall.getUTCMinutes() + 1);
  }
  return undefined;
}

/** True when the wall clock is on a time of the schedule; else moves it on to where it may be. */
function advance(fields: CronFields, wall: Date): boolean {
  if (!fields.months.has(wall.getUTCMonth() + 1)) {
    wall.setUTCMonth(wall.getUTCMonth() + 1, 1);
    wall.setUTCHours(0, 0);
    return false;
  }
  if (!isDay(fields, wall)) {
    wall.setUTCDate(wall.getUTCDate() + 1);
    wall.setUTCHours(0, 0);
    return false;
  }
  if (!fields.hours.has(wall.getUTCHours())) {
    wall.setUTCHours(wall.getUTCHours() + 1, 0);
    return false;
  }
  if (fields.minutes.has(wall.getUTCMinutes())) return true;
  wall.setUTCMinutes(wall.getUTCMinutes() + 1);
  return false;
}

function isDay(fields: CronFields, wall: Date): boolean {
  const byDay = fields.daysOfMonth.has(wall.getUTCDate());
  const byWeekday = fields.daysOfWeek.has(wall.getUTCDay());
  return fields.anyDayOfMonth || fields.anyDayOfWeek ? byDay && byWeekday : byDay || byWeekday;
}

function realTime(wallMs: number, timeZone: string): number | undefined {
  for (const guess of [wallMs - offsetMs(wallMs, timeZone), wallMs - offsetMs(wallMs - 86_400_000, timeZone)]) {
    const real = wallMs - offsetMs(guess, timeZone);
    if (real + offsetMs(real, timeZone) === wallMs) return real;
  }
  return undefined;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** How far the zone's wall clock is ahead of UTC. Throws RangeError for a zone that does not exist. */
function offsetMs(atMs: number, timeZone: string): number {
  if (timeZone === 'UTC' || timeZone === 'Etc/UTC') return 0;
  let format = formats.get(timeZone);
  if (!format) {
    const numeric = 'numeric' as const;
    const parts = { year: numeric, month: numeric, day: numeric, hour: numeric, minute: numeric, second: numeric };
    format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', ...parts });
    formats.set(timeZone, format);
  }
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(atMs)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(atMs / 1000) * 1000;
}
