/**
 * Schedules of CronJobs: five fields or a descriptor, read as the parser that Kubernetes uses reads them, with its words
 * for what is wrong. Pure: no clock, no time zones beyond their names.
 */
import { type DurationResult, parseGoDuration } from './go-duration.ts';
import { goQuote } from './go-json.ts';
import { isTimeZone } from './time-zone.ts';

/** The values that each field admits; `starred` fields of days say nothing, so that the other one decides. */
export interface CronFields {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly daysOfMonth: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly daysOfWeek: ReadonlySet<number>;
  readonly anyDayOfMonth: boolean;
  readonly anyDayOfWeek: boolean;
}

export type CronSchedule =
  | { readonly type: 'fields'; readonly fields: CronFields; readonly timeZone?: string }
  | { readonly type: 'every'; readonly seconds: number };

/** Says in upstream's words why a schedule can't be read. */
export class CronError extends Error {}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

interface Field {
  readonly values: ReadonlySet<number>;
  readonly starred: boolean;
}

const monthNames = ['', 'jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const minute: Bounds = { min: 0, max: 59, names: [] };
const hour: Bounds = { min: 0, max: 23, names: [] };
const dayOfMonth: Bounds = { min: 1, max: 31, names: [] };
const month: Bounds = { min: 1, max: 12, names: monthNames };
const dayOfWeek: Bounds = { min: 0, max: 6, names: dayNames };

const descriptors = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
]);

/** Throws CronError. */
export function parseCronSchedule(text: string): CronSchedule {
  if (text === '') throw new CronError('empty spec string');
  const { timeZone, rest } = leadingTimeZone(text);
  const zone = timeZone === undefined ? {} : { timeZone };
  if (!rest.startsWith('@')) return { type: 'fields', fields: parseFields(rest), ...zone };
  const named = descriptors.get(rest);
  if (named !== undefined) return { type: 'fields', fields: parseFields(named), ...zone };
  if (rest.startsWith('@every ')) return { type: 'every', seconds: everySeconds(rest.slice('@every '.length)) };
  throw new CronError(`unrecognized descriptor: ${rest}`);
}

function leadingTimeZone(text: string): { timeZone?: string; rest: string } {
  if (!text.startsWith('TZ=') && !text.startsWith('CRON_TZ=')) return { rest: text };
  const space = text.indexOf(' ');
  const end = space < 0 ? text.length : space;
  const timeZone = text.slice(text.indexOf('=') + 1, end);
  if (timeZone !== '' && timeZone !== 'Local' && !isTimeZone(timeZone)) {
    throw new CronError(`provided bad location ${timeZone}: unknown time zone ${timeZone}`);
  }
  return { timeZone, rest: text.slice(end).trim() };
}

// Shorter pauses than a second don't exist, fractions are cut off.
function everySeconds(text: string): number {
  const duration: DurationResult = parseGoDuration(text);
  if (duration.error !== undefined) throw new CronError(`failed to parse duration @every ${text}: ${duration.error}`);
  return Math.max(1, Math.floor(duration.nanoseconds / 1e9));
}

function parseFields(text: string): CronFields {
  const words = text.split(/\s+/u).filter((word) => word !== '');
  const [minutes = '', hours = '', days = '', months = '', weekdays = ''] = words;
  if (words.length !== 5) {
    throw new CronError(`expected exactly 5 fields, found ${words.length}: [${words.join(' ')}]`);
  }
  const fields = {
    minutes: parseField(minutes, minute).values,
    hours: parseField(hours, hour).values,
    day: parseField(days, dayOfMonth),
    months: parseField(months, month).values,
    weekday: parseField(weekdays, dayOfWeek),
  };
  return {
    minutes: fields.minutes,
    hours: fields.hours,
    daysOfMonth: fields.day.values,
    months: fields.months,
    daysOfWeek: fields.weekday.values,
    anyDayOfMonth: fields.day.starred,
    anyDayOfWeek: fields.weekday.starred,
  };
}

/** A list of ranges. */
function parseField(text: string, bounds: Bounds): Field {
  const values = new Set<number>();
  let starred = false;
  for (const part of text.split(',')) {
    if (part === '') continue;
    const range = parseRange(part, bounds);
    for (const value of range.values) values.add(value);
    starred ||= range.starred;
  }
  return { values, starred };
}

/** `*`, `n`, `n-m`, each with `/step` or without; `n/step` goes on to the end. */
function parseRange(text: string, bounds: Bounds): Field {
  const parts = text.split('/');
  const limits = (parts[0] ?? '').split('-');
  const [low = '', high = ''] = limits;
  const isStar = low === '*' || low === '?';
  if (!isStar && limits.length > 2) {
    parseNumberOrName(low, bounds);
    throw new CronError(`too many hyphens: ${text}`);
  }
  const start = isStar ? bounds.min : parseNumberOrName(low, bounds);
  let end = isStar ? bounds.max : limits.length === 2 ? parseNumberOrName(high, bounds) : start;
  if (parts.length > 2) throw new CronError(`too many slashes: ${text}`);
  const step = parts[1] === undefined ? 1 : parseNumber(parts[1]);
  if (parts.length === 2 && limits.length === 1) end = bounds.max;
  if (start < bounds.min) {
    throw new CronError(`beginning of range (${start}) below minimum (${bounds.min}): ${text}`);
  }
  if (end > bounds.max) throw new CronError(`end of range (${end}) above maximum (${bounds.max}): ${text}`);
  if (start > end) throw new CronError(`beginning of range (${start}) beyond end of range (${end}): ${text}`);
  if (step === 0) throw new CronError(`step of range should be a positive number: ${text}`);
  const values = new Set<number>();
  for (let value = start; value <= end; value += step) values.add(value);
  return { values, starred: isStar && step === 1 };
}

function parseNumberOrName(text: string, { names }: Bounds): number {
  const index = text === '' ? -1 : names.indexOf(text.toLowerCase());
  return index < 0 ? parseNumber(text) : index;
}

function parseNumber(text: string): number {
  const failure = (why: string) =>
    new CronError(`failed to parse int from ${text}: strconv.Atoi: parsing ${goQuote(text)}: ${why}`);
  if (!/^[+-]?[0-9]+$/.test(text)) throw failure('invalid syntax');
  const number = BigInt(text.replace(/^\+/, ''));
  if (number !== BigInt.asIntN(64, number)) throw failure('value out of range');
  if (number < 0n) throw new CronError(`negative number (${number}) not allowed: ${text}`);
  return Number(number);
}
