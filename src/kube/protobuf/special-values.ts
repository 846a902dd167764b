import { ProtobufError } from './wire-reader.ts';

/** Go's time.Time{} as seconds of the Unix epoch: JSON shows it as null, protobuf as no bytes. */
const zeroTimeSeconds = -62_135_596_800;
const firstSecondOfYear0 = -62_167_219_200;
const lastSecondOfYear9999 = 253_402_300_799;

/** A timestamp as JSON has it: null for Go's zero time. With `nanos` it shows microseconds. Throws ProtobufError. */
export function timeText(seconds: number, nanos?: number): string | null {
  if (seconds === zeroTimeSeconds && (nanos ?? 0) === 0) return null;
  if (seconds < firstSecondOfYear0 || seconds > lastSecondOfYear9999) {
    throw new ProtobufError('Time.MarshalJSON: year outside of range [0,9999]');
  }
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  if (nanos === undefined) return `${whole}Z`;
  const micros = Math.trunc(Math.min(Math.max(nanos, 0), 999_999_999) / 1000);
  return `${whole}.${String(micros).padStart(6, '0')}Z`;
}

/** Seconds and nanoseconds of an RFC 3339 time; undefined for what is none. */
export function parseTime(text: string): { readonly seconds: number; readonly nanos: number } | undefined {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (parts === null) return undefined;
  const [, whole = '', fraction = '', zone = ''] = parts;
  const milliseconds = Date.parse(`${whole}${zone}`);
  if (Number.isNaN(milliseconds)) return undefined;
  return { seconds: milliseconds / 1000, nanos: Number(fraction.padEnd(9, '0')) };
}

/** Nanoseconds as Go's time.Duration prints them, e.g. `1h0m0.5s`. */
export function durationText(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  const sign = nanoseconds < 0 ? '-' : '';
  const size = Math.abs(nanoseconds);
  if (size < 1e9) {
    if (size < 1e3) return `${sign}${size}ns`;
    return size < 1e6 ? `${sign}${decimal(size, 1e3)}µs` : `${sign}${decimal(size, 1e6)}ms`;
  }
  const minutes = Math.floor(size / 60e9);
  const seconds = `${decimal(size - minutes * 60e9, 1e9)}s`;
  if (minutes === 0) return `${sign}${seconds}`;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${sign}${minutes}m${seconds}` : `${sign}${hours}h${minutes % 60}m${seconds}`;
}

function decimal(value: number, unit: number): string {
  const digits = String(unit).length - 1;
  const fraction = String(Math.floor(value % unit))
    .padStart(digits, '0')
    .replace(/0+$/, '');
  return `${Math.floor(value / unit)}${fraction === '' ? '' : `.${fraction}`}`;
}
