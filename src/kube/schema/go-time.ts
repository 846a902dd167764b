/** Go's time.Parse for the two layouts that Kubernetes uses, with its error texts. */

const layoutOf = {
  time: '2006-01-02T15:04:05Z07:00',
  'micro-time': '2006-01-02T15:04:05.000000Z07:00',
} as const;

export type GoTime = { readonly text: string } | { readonly error: string };

// What every server writes; anything else takes the long way.
const plainTime = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;
const plainMicroTime = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/;

/** Reads a time in RFC 3339 and writes it in UTC, with whole seconds or with microseconds; or says why it can't. */
export function normaliseTime(text: string, kind: 'time' | 'micro-time'): GoTime {
  if (kind === 'time' ? plainTime.test(text) : plainMicroTime.test(text)) return { text };
  const layout = layoutOf[kind];
  const failed = (rest: string, element: string): GoTime => ({
    error: `parsing time ${JSON.stringify(text)} as "${layout}": cannot parse ${JSON.stringify(rest)} as "${element}"`,
  });
  const outOfRange = (part: string): GoTime => ({
    error: `parsing time ${JSON.stringify(text)}: ${part} out of range`,
  });

  let rest = text;
  const numbers: number[] = [];
  for (const element of ['2006', '-', '01', '-', '02', 'T', '15', ':', '04', ':', '05']) {
    if (!/\d/.test(element)) {
      if (!rest.startsWith(element)) return failed(rest, element);
      rest = rest.slice(1);
      continue;
    }
    const digits = rest.slice(0, element.length);
    if (digits.length < element.length || !/^\d+$/.test(digits)) return failed(rest, element);
    numbers.push(Number(digits));
    rest = rest.slice(element.length);
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = numbers;
  if (month < 1 || month > 12) return outOfRange('month');
  if (hour > 23) return outOfRange('hour');
  if (minute > 59) return outOfRange('minute');
  if (second > 59) return outOfRange('second');

  let fraction = '';
  if (kind === 'micro-time') {
    const found = /^[.,](\d{6})(?!\d)/.exec(rest);
    if (found === null) return failed(rest, '.000000');
    fraction = found[1] ?? '';
    rest = rest.slice(7);
  } else {
    const found = /^[.,]\d+/.exec(rest);
    rest = rest.slice(found?.[0].length ?? 0);
  }

  let offsetMinutes = 0;
  if (rest.startsWith('Z')) rest = rest.slice(1);
  else {
    const zone = /^([+-])(\d\d):(\d\d)/.exec(rest);
    if (zone === null) return failed(rest, 'Z07:00');
    const hours = Number(zone[2]);
    const minutes = Number(zone[3]);
    if (hours > 24) return outOfRange('time zone offset hour');
    if (minutes > 60) return outOfRange('time zone offset minute');
    offsetMinutes = (hours * 60 + minutes) * (zone[1] === '-' ? -1 : 1);
    rest = rest.slice(6);
  }
  if (rest !== '') {
    return { error: `parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(rest)}` };
  }
  if (day < 1 || day > daysIn(month, year)) return outOfRange('day');

  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute - offsetMinutes, second);
  const seconds = date.toISOString().slice(0, -5);
  return { text: kind === 'micro-time' ? `${seconds}.${fraction}Z` : `${seconds}Z` };
}

function daysIn(month: number, year: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, 0);
  return date.getUTCDate();
}
