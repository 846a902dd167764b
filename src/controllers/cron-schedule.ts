import { TerminalError } from '../core/errors.ts';

/** A parsed schedule of five fields (minute, hour, day of month, month, day of week), as robfig/cron reads it. */
export interface CronSchedule {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** With `*` in one of the two day fields the other one decides alone; else either may match. */
  readonly isDayOpen: boolean;
  readonly isWeekdayOpen: boolean;
  /** `@every`: milliseconds between two times, in place of the fields. */
  readonly everyMs?: number;
}

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const macros: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
/** A schedule that never comes (30 February) is given up after so many years. */
const searchYears = 5;
const minuteMs = 60_000;

/** Parses a schedule. Throws TerminalError BAD_SCHEDULE. */
export function parseSchedule(text: string): CronSchedule {
  const trimmed = text.trim();
  const every = /^@every\s+(.+)$/.exec(trimmed);
  if (every) return { ...fields('* * * * *'), everyMs: parseDuration(every[1] ?? '') };
  const macro = macros[trimmed.toLowerCase()];
  if (macro === undefined && trimmed.startsWith('@')) throw bad(`unrecognized descriptor: ${trimmed}`);
  return fields(macro ?? trimmed);
}

function fields(text: string): CronSchedule {
  const parts = text.split(/\s+/);
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = parts;
  if (parts.length !== 5) throw bad(`expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`);
  const weekdays = parseField(weekday, 0, 7, dayNames);
  // Sunday is 0 and 7.
  if (weekdays.delete(7)) weekdays.add(0);
  return {
    minutes: parseField(minute, 0, 59),
    hours: parseField(hour, 0, 23),
    days: parseField(day, 1, 31),
    months: parseField(month, 1, 12, monthNames, 1),
    weekdays,
    isDayOpen: /^[*?](\/1)?$/.test(day),
    isWeekdayOpen: /^[*?](\/1)?$/.test(weekday),
  };
}

function parseField(text: string, min: number, max: number, names: readonly string[] = [], nameBase = 0): Set<number> {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(?:([*?])|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:\/(\d+))?$/i.exec(part);
    if (!match) throw bad(`failed to parse ${text}`);
    const [, open, from, to, step] = match;
    const number = (word: string) => numberOf(word, names, nameBase);
    const first = open ? min : number(from ?? '');
    // `N/step` means from N to the end.
    const last = open || (step !== undefined && to === undefined) ? max : to === undefined ? first : number(to);
    const width = step === undefined ? 1 : Number(step);
    if (first < min || last > max || first > last || width === 0) throw bad(`${part} is outside of ${min}-${max}`);
    for (let value = first; value <= last; value += width) values.add(value);
  }
  return values;
}

function numberOf(word: string, names: readonly string[], base: number): number {
  const at = names.indexOf(word.toLowerCase());
  if (at >= 0) return at + base;
  if (!/^\d+$/.test(word)) throw bad(`failed to parse int from ${word}`);
  return Number(word);
}

function parseDuration(text: string): number {
  const units: Readonly<Record<string, number>> = { s: 1000, m: minuteMs, h: 60 * minuteMs };
  if (!/^(\d+(\.\d+)?[smh])+$/.test(text)) throw bad(`failed to parse duration ${text}`);
  let ms = 0;
  for (const [, amount = '0', unit = 's'] of text.matchAll(/(\d+(?:\.\d+)?)([smh])/g))
    ms += Number(amount) * (units[unit] ?? 0);
  return Math.max(1000, Math.floor(ms / 1000) * 1000);
}

function bad(message: string): TerminalError {
  return new TerminalError('BAD_SCHEDULE', message, { hint: 'write five fields: minute hour day month weekday' });
}

/** The first time after `afterMs`, in milliseconds since the epoch; undefined when there is none in the next years. */
export function nextTime(schedule: CronSchedule, afterMs: number, timeZone: string): number | undefined {
  if (schedule.everyMs !== undefined) return Math.floor(afterMs / 1000) * 1000 + schedule.everyMs;
  // The search runs on the clock on the wall, written as if it were UTC.
  const wall = new Date(afterMs + offsetMs(afterMs, timeZone));
  wall.setUTCSeconds(0, 0);
  wall.setUTCMinutes(wall.getUTCMinutes() + 1);
  const lastYear = wall.getUTCFullYear() + searchYears;
  while (wall.getUTCFullYear() <= lastYear) {
    if (!advance(schedule, wall)) continue;
    const real = realTime(wall.getTime(), timeZone);
    // A time that daylight saving skips does not exist; one that it repeats comes once.
    if (real !== undefined && real > afterMs) return real;
    wall.setUTCMinutes(wall.getUTCMinutes() + 1);
  }
  return undefined;
}

/** True when the wall clock is on a time of the schedule; else moves it on to where it may be. */
function advance(schedule: CronSchedule, wall: Date): boolean {
  if (!schedule.months.has(wall.getUTCMonth() + 1)) {
    wall.setUTCMonth(wall.getUTCMonth() + 1, 1);
    wall.setUTCHours(0, 0);
    return false;
  }
  if (!isDay(schedule, wall)) {
    wall.setUTCDate(wall.getUTCDate() + 1);
    wall.setUTCHours(0, 0);
    return false;
  }
  if (!schedule.hours.has(wall.getUTCHours())) {
    wall.setUTCHours(wall.getUTCHours() + 1, 0);
    return false;
  }
  if (schedule.minutes.has(wall.getUTCMinutes())) return true;
  wall.setUTCMinutes(wall.getUTCMinutes() + 1);
  return false;
}

function isDay({ days, weekdays, isDayOpen, isWeekdayOpen }: CronSchedule, wall: Date): boolean {
  const byDay = days.has(wall.getUTCDate());
  const byWeekday = weekdays.has(wall.getUTCDay());
  return isDayOpen || isWeekdayOpen ? byDay && byWeekday : byDay || byWeekday;
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
export function offsetMs(atMs: number, timeZone: string): number {
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
