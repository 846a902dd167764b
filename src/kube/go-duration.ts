import { goQuote } from './go-json.ts';

export type DurationResult =
  | { readonly nanoseconds: number; readonly error?: undefined }
  | { readonly nanoseconds?: undefined; readonly error: string };

const unitNanoseconds = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['µs', 1e3],
  ['μs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['h', 3600e9],
]);

/** Durations as Go's time.ParseDuration reads them (`1h30m`, `-1.5s`), with its words for what is wrong. */
export function parseGoDuration(text: string): DurationResult {
  const quoted = goQuote(text);
  const bad: DurationResult = { error: `time: invalid duration ${quoted}` };
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return { nanoseconds: 0 };
  if (rest === '') return bad;
  let nanoseconds = 0;
  while (rest !== '') {
    const [number = ''] = /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)/.exec(rest) ?? [];
    if (number === '') return bad;
    rest = rest.slice(number.length);
    const [unit = ''] = /^[^.0-9]*/.exec(rest) ?? [];
    if (unit === '') return { error: `time: missing unit in duration ${quoted}` };
    const factor = unitNanoseconds.get(unit);
    if (factor === undefined) return { error: `time: unknown unit ${goQuote(unit)} in duration ${quoted}` };
    rest = rest.slice(unit.length);
    nanoseconds += Number(number) * factor;
  }
  return nanoseconds >= 2 ** 63 ? bad : { nanoseconds: sign * nanoseconds };
}

/** A duration as Go prints it: `10s`, `1m20s`, `5m0s`. */
export function formatGoDuration(ms: number): string {
  if (ms < 1000) return ms === 0 ? '0s' : `${Math.round(ms * 1000) / 1000}ms`;
  const seconds = ms / 1000;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const rest = Math.round((seconds % 60) * 1e9) / 1e9;
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${rest}s`;
}
