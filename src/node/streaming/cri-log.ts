/** One line of a CRI log: `2016-10-06T00:17:09.669794202Z stdout F the text`. */
export interface CriLogEntry {
  /** As the runtime wrote it, RFC 3339 with nanoseconds. */
  readonly time: string;
  readonly stream: string;
  /** The runtime cut a long line here: the next entry of the stream goes on with it. */
  readonly isPartial: boolean;
  readonly text: Buffer;
}

const space = 0x20;

/** Reads one line (without its newline); undefined when it is not of that form. */
export function parseCriLogLine(line: Buffer): CriLogEntry | undefined {
  const first = line.indexOf(space);
  const second = first < 0 ? -1 : line.indexOf(space, first + 1);
  const third = second < 0 ? -1 : line.indexOf(space, second + 1);
  if (second < 0) return undefined;
  const time = line.toString('latin1', 0, first);
  const stream = line.toString('latin1', first + 1, second);
  if (!/^\d{4}-\d\d-\d\dT/.test(time) || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
  const end = third < 0 ? line.length : third;
  // Tags are joined by colons; the first one tells whether the line is whole.
  const [tag] = line.toString('latin1', second + 1, end).split(':');
  return { time, stream, isPartial: tag === 'P', text: line.subarray(Math.min(end + 1, line.length)) };
}

/** RFC 3339 with exactly nine digits of the second, so that times compare as texts do. */
export function fixedTime(time: string): string {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(time);
  if (parts === null) return time;
  const [, seconds = '', fraction = '', zone = 'Z'] = parts;
  return `${seconds}.${fraction.padEnd(9, '0')}${zone}`;
}

/** Milliseconds since the epoch and the nanoseconds below; for comparing times of different zones. */
export function isBefore(time: string, limit: string): boolean {
  const [a, b] = [instant(time), instant(limit)];
  return a.seconds === b.seconds ? a.fraction < b.fraction : a.seconds < b.seconds;
}

function instant(time: string): { readonly seconds: number; readonly fraction: string } {
  const fixed = fixedTime(time);
  const seconds = Date.parse(fixed.replace(/\.\d+/, ''));
  return { seconds, fraction: /\.(\d+)/.exec(fixed)?.[1] ?? '' };
}
